//! Who asks: the client's id and secret in a request, and what ties a login to them.
//!
//! Guarantees: a secret goes to the server that it was made for and to no other (the MCP specification's rule
//! on mix-up), because a login keeps server and client together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use reqwest::RequestBuilder;
use url::form_urlencoded::byte_serialize;

use super::assertion;
use super::failure::Failure;
use crate::credential::{Binding, Tokens};
use crate::provider::{ClientAuth, Method, Provider};

/// Adds a description's headers.
pub(super) fn with_headers(request: RequestBuilder, headers: &BTreeMap<String, String>) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

/// Public clients name themselves; those with a secret show it here or in the header, never in both (RFC
/// 6749, 2.3), and those with a key show what it has signed.
///
/// # Errors
/// `Configuration` if the key cannot sign.
pub(super) fn add_to_body(params: &mut Vec<(&str, String)>, method: &Method) -> Result<(), Failure> {
    if is_basic(method) {
        return Ok(());
    }
    params.extend(method.client_id.clone().map(|id| ("client_id", id)));
    match (&method.client_secret, &method.client_id, &method.token_url) {
        (Some(key), Some(id), Some(url)) if method.client_auth == Some(ClientAuth::PrivateKeyJwt) => {
            // The issuer, where it is known, so that no other server can use it (RFC 7523, 3; its successor's
            // draft).
            let audience = method.issuer.as_deref().unwrap_or(url.as_str());
            let statement = assertion::make(key, method.client_key_id.as_deref(), id, audience)?;
            params.push(("client_assertion_type", assertion::TYPE.to_owned()));
            params.push(("client_assertion", statement.expose().to_owned()));
        }
        (Some(secret), ..) => params.push(("client_secret", secret.expose().to_owned())),
        (None, ..) => {}
    }
    Ok(())
}

/// HTTP Basic; id and secret are form-encoded first (RFC 6749, 2.3.1).
pub(super) fn add_to_header(request: RequestBuilder, method: &Method) -> RequestBuilder {
    match (&method.client_id, &method.client_secret) {
        (Some(id), Some(secret)) if is_basic(method) => {
            let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
            request.basic_auth(encoded(id), Some(encoded(secret.expose())))
        }
        _ => request,
    }
}

fn is_basic(method: &Method) -> bool {
    method.client_auth == Some(ClientAuth::ClientSecretBasic) && method.client_secret.is_some()
}

/// What a login by this method has to remember, if its description alone cannot repeat it.
pub(super) fn binding(provider: &Provider, method: &Method) -> Option<Binding> {
    if !method.discover {
        return None;
    }
    // A secret of the settings is asked for at each use, so that a new one counts at once.
    let registered = method.client_secret.clone().filter(|_| provider.client_secret.is_none());
    Some(Binding {
        token_url: method.token_url.as_ref()?.to_string(),
        revoke_url: method.revoke_url.as_ref().map(ToString::to_string),
        client_id: method.client_id.clone(),
        client_secret: registered,
        basic_auth: is_basic(method),
        resource: method.resource.clone(),
    })
}

/// The method as it was when this login was made.
pub(super) fn bound<'a>(method: &'a Method, tokens: &Tokens) -> Cow<'a, Method> {
    let Some(binding) = &tokens.binding else { return Cow::Borrowed(method) };
    let url = |text: &str| crate::provider::check_url("binding", text).ok();
    let mut bound = method.clone();
    // A URL that the settings give outright is the person's correction, and holds.
    bound.token_url = bound.token_url.or_else(|| url(&binding.token_url));
    bound.revoke_url = bound.revoke_url.or_else(|| binding.revoke_url.as_deref().and_then(url));
    bound.client_id = binding.client_id.clone().or(bound.client_id);
    bound.client_secret = bound.client_secret.or_else(|| binding.client_secret.clone());
    bound.client_auth = bound.client_auth.or(Some(match binding.basic_auth {
        true => ClientAuth::ClientSecretBasic,
        false => ClientAuth::ClientSecretPost,
    }));
    bound.resource = binding.resource.clone().or(bound.resource);
    Cow::Owned(bound)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use url::Url;

    use super::*;
    use crate::config::Config;
    use crate::provider::ClientSecret;
    use crate::secret::Secret;

    fn provider() -> Arc<Provider> {
        Config::builtin().provider("kimi").unwrap()
    }

    fn method() -> Method {
        let provider = provider();
        let mut method = provider.default_method().unwrap().clone();
        method.client_secret = Some(Secret::new("p:l anted"));
        method
    }

    fn header(method: &Method) -> Option<String> {
        let request = add_to_header(reqwest::Client::new().get("http://127.0.0.1/"), method).build().unwrap();
        Some(request.headers().get("authorization")?.to_str().unwrap().to_owned())
    }

    fn body(method: &Method) -> Vec<&'static str> {
        let mut params = Vec::new();
        add_to_body(&mut params, method).unwrap();
        params.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_secret_travels_in_one_place_only() {
        let _ = crate::http::builder();
        let mut method = method();
        assert_eq!((body(&method), header(&method)), (vec!["client_id", "client_secret"], None));
        method.client_auth = Some(ClientAuth::ClientSecretBasic);
        method.client_id = Some("i d".to_owned());
        // i+d:p%3Al+anted
        assert_eq!((body(&method), header(&method).as_deref()), (vec![], Some("Basic aStkOnAlM0FsK2FudGVk")));
        method.client_secret = None;
        assert_eq!((body(&method), header(&method)), (vec!["client_id"], None));
    }

    #[test]
    fn a_login_goes_back_to_the_server_and_client_it_came_from() {
        let mut method = method();
        method.discover = true;
        method.client_auth = Some(ClientAuth::ClientSecretBasic);
        let mut tokens = Tokens::api_key(Secret::new("T"), 0);
        tokens.binding = binding(&provider(), &method);
        assert!(!format!("{tokens:?}").contains("anted"));
        let mut described = method.clone();
        (described.token_url, described.client_secret, described.client_id) = (None, None, None);
        described.client_auth = None;
        let again = bound(&described, &tokens);
        assert_eq!((&again.token_url, &again.client_id), (&method.token_url, &method.client_id));
        assert_eq!((&again.client_secret, again.client_auth), (&method.client_secret, method.client_auth));
        described.token_url = Url::parse("https://corrected.example/").ok();
        assert_eq!(bound(&described, &tokens).token_url, described.token_url);
        described.client_secret = Some(Secret::new("of today"));
        assert_eq!(bound(&described, &tokens).client_secret, described.client_secret);
    }

    #[test]
    fn a_secret_of_the_settings_is_not_kept_with_the_login() {
        let (mut provider, mut method) = ((*provider()).clone(), method());
        method.discover = true;
        provider.client_secret = Some(ClientSecret::Env("SECRET".to_owned()));
        assert_eq!(binding(&provider, &method).unwrap().client_secret, None);
    }

    #[test]
    fn a_described_public_client_needs_no_binding() {
        let mut method = method();
        method.client_secret = None;
        assert_eq!(binding(&provider(), &method), None);
    }
}
