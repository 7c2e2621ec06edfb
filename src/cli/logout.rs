//! `convocations logout`.

use std::process::ExitCode;

use super::context::Context;
use super::output;
use crate::broker::Broker;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::LogoutResult;
use crate::provider::is_no_login;

pub fn run(context: &Context, login: Option<String>, all: bool) -> Result<ExitCode> {
    let logins: Vec<LoginId> = match login {
        Some(login) => vec![login.parse()?],
        None if all => {
            let stored = context.store.index()?.logins.into_keys();
            // What identifies this program to a provider is no login, and outlives them.
            stored.filter(|login| !is_no_login(login)).collect()
        }
        None => Vec::new(),
    };
    if logins.is_empty() {
        output::note("There is no stored login.");
        return Ok(ExitCode::SUCCESS);
    }
    context.block_on(async {
        let broker = Broker::new(context.interactive());
        let mut first_error = None;
        for login in &logins {
            match broker.logout(login).await {
                Ok(logout) => tell(&logout),
                // One that cannot be removed is no reason to keep the others.
                Err(error) if logins.len() > 1 => {
                    output::fail(&error);
                    first_error = first_error.or(Some(error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(first_error.map_or(ExitCode::SUCCESS, |error| ExitCode::from(error.code().exit_status())))
    })
}

fn tell(logout: &LogoutResult) {
    output::note(&logout.message);
    if let Some(page) = &logout.page {
        output::note(&format!("  {page}"));
    }
}
