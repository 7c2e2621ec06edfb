//! Who asks: the client's id and secret in a request, and what ties a login to them.
//!
//! Guarantees: a secret goes to the server that it was made for and to no other (the MCP specification's rule on
//! mix-up), because a login keeps server and client together.

use std::borrow::Cow;

use reqwest::RequestBuilder;
use url::form_urlencoded::byte_serialize;

use crate::credential::{Binding, Tokens};
use crate::provider::{ClientAuth, Method, Provider};

/// Public clients name themselves; those with a secret do that here or in the header, never in both (RFC 6749, 2.3).
pub(super) fn add_to_body(params: &mut Vec<(&str, String)>, method: &Method) {
    if is_basic(method) {
        return;
    }
    params.extend(method.client_id.clone().map(|id| ("client_id", id)));
    params.extend(method.client_secret.as_ref().map(|secret| ("client_secret", secret.expose().to_owned())));
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
/// A client secret is part of it only if a registration brought it: the person's own is asked for at each use.
pub(super) fn binding(provider: &Provider, method: &Method) -> Option<Binding> {
    if !method.discover && method.client_secret.is_none() {
        return None;
    }
    Some(Binding {
        token_url: method.token_url.as_ref()?.to_string(),
        revoke_url: method.revoke_url.as_ref().map(ToString::to_string),
        client_id: method.client_id.clone(),
        client_secret: method.client_secret.clone().filter(|_| provider.client_secret.is_none()),
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
    // The settings' own, as it is now, before one that a registration brought.
    bound.client_secret = bound.client_secret.or_else(|| binding.client_secret.clone());
    bound.client_auth = Some(match binding.basic_auth {
        true => ClientAuth::ClientSecretBasic,
        false => ClientAuth::ClientSecretPost,
    });
    bound.resource = binding.resource.clone().or(bound.resource);
    Cow::Owned(bound)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::Config;
    use crate::secret::Secret;

    fn method() -> Method {
        let provider = Config::builtin().provider("kimi").unwrap();
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
        add_to_body(&mut params, method);
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

    fn provider() -> Provider {
        let provider = Config::builtin().provider("kimi").unwrap();
        Provider::clone(&provider)
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
        described.client_auth = Some(ClientAuth::ClientSecretPost);
        let again = bound(&described, &tokens);
        assert_eq!((&again.token_url, &again.client_id), (&method.token_url, &method.client_id));
        assert_eq!((&again.client_secret, again.client_auth), (&method.client_secret, method.client_auth));
        described.token_url = Url::parse("https://corrected.example/").ok();
        assert_eq!(bound(&described, &tokens).token_url, described.token_url);
    }

    #[test]
    fn a_described_public_client_needs_no_binding() {
        let mut method = method();
        method.client_secret = None;
        assert_eq!(binding(&provider(), &method), None);
    }
}
