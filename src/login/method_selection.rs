//! Which method a login uses, and whether its notice has been accepted.

use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::StepUp;
use crate::paths::SETTINGS_FILE;
use crate::provider::{Grant, Method, Provider, RedirectPorts};
use crate::text::short;

/// Longest name of a scope that is shown, in characters.
const MAX_SCOPE: usize = 64;

/// The method asked for; else the provider's default or, without a browser, the first that needs no callback.
///
/// # Errors
/// `invalid_argument` if the provider has no such method, or none at all.
pub(super) fn method<'a>(provider: &'a Provider, wanted: Option<&str>, browser: bool) -> Result<&'a Method> {
    if let Some(wanted) = wanted {
        let method = provider.method(wanted).ok_or_else(|| no_such(provider, wanted))?;
        return with_client(provider, method);
    }
    let default = provider.default_method().ok_or_else(|| no_login(provider))?;
    if browser || is_headless(default) || default.grant == Grant::ApiKey {
        return with_client(provider, default);
    }
    with_client(provider, without_callback(provider).unwrap_or(default))
}

/// The method, if the provider knows this program by some id.
fn with_client<'a>(provider: &'a Provider, method: &'a Method) -> Result<&'a Method> {
    match &method.client_page {
        Some(page) if method.client_id.is_none() => Err(no_client(provider, method, page)),
        _ => Ok(method),
    }
}

fn no_client(provider: &Provider, method: &Method, page: &str) -> Error {
    let redirect = method.redirect.as_ref().map(|redirect| {
        let port = match &redirect.ports {
            RedirectPorts::Any => String::new(),
            RedirectPorts::Fixed(ports) => ports.first().map(|port| format!(":{port}")).unwrap_or_default(),
        };
        format!(", with the redirect http://{}{port}{}", redirect.host, redirect.path)
    });
    let (name, id) = (&provider.name, &provider.id);
    let message =
        format!("{name} knows this program by no client id; `{}` needs one of your own.", method.id);
    Error::new(Code::ConfigInvalid, message).with_hint(format!(
        "Register a public app at {page}{}, and give its id as `client_id` under `[providers.{id}]` in {SETTINGS_FILE}.",
        redirect.unwrap_or_default()
    ))
}

/// Whether the method gets by without a callback to this machine, and without a key that the person must
/// have.
fn is_headless(method: &Method) -> bool {
    method.grant != Grant::ApiKey && !method.needs_callback() && !method.lacks_client()
}

/// The provider's first method that needs no callback and makes the credential.
pub(super) fn without_callback(provider: &Provider) -> Option<&Method> {
    provider.methods.iter().find(|method| is_headless(method))
}

/// What a login without a browser goes on with where the server has no device codes, or none for this
/// program: the answer is pasted then. A method with a notice would have to be confirmed first.
pub(super) fn fallback<'a>(provider: &'a Provider, method: &Method, browser: bool) -> Option<&'a Method> {
    let by_paste = |method: &&Method| {
        matches!(method.grant, Grant::AuthorizationCode | Grant::MintKey)
            && method.notice.is_none()
            && !method.lacks_client()
    };
    let needed = !browser && method.grant == Grant::DeviceCode;
    provider.methods.iter().find(by_paste).filter(|_| needed)
}

/// Whether a device login that could not begin says that the server has no device codes for this program.
/// Trouble that passes, and the person's own no, are not that.
pub(super) fn is_not_offered(error: &Error) -> bool {
    matches!(error.code(), Code::ConfigInvalid | Code::ProviderRefused)
}

/// Why somebody who is logged in is to log in again.
pub(super) fn why_again(provider: &Provider, step_up: &StepUp) -> String {
    let words: Vec<String> =
        step_up.missing().iter().map(|scope| format!("`{}`", short(scope, MAX_SCOPE))).collect();
    format!("{} asks for more than this login may do: {}.", provider.name, words.join(", "))
}

/// What a challenge is answered with that asks for what the login has been granted.
pub(super) fn nothing_missing(login: &LoginId) -> Error {
    let message =
        format!("`{login}` has been granted already what the API asks for; asking again brings no more.");
    Error::new(Code::ProviderRefused, message).with_hint(format!(
        "Whoever runs the API decides who may do this. `:ConvLogin {login}` logs in again, also to another \
         account."
    ))
}

/// What a challenge is answered with that asks for nothing.
pub(super) fn no_challenge() -> Error {
    Error::new(Code::InvalidArgument, "The challenge asks for no scope.")
        .with_hint("Give the `WWW-Authenticate` header of the API's answer as it is, from `Bearer` on.")
}

/// What a login ends with whose method has a notice that nobody accepted.
pub(super) fn unconfirmed(provider: &Provider, method: &Method) -> Error {
    let message = format!("The {} login of {} has a notice to be accepted first.", method.id, provider.name);
    Error::new(Code::InvalidArgument, message)
        .with_hint(format!("`:ConvLogin {0} {1}` shows it and asks.", provider.id, method.id))
}

fn no_such(provider: &Provider, wanted: &str) -> Error {
    let known: Vec<&str> = provider.methods.iter().map(|method| method.id.as_str()).collect();
    // A name that is none is not repeated: it may be a key that went astray.
    let message = match crate::login_id::is_name(wanted) {
        true => format!("{} has no login method `{wanted}`.", provider.name),
        false => format!("{} has no login method of this name.", provider.name),
    };
    Error::new(Code::InvalidArgument, message).with_hint(format!("It has: {}.", known.join(", ")))
}

fn no_login(provider: &Provider) -> Error {
    Error::new(Code::InvalidArgument, format!("{} has no way to log in.", provider.name))
        .with_hint(format!("Describe one in {SETTINGS_FILE}, under `[providers.{}.login]`.", provider.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn chosen(provider: &str, wanted: Option<&str>, browser: bool) -> Result<String> {
        let provider = Config::builtin().provider(provider)?;
        method(&provider, wanted, browser).map(|method| method.id.clone())
    }

    #[test]
    fn without_a_browser_the_first_that_needs_no_callback_is_taken() {
        assert_eq!(chosen("openrouter", None, true).unwrap(), "browser");
        assert_eq!(chosen("openrouter", None, false).unwrap(), "code");
        assert_eq!(chosen("anthropic", None, false).unwrap(), "console-key");
        assert_eq!(
            chosen("openrouter", Some("browser"), false).unwrap(),
            "browser",
            "what is named is taken"
        );
    }

    #[test]
    fn a_provider_that_knows_no_client_says_where_one_is_made() {
        assert_eq!(chosen("huggingface", None, true).unwrap(), "api-key");
        assert_eq!(chosen("huggingface", None, false).unwrap(), "api-key");
        let error = chosen("huggingface", Some("browser"), true).unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid);
        let hint = error.hint().unwrap();
        for part in
            ["https://huggingface.co/settings/applications/new", ":17421/callback", "[providers.huggingface]"]
        {
            assert!(hint.contains(part), "{hint}");
        }
    }

    #[test]
    fn a_method_that_is_none_is_answered_with_those_that_are() {
        let error = chosen("openrouter", Some("telepathy"), true).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("telepathy"));
        assert_eq!(error.hint(), Some("It has: browser, code, api-key."));
        let error = chosen("openrouter", Some("sk-or-v1-PLANTED"), true).unwrap_err();
        assert!(!error.message().contains("PLANTED"), "{error:?}");
    }
}
