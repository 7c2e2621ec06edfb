//! `convocations token`: what programs outside the editor call.
//!
//! Guarantees: the way to a stored token that is still good starts no runtime and no TLS.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::context::Context;
use super::news::News;
use super::output;
use crate::broker::{Broker, FINISH_TIME};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::secret::Secret;
use crate::signals;

/// After so long somebody who pressed Ctrl-C wonders why nothing happens.
const WONDER: Duration = Duration::from_millis(300);
/// Longest token that is read from standard input, in bytes.
const MAX_TOKEN: u64 = 64 * 1024;

pub fn run(
    context: &Context,
    login: &LoginId,
    json: bool,
    min_validity: Option<u32>,
    rejected: bool,
) -> Result<ExitCode> {
    let min_validity = min_validity.map(i64::from);
    let credential = if rejected {
        let rejected = read_rejected()?;
        ask(context, async |broker| broker.invalidate(login, &rejected).await)?
    } else {
        match context.token_now(login, min_validity)? {
            Some(credential) => credential,
            None => ask(context, async |broker| broker.get(login, min_validity).await)?,
        }
    };
    credential.log_handed_out();
    match json {
        true => output::json(&credential),
        false => output::write(|out| writeln!(out, "{}", credential.token.expose())),
    }
}

/// Asks a broker, tells what it wants told, and waits for what it has begun, even when asked to end. Apart
/// from [`run`] for its stack, each page of which a function touches whatever it runs.
#[inline(never)]
pub fn ask(context: &Context, work: impl AsyncFnOnce(&Broker) -> Result<Credential>) -> Result<Credential> {
    context.block_on(async {
        let broker = context.broker();
        let mut news = News::of(&broker);
        let result = tokio::select! {
            result = work(&broker) => result,
            () = signals::asked_to_end() => Err(cancelled()),
            never = news.tell() => match never {},
        };
        finish(&broker).await;
        news.tell_rest();
        result
    })
}

/// Waits for a refresh under way to have its answer stored, which is the only copy of a rotated token; if
/// that takes long enough for a person to wonder, says so.
async fn finish(broker: &Broker) {
    let mut finished = std::pin::pin!(broker.finish_in_flight());
    tokio::select! {
        () = &mut finished => {}
        () = tokio::time::sleep(WONDER) => {
            let most = FINISH_TIME.as_secs();
            output::note(&format!(
                "convocations: Waiting for the provider's answer to a refresh under way, at most {most} s.\n  \
                 It holds the only copy of the new login."
            ));
            finished.await;
        }
    }
}

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "Cancelled.")
        .with_hint("A refresh under way was finished first; nothing is lost.")
}

fn read_rejected() -> Result<Secret> {
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = std::io::stdin().lock().take(MAX_TOKEN).read_to_string(&mut text);
    let token = text.trim();
    if read.is_err() || token.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "There is no token on standard input.")
            .with_hint("Pipe the token that the API refused into `convocations token LOGIN --rejected`."));
    }
    Ok(Secret::new(token))
}
