//! `convocations token`: what programs outside the editor call.
//!
//! Guarantees: the way to a stored token that is still good starts no runtime and no TLS.

use std::io::Write as _;
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::time::Duration;

use super::context::Context;
use super::output;
use crate::broker::{Broker, Event, FINISH_TIME};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{Credential, Waiting};
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

/// Asks a broker, tells what it wants told, and waits for what it has begun, even when asked to end.
pub fn ask(context: &Context, work: impl AsyncFnOnce(&Broker) -> Result<Credential>) -> Result<Credential> {
    context.block_on(async {
        let broker = context.broker();
        let mut events = broker.subscribe();
        let result = {
            let mut working = std::pin::pin!(work(&broker));
            let mut ended = std::pin::pin!(signals::asked_to_end());
            loop {
                tokio::select! {
                    result = &mut working => break result,
                    () = &mut ended => break Err(cancelled()),
                    Ok(event) = events.recv() => tell(event),
                }
            }
        };
        finish(&broker).await;
        while let Ok(event) = events.try_recv() {
            tell(event);
        }
        result
    })
}

/// What the person at the terminal is told; what a program reads there is none of it.
fn tell(event: Event) {
    match event {
        Event::Notice(notice) => output::note(&format!("convocations: {}", notice.error.message())),
        Event::Waiting(waiting) if !waiting.done && std::io::stderr().is_terminal() => {
            let Waiting { program, seconds, .. } = waiting;
            output::note(&format!(
                "convocations: Waiting for `{program}`, at most {seconds} s (Ctrl-C ends it)…"
            ));
        }
        _ => {}
    }
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
