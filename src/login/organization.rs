//! Which of a person's organizations a login is for.
//!
//! Guarantees: what was asked for is what is stored, or nothing is: a provider that signs in to another one
//! is found out.

use std::sync::Arc;

use super::attempt::Attempt;
use crate::config::Config;
use crate::credential::{Organization, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::provider::{Choice, Grant, Method, Provider};
use crate::services::Services;
use crate::text::is_hidden;

/// Longest id that is taken, in bytes: that of a host (RFC 1035, 2.3.4).
const MAX_ID: usize = 255;

/// The organization of a login that is made again, where nobody names one: the server that it was made at.
/// Another server would take its place.
pub(super) fn of_stored(services: &Services, login: &LoginId) -> Option<String> {
    let provider = services.config.provider(login.provider()).ok()?;
    match provider.organizations.as_ref()?.choice {
        Choice::Option(_) => services.store.index().ok()?.logins.get(login)?.organization.clone(),
        Choice::Page | Choice::Param(_) => None,
    }
}

/// The provider as it is for the organization that is asked for.
///
/// # Errors
/// `invalid_argument` if it cannot be asked for one, or for this one.
pub(super) fn provider(config: &Config, id: &str, wanted: Option<&str>) -> Result<Arc<Provider>> {
    let provider = config.provider(id)?;
    let Some(wanted) = wanted else { return Ok(provider) };
    let Some(all) = &provider.organizations else {
        let message = format!("{} has no organizations to choose among.", provider.name);
        return Err(Error::new(Code::InvalidArgument, message).with_hint("Log in without naming one."));
    };
    if all.choice == Choice::Page {
        let message = format!("{} asks for the {} on its own page.", provider.name, all.label);
        return Err(Error::new(Code::InvalidArgument, message)
            .with_hint("Log in without naming one, and choose it there; `:ConvStatus` shows which it is."));
    }
    if wanted.is_empty() || wanted.len() > MAX_ID || wanted.chars().any(|c| c.is_whitespace() || is_hidden(c))
    {
        let message = format!("This is not the {} of {}.", all.label, provider.name);
        return Err(Error::new(Code::InvalidArgument, message).with_hint("Give its id, without blanks."));
    }
    config.provider_in(id, Some(wanted))
}

/// The method, asking for the organization.
///
/// # Errors
/// `invalid_argument` if this method cannot.
pub(super) fn asking(provider: &Provider, mut method: Method, wanted: Option<&str>) -> Result<Method> {
    let choice = provider.organizations.as_ref().map(|all| &all.choice);
    let (Some(Choice::Param(param)), Some(wanted)) = (choice, wanted) else { return Ok(method) };
    if method.grant != Grant::AuthorizationCode {
        let message = format!("The method `{}` of {} asks for none by name.", method.id, provider.name);
        let able = provider.methods.iter().find(|method| method.grant == Grant::AuthorizationCode);
        let hint = able.map(|able| format!("`{}` does.", able.id)).unwrap_or_default();
        return Err(Error::new(Code::InvalidArgument, message).with_hint(hint));
    }
    method.authorize_params.insert(param.clone(), wanted.to_owned());
    Ok(method)
}

/// The tokens with what they are tied to.
///
/// # Errors
/// `provider_refused` if they are another organization's than was asked for.
pub(super) fn settled(attempt: &Attempt, mut tokens: Tokens) -> Result<Tokens, (Error, Box<Tokens>)> {
    let all = attempt.provider.organizations.as_ref();
    let (Some(all), Some(wanted)) = (all, &attempt.organization) else { return Ok(tokens) };
    if let Choice::Option(_) = all.choice {
        tokens.organization = Some(Organization { id: wanted.clone(), name: None });
        return Ok(tokens);
    }
    if tokens.organization.as_ref().is_some_and(|organization| organization.id == *wanted) {
        return Ok(tokens);
    }
    let message =
        format!("{} logged in to another {} than the one asked for.", attempt.provider.name, all.label);
    let hint =
        format!("Choose it on the page, or log in without naming one: `:ConvLogin {}`.", attempt.login);
    Err((Error::new(Code::ProviderRefused, message).with_hint(hint), Box::new(tokens)))
}
