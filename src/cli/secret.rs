//! `convocations secret`: keys that the person already has.

use std::process::ExitCode;

use super::args::SecretAction;
use super::context::Context;
use super::{other_source, output, prompt};
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login;
use crate::login_id::LoginId;
use crate::provider::{CLIENT_ACCOUNT, ClientSecret, Grant, Provider, is_client, is_no_login};
use crate::store::NewLogin;

pub fn run(context: &Context, action: SecretAction) -> Result<ExitCode> {
    match action {
        SecretAction::SetOpenrouterKey => set(context, &"openrouter".parse()?),
        SecretAction::ClearOpenrouterKey => clear(context, &"openrouter".parse()?),
        SecretAction::Set { login } => set(context, &login.parse()?),
        SecretAction::Clear { login } => clear(context, &login.parse()?),
    }
}

fn set(context: &Context, login: &LoginId) -> Result<ExitCode> {
    context.check_kept_here(login)?;
    let provider = context.config.provider(login.provider())?;
    let (what, method) = wanted(&provider, login)?;
    let typed = prompt::secret(&format!("{} {what} (hidden): ", provider.name))?;
    let key = match is_client(login) {
        true => login::check_client_secret(typed.expose())?,
        false => login::check_key(typed.expose())?,
    };
    let store = context.store.interactive();
    let lock = store.lock_login(login)?;
    let kind = provider.kind_of(&key, Kind::ApiKey);
    let tokens = Tokens::api_key(key, context.clock.now());
    let entry = store.put(login, NewLogin::new(method, kind, tokens))?;
    output::note(&format!("Stored the {what} of {login} ({}).", entry.backend.name()));
    drop(lock);
    context.block_on(async {
        other_source::tell_after_storing(context, login).await;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is asked for, and under which method it is stored: a key, or the client secret of a provider of one's
/// own.
fn wanted(provider: &Provider, login: &LoginId) -> Result<(&'static str, String)> {
    let refused =
        |what: &str| Error::new(Code::InvalidArgument, format!("{} takes no {what}.", provider.name));
    if is_client(login) {
        return match provider.client_secret {
            Some(ClientSecret::Store) => Ok(("client secret", CLIENT_ACCOUNT.to_owned())),
            _ => Err(refused("client secret").with_hint(format!(
                "Set `client_secret = \"store\"` under `[providers.{}]` if it does.",
                provider.id
            ))),
        };
    }
    if is_no_login(login) {
        return Err(refused("key by this name").with_hint("Choose another name behind the `@`."));
    }
    let by_key = provider.methods.iter().find(|method| method.grant == Grant::ApiKey);
    let method =
        by_key.ok_or_else(|| refused("key").with_hint(format!("Log in with `:ConvLogin {login}`.")))?;
    Ok(("key", method.id.clone()))
}

fn clear(context: &Context, login: &LoginId) -> Result<ExitCode> {
    context.check_kept_here(login)?;
    let store = context.store.interactive();
    let lock = store.lock_login(login)?;
    match store.remove(login)? {
        None => output::note(&format!("Nothing is stored for {login}.")),
        Some(removed) => {
            output::note(&format!("Removed what was stored for {login}."));
            if let Some(leftover) = removed.leftover {
                let then = "Its item is still there; a later login or logout removes it.";
                output::note(&format!("  {} {then}", leftover.message()));
            }
        }
    }
    drop(lock);
    context.block_on(async {
        other_source::tell_after_removing(context, login).await;
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}
