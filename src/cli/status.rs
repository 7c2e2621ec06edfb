//! `convocations status`. Of one login, the exit status is the one that `convocations token` would have.

use std::process::ExitCode;

use super::context::Context;
use super::output;
use crate::agent;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{GrantReport, LenderReport, LoginStatus, StatusAnswer};
use crate::remote::SOURCE;

pub fn run(context: &Context, one: Option<&LoginId>, as_json: bool) -> Result<ExitCode> {
    let (logins, grants, lender) = context.block_on(async {
        let broker = context.broker();
        let logins = broker.status(one).await?;
        let all = agent::all(context.paths()).await;
        // Of one login, what lends that one.
        let is_about = |grant: &GrantReport| one.is_none_or(|login| grant.logins.contains(login));
        Ok((logins, all.into_iter().filter(is_about).collect::<Vec<_>>(), broker.lender_report()))
    })?;
    let without_token = logins.iter().find(|login| one.is_some() && login.source.is_none()).map(exit_status);
    show(context, logins, grants, lender, as_json)?;
    Ok(without_token.unwrap_or(ExitCode::SUCCESS))
}

fn show(
    context: &Context,
    logins: Vec<LoginStatus>,
    grants: Vec<GrantReport>,
    lender: Option<LenderReport>,
    as_json: bool,
) -> Result<ExitCode> {
    if as_json {
        let store = context.store.backend_report();
        return output::json(&StatusAnswer { logins, seq: None, store, gateway: None, grants, lender });
    }
    if let Some(lender) = &lender {
        tell(lender, context.clock.now());
    }
    if logins.is_empty() {
        return output::line("You are not logged in anywhere. `convocations login` begins.");
    }
    let now = context.clock.now();
    let mut rows: Vec<(String, String)> = logins.iter().map(|login| row(login, now)).collect();
    for grant in &grants {
        let (id, text) = super::grants::row(grant, now);
        rows.push((format!("{:<24} {:<13}", format!("grant {}", id.trim_end()), "lent"), text));
    }
    output::beside(&rows)
}

/// Whose the logins are that are lent here, or why that is not known.
fn tell(lender: &LenderReport, now: i64) {
    let home = lender.home.as_deref().unwrap_or("Another machine");
    let grant = lender.label.as_ref().map(|label| format!(" (grant `{label}`)")).unwrap_or_default();
    let ends = lender.ends.map(|end| end - now).filter(|left| *left > 0);
    let ends = ends.map(|left| format!(", {}", remaining(left))).unwrap_or_default();
    match &lender.problem {
        Some(problem) => {
            output::note(&format!("{}\n  {}", problem.message(), problem.hint().unwrap_or_default()))
        }
        None => output::note(&format!("{home} lends logins here{grant}{ends}.")),
    }
}

/// Why there is no token.
fn exit_status(status: &LoginStatus) -> ExitCode {
    let code = status.error.as_ref().map_or(Code::NotLoggedIn, Error::code);
    ExitCode::from(code.exit_status())
}

fn row(status: &LoginStatus, now: i64) -> (String, String) {
    let head = format!("{:<24} {:<13}", status.login.as_str(), status.state.word());
    let parts = [
        status.identity.clone(),
        status.organization.clone(),
        status.method.clone(),
        status.lender.as_ref().map(|lender| format!("lent by {lender}")),
        status.gateway_only.then(|| "through the gateway only".to_owned()),
        status
            .source
            .as_ref()
            .filter(|source| !matches!(source.as_str(), "login" | SOURCE))
            .map(|source| format!("from {source}")),
        status.store.map(|store| store.as_str().to_owned()),
        status.expires_at.map(|end| remaining(end - now)),
        status.needs_login.clone(),
    ];
    let mut text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if let Some(error) = &status.error {
        // On a line of its own, with the remedy, as every face has it.
        let hint = error.hint().map(|hint| format!(" {hint}")).unwrap_or_default();
        text.push_str(&format!("{}{}{hint}", if text.is_empty() { "" } else { "\n" }, error.message()));
    }
    (head, text)
}

fn remaining(seconds: i64) -> String {
    match seconds {
        ..=0 => "token ended".to_owned(),
        1..=5999 => format!("{} min left", seconds.div_euclid(60)),
        6000..=172_800 => format!("{} h left", seconds.div_euclid(3600)),
        _ => format!("{} days left", seconds.div_euclid(86_400)),
    }
}
