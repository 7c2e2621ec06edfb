//! The authorize URL (RFC 6749, 4.1.1).

use url::Url;

use super::client::Client;
use super::client_identity::Params;
use super::ready::{Begin, Issuer};
use crate::error::{Code, Error, Result};
use crate::provider::{CallbackBrings, Method};
use crate::secret::Secret;

/// What one authorization request carries beside what the method says.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    /// Where the answer goes; absent where the provider only shows the code.
    pub redirect_uri: Option<String>,
    /// Ties the answer to this request; absent where the provider has no such thing.
    pub state: Option<Secret>,
    /// What the id token is to repeat (OpenID Connect Core, 3.1.2.1), if one is asked for.
    pub nonce: Option<Secret>,
    /// The challenge of this request's PKCE pair.
    pub code_challenge: String,
}

impl Client {
    /// The URL that the person opens. The standard's parameters win over the method's own of the same name.
    ///
    /// # Errors
    /// `config_invalid` if the method is none that sends a person anywhere.
    pub fn authorize(&self, request: &AuthorizeRequest) -> Result<Url> {
        let method = &self.ready.described;
        let Begin::Browser(url) = &self.ready.begin else { return Err(no_page(method)) };
        let mut url = url.clone();
        let standard = self.standard_params(request);
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in &method.authorize_params {
                let is_standard = standard.iter().any(|(standard, _)| standard == name);
                let value = with_origin(value, request.redirect_uri.as_deref());
                if let Some(value) = value.filter(|_| !is_standard) {
                    query.append_pair(name, &value);
                }
            }
            query.extend_pairs(&standard);
        }
        Ok(url)
    }

    fn standard_params(&self, request: &AuthorizeRequest) -> Params<'_> {
        let method = &self.ready.described;
        let mut params: Params<'_> = Vec::new();
        if method.speaks_rfc6749() {
            params.push(("response_type", "code".to_owned()));
            params.extend(self.ready.client.id.clone().map(|id| ("client_id", id)));
            if !method.scopes.is_empty() {
                params.push(("scope", method.scopes.join(" ")));
            }
        }
        params.extend(request.redirect_uri.clone().map(|uri| (method.redirect_param.as_str(), uri)));
        // What no code comes for has nothing to prove.
        if method.callback == CallbackBrings::Code {
            params.push(("code_challenge", request.code_challenge.clone()));
            params.push(("code_challenge_method", "S256".to_owned()));
        }
        params.extend(request.state.as_ref().map(|state| ("state", state.expose().to_owned())));
        params.extend(request.nonce.as_ref().map(|nonce| ("nonce", nonce.expose().to_owned())));
        params.extend(method.resource.clone().map(|resource| ("resource", resource)));
        params
    }

    /// Who signs the answer, where discovery has told.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.ready.issuer.as_ref()
    }

    /// Whether an id token comes with the answer, whose nonce can be checked (OpenID Connect Core, 3.1.2.1).
    pub fn asks_for_id(&self) -> bool {
        self.ready.issuer.is_some() && self.ready.described.scopes.iter().any(|scope| scope == "openid")
    }
}

fn no_page(method: &Method) -> Error {
    Error::new(Code::ConfigInvalid, format!("The method `{}` has no page to log in on.", method.id))
        .with_hint("Use another method.")
}

/// A parameter with `{origin}`, the callback's scheme, host and port, filled in; `None` where there is no
/// callback. Nothing else is filled: a value may be JSON (OpenID's `claims`).
fn with_origin(value: &str, redirect_uri: Option<&str>) -> Option<String> {
    if !value.contains("{origin}") {
        return Some(value.to_owned());
    }
    let origin = Url::parse(redirect_uri?).ok()?.origin().ascii_serialization();
    Some(value.replace("{origin}", &origin))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::http::Http;
    use crate::oauth::Wire;

    fn url(provider: &str, method: &str, redirect_uri: Option<&str>) -> Url {
        let provider = Config::builtin().provider(provider).unwrap();
        let request = AuthorizeRequest {
            redirect_uri: redirect_uri.map(str::to_owned),
            state: Some(Secret::new("STATE")),
            nonce: None,
            code_challenge: "CHALLENGE".to_owned(),
        };
        let wire = Wire {
            http: Http::new(Duration::ZERO, Default::default()),
            clock: Clock::System,
            provider: provider.clone(),
        };
        let client = Client::described(wire, provider.method(method).unwrap()).unwrap();
        client.authorize(&request).unwrap()
    }

    fn param(url: &Url, name: &str) -> Option<String> {
        let mut all = url.query_pairs().filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let first = all.next();
        assert_eq!(all.next(), None, "{name} is there once");
        first
    }

    #[test]
    fn anthropics_url_has_every_parameter_once() {
        let url = url("anthropic", "subscription", Some("http://localhost:1/callback"));
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "9d1c250a-e61b-44d9-88ed-5944d1962f5e"),
            ("redirect_uri", "http://localhost:1/callback"),
            ("scope", "user:profile user:inference"),
            ("code", "true"),
            ("code_challenge", "CHALLENGE"),
            ("code_challenge_method", "S256"),
            ("state", "STATE"),
        ] {
            assert_eq!(param(&url, name).as_deref(), Some(value), "{name}");
        }
    }

    #[test]
    fn openrouters_url_uses_its_own_names() {
        let callback = "http://localhost:3000/api/openrouter/oauth/callback";
        let with_callback = url("openrouter", "browser", Some(callback));
        assert_eq!(param(&with_callback, "callback_url").as_deref(), Some(callback));
        assert_eq!(param(&with_callback, "referrer").as_deref(), Some("http://localhost:3000"));
        assert_eq!(param(&with_callback, "state").as_deref(), Some("STATE"));
        assert_eq!(param(&with_callback, "client_id").as_deref(), Some("convocations"));
        assert_eq!(param(&with_callback, "redirect_uri"), None);
        let code = url("openrouter", "code", None);
        assert_eq!((param(&code, "callback_url"), param(&code, "referrer")), (None, None));
    }

    #[test]
    fn a_parameter_names_the_callbacks_origin_and_may_be_json() {
        let at = Some("http://127.0.0.1:7/cb");
        assert_eq!(with_origin("{origin}/app", at).as_deref(), Some("http://127.0.0.1:7/app"));
        assert_eq!(with_origin("{origin}", None), None);
        let claims = "{\"id_token\":{\"email\":null}}";
        assert_eq!(with_origin(claims, None).as_deref(), Some(claims));
    }
}
