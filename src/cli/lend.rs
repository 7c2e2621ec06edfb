//! What is lent, as it is typed and as it is said: for everything that makes a grant.

use std::time::Duration;

use super::args::TermsArgs;
use super::{Context, output};
use crate::agent::{self, End, Terms};
use crate::broker::Broker;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::GrantPower;

/// The terms as they were typed. Of no named login, all are lent that somebody is logged in to and that may
/// be shared.
///
/// # Errors
/// `unknown_login`, `not_logged_in`; `provider_refused` for a named login that its vendor keeps to its own
/// programs.
pub async fn terms(
    context: &Context,
    broker: &Broker,
    named: &[String],
    args: &TermsArgs,
    label: &str,
) -> Result<Terms> {
    let named: Vec<LoginId> = named.iter().map(|login| login.parse()).collect::<Result<_>>()?;
    let lendable = agent::lendable(broker, &context.config, &named).await?;
    for (login, why) in &lendable.kept {
        output::note(&format!("{login} is left out: {}", why.message()));
    }
    let now = context.clock.now();
    let ends =
        args.duration.map(|time| now.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX)));
    Ok(Terms {
        label: Terms::label(args.label.as_deref(), label),
        logins: lendable.logins,
        power: if args.token { GrantPower::Token } else { GrantPower::Use },
        lasting: args.lasting,
        ends,
        confirm: args.confirm,
    })
}

/// What was granted, to whom, until when: for the person, one sentence a line.
pub fn in_words(terms: &Terms, id: &str, now: i64, otherwise: &str) -> Vec<String> {
    let logins: Vec<&str> = terms.logins.iter().map(LoginId::as_str).collect();
    let power = match (terms.power, terms.lasting) {
        (GrantPower::Use, _) => "They may be used through it; no token and no key leaves this machine.",
        (GrantPower::Token, false) => {
            "Access tokens are handed out too; no refresh token, and no key that lasts."
        }
        (GrantPower::Token, true) => {
            "Access tokens are handed out too, and keys that last, which cannot be revoked from here."
        }
    };
    let mut lines = vec![format!("Lent to {}: {}.", terms.label, logins.join(", ")), power.to_owned()];
    if terms.confirm {
        lines.push("You are asked at each use; no answer within 30 s is no.".to_owned());
    }
    lines.push(match terms.ends {
        Some(end) => format!("Until {} ({}), or {otherwise}.", utc(end), left(end - now)),
        None => format!("Until {otherwise}."),
    });
    lines.push(format!(
        "`convocations grants` shows what it was used for; `convocations grants revoke {id}` ends it."
    ));
    lines
}

/// `2026-11-21 17:50 UTC`.
pub fn utc(time: i64) -> String {
    let time = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(time).unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(time).to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

/// `8h`, `1h 30m`.
pub fn left(seconds: i64) -> String {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    // Of hours nobody wants the seconds.
    let rounded = if seconds >= 600 { seconds.div_ceil(60) * 60 } else { seconds };
    humantime::format_duration(Duration::from_secs(rounded)).to_string()
}

/// What to say when a grant ended by itself.
pub fn ended(end: End) -> Option<&'static str> {
    match end {
        End::Revoked => Some("The grant was revoked."),
        End::TimeOver => Some("The grant's time is over."),
        End::Stopped => None,
    }
}

/// On a system where the kernel has no sockets for that.
#[cfg(not(unix))]
pub fn no_sockets() -> Error {
    Error::new(Code::InvalidArgument, "This system has no unix sockets that this program can use.")
        .with_hint("Use `--listen 127.0.0.1:0`.")
}

/// Neither a socket nor an address was named.
pub fn no_place() -> Error {
    Error::new(Code::InvalidArgument, "It is not said where to listen.")
        .with_hint("Give `--socket PATH` or `--listen 127.0.0.1:0`.")
}
