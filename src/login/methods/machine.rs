//! A login of the program itself (RFC 6749, 4.4): nobody is asked anything.

use crate::credential::Tokens;
use crate::error::Result;
use crate::login::attempt::Attempt;
use crate::login::conversation::Conversation;
use crate::login::events::Stage;
use crate::login::registered_client;
use crate::oauth::Failure;

/// Asks the provider for tokens, with the client's own proof.
pub(in crate::login) async fn obtain(attempt: &mut Attempt, talk: &mut Conversation) -> Result<Tokens> {
    talk.typed.close();
    let client = registered_client::prepare(attempt, "").await?;
    talk.tell(Stage::Exchanging);
    client.client_credentials().await.map_err(Failure::into_error)
}
