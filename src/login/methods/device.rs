//! A login by device code (RFC 8628): the person types a short code in any browser anywhere, and we ask until
//! they have.
//!
//! Guarantees: a fault on the way ends nothing, since the person may be typing at that moment; ends with the
//! code's own life, which the provider sets.

use std::time::Duration;

use crate::credential::Tokens;
use crate::error::Result;
use crate::login::attempt::Attempt;
use crate::login::cancel::Deadline;
use crate::login::conversation::{Conversation, timed_out};
use crate::login::events::{Input, Stage};
use crate::login::qr::Qr;
use crate::login::registered_client;
use crate::oauth::device::{DeviceAuthorization, Poll, Schedule};
use crate::oauth::{Client, Failure};
use crate::secret::Secret;

/// A code that the person has not typed yet, and who asks about it.
pub(in crate::login) struct Asked {
    client: Client,
    code: DeviceAuthorization,
}

/// Asks for a code.
pub(in crate::login) async fn begin(attempt: &mut Attempt) -> Result<Asked> {
    let port = attempt.services.config.callback.port;
    // Never used by this login: servers want a redirect in every registration.
    let client = registered_client::prepare(attempt, &format!("http://127.0.0.1:{port}/callback")).await?;
    let code = client.device().await.map_err(Failure::into_error)?;
    Ok(Asked { client, code })
}

/// Shows the code and asks until the person has typed it.
pub(in crate::login) async fn obtain(
    attempt: &Attempt,
    talk: &mut Conversation,
    asked: Asked,
) -> Result<Tokens> {
    let Asked { client, code } = asked;
    // Nothing can be pasted here.
    talk.typed.close();
    let deadline = Deadline::after(code.expires_in, &attempt.services.clock);
    tell(talk, &code, deadline.expires_at);
    let mut schedule = Schedule::new(&code);
    let mut asked_to_wait = Duration::ZERO;
    loop {
        tokio::select! {
            () = tokio::time::sleep(schedule.wait().max(asked_to_wait)) => {}
            () = deadline.passed() => return Err(timed_out().with_hint("The code has expired: start again for a new one.")),
        }
        asked_to_wait = Duration::ZERO;
        match client.poll(&code).await {
            Ok(Poll::Done(tokens)) => {
                talk.tell(Stage::Exchanging);
                return client.complete(*tokens).await.map_err(Failure::into_error);
            }
            Ok(Poll::Pending) => {}
            Ok(Poll::SlowDown(interval)) => schedule.slow_down(interval),
            Err(Failure::Transient { retry_after, .. }) => {
                schedule.unreachable();
                asked_to_wait = retry_after.unwrap_or_default();
            }
            Err(failure) => return Err(failure.into_error()),
        }
    }
}

fn tell(talk: &Conversation, code: &DeviceAuthorization, expires_at: i64) {
    let address = code.verification_uri_complete.as_ref().map_or(&*code.verification_uri, Secret::expose);
    talk.tell(Stage::DeviceCode {
        qr: Qr::of(address),
        user_code: code.user_code.clone(),
        verification_uri: code.verification_uri.clone(),
        verification_uri_complete: code.verification_uri_complete.clone(),
        interval: code.interval,
        expires_at,
        input: Input::None,
    });
    let (label, page, notice, error) = (None, None, None, None);
    talk.tell(Stage::Waiting { input: Input::None, label, page, expires_at, ignored: 0, notice, error });
}
