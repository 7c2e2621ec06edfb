//! `convocations grants`: what is lent, whichever process serves it, its end, and what it asks.

use std::process::ExitCode;

use super::args::GrantsAction;
use super::{Context, lend, output, permission};
use crate::agent;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::{GrantPower, GrantReport, Grants};

pub fn run(context: &Context, action: Option<GrantsAction>, as_json: bool) -> Result<ExitCode> {
    match action {
        None => context.block_on(async { show(context, agent::all(context.paths()).await, as_json) }),
        Some(GrantsAction::Revoke { id }) => context.block_on(async {
            agent::revoke(context.paths(), &id).await?;
            output::note(&format!("The grant {id} has ended, and what was under way with it."));
            Ok(ExitCode::SUCCESS)
        }),
        Some(GrantsAction::Watch) => permission::watch(context),
    }
}

fn show(context: &Context, grants: Vec<GrantReport>, as_json: bool) -> Result<ExitCode> {
    if as_json {
        return output::json(&Grants { grants });
    }
    if grants.is_empty() {
        return output::line("Nothing is lent. `convocations agent` and `convocations ssh` lend logins.");
    }
    let now = context.clock.now();
    let rows: Vec<(String, String)> = grants.iter().map(|grant| row(grant, now)).collect();
    output::beside(&rows)
}

/// A grant in words, behind its id.
pub fn row(grant: &GrantReport, now: i64) -> (String, String) {
    let logins: Vec<&str> = grant.logins.iter().map(LoginId::as_str).collect();
    let power = match (grant.power, grant.lasting) {
        (GrantPower::Use, _) => "use",
        (GrantPower::Token, false) => "tokens",
        (GrantPower::Token, true) => "tokens and lasting keys",
    };
    let parts = [
        Some(format!("{}: {}", grant.label, logins.join(", "))),
        Some(power.to_owned()),
        grant.confirm.then(|| "asks each time".to_owned()),
        grant.ends.map(|end| format!("{} left", lend::left(end - now))),
        Some(used(grant, now)),
        (grant.open > 0).then(|| format!("{} under way", grant.open)),
        (grant.refused > 0).then(|| format!("{} refused", grant.refused)),
        Some(format!("{} (process {})", grant.at, grant.pid)),
    ];
    (format!("{:<8}", grant.id), parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn used(grant: &GrantReport, now: i64) -> String {
    match grant.last() {
        None => "not used yet".to_owned(),
        Some(last) => {
            let times = if grant.uses == 1 { "once".to_owned() } else { format!("{} times", grant.uses) };
            format!("used {times}, last {} {} ago", last.login, lend::left((now - last.at).max(0)))
        }
    }
}
