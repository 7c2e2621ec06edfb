//! `convocations usage`: how much of what each login may use is used.

use std::process::ExitCode;

use super::{Context, output};
use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::{Usage, UsageAnswer, UsageSource};

pub fn run(context: &Context, one: Option<&LoginId>, as_json: bool) -> Result<ExitCode> {
    let mut usage = context.block_on(async {
        let broker = context.broker();
        let logins = match one {
            Some(login) => vec![login.clone()],
            None => {
                let all = broker.status(None).await?;
                all.into_iter().filter(|status| status.source.is_some()).map(|status| status.login).collect()
            }
        };
        // All at once, so that one that hangs holds up no other.
        let asked = futures_util::future::join_all(logins.iter().map(|login| broker.usage(login))).await;
        let mut usage = Vec::new();
        for (login, told) in logins.iter().zip(asked) {
            match told {
                Ok(told) => usage.push(told),
                // One that cannot be asked takes nothing from the others.
                Err(error) if one.is_none() => {
                    tracing::info!(%login, error = %error.code(), "no usage: {error}")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(usage)
    })?;
    match (as_json, one) {
        (true, Some(_)) => match usage.pop() {
            Some(told) => output::json(&told),
            None => Ok(ExitCode::SUCCESS),
        },
        (true, None) => output::json(&UsageAnswer { usage }),
        (false, _) if usage.is_empty() => {
            output::line("You are not logged in anywhere. `convocations login` begins.")
        }
        (false, _) => {
            let now = context.clock.now();
            output::line(&usage.iter().map(|told| text(told, now)).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn text(usage: &Usage, now: i64) -> String {
    let mut lines = vec![format!("{:<24} {}", usage.login.as_str(), age(usage, now))];
    lines.extend(usage.lines.iter().map(|line| format!("  {line}")));
    lines.extend(usage.error.iter().map(|error| format!("  {}", error.message())));
    lines.join("\n")
}

fn age(usage: &Usage, now: i64) -> String {
    let source = match usage.source {
        UsageSource::Endpoint => "its provider",
        UsageSource::Headers => "answers through the gateway",
    };
    match (usage.at.map(|at| now - at), usage.source) {
        (None, UsageSource::Endpoint) => "unknown".to_owned(),
        (None, UsageSource::Headers) => {
            "unknown: told by answers that pass the gateway, and by none so far".to_owned()
        }
        (Some(..=59), _) => format!("by {source}, now"),
        (Some(seconds @ ..=5399), _) => format!("by {source}, {} min ago", seconds / 60),
        (Some(seconds @ ..=172_799), _) => format!("by {source}, {} h ago", (seconds + 1800) / 3600),
        (Some(seconds), _) => format!("by {source}, {} days ago", seconds / 86_400),
    }
}
