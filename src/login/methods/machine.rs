//! A login of the program itself (RFC 6749, 4.4): nobody is asked anything.

use crate::credential::Tokens;
use crate::error::Result;
use crate::login::attempt::Attempt;
use crate::login::conversation::Conversation;
use crate::login::events::Stage;
use crate::login::registered_client;
use crate::oauth::{self, Failure};

/// Asks the provider for tokens, with the client's own proof.
pub(in crate::login) async fn obtain(attempt: &mut Attempt, talk: &mut Conversation) -> Result<Tokens> {
    talk.typed.close();
    registered_client::prepare(attempt, "").await?;
    talk.tell(Stage::Exchanging);
    let (http, provider) = (&attempt.services.http, &attempt.provider);
    let tokens = oauth::client_credentials(http, provider, &attempt.method, attempt.now()).await;
    tokens.map_err(Failure::into_error)
}
