//! The authorize URL (RFC 6749, 4.1.1).

use url::Url;

use crate::error::{Code, Error, Result};
use crate::provider::{Grant, Method};
use crate::secret::Secret;

/// What one authorization request carries beside what the method says.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    /// Where the answer goes; absent where the provider only shows the code.
    pub redirect_uri: Option<String>,
    /// Ties the answer to this request; absent where the provider has no such thing.
    pub state: Option<Secret>,
    /// The challenge of this request's PKCE pair.
    pub code_challenge: String,
}

/// The URL that the person opens. The standard's parameters win over the method's own of the same name.
///
/// # Errors
/// `config_invalid` if the method has no authorize URL.
pub fn authorize_url(method: &Method, request: &AuthorizeRequest) -> Result<Url> {
    let mut url = method.authorize_url.clone().ok_or_else(|| {
        Error::new(Code::ConfigInvalid, format!("The method `{}` has no authorize URL.", method.id))
            .with_hint("Give `authorize_url` in config.toml, or describe the provider by `issuer`.")
    })?;
    let mut standard: Vec<(&str, String)> = Vec::new();
    if method.grant == Grant::AuthorizationCode {
        standard.push(("response_type", "code".to_owned()));
        standard.extend(method.client_id.clone().map(|id| ("client_id", id)));
        if !method.scopes.is_empty() {
            standard.push(("scope", method.scopes.join(" ")));
        }
    }
    standard.extend(request.redirect_uri.clone().map(|uri| (method.redirect_param.as_str(), uri)));
    standard.push(("code_challenge", request.code_challenge.clone()));
    standard.push(("code_challenge_method", "S256".to_owned()));
    standard.extend(request.state.as_ref().map(|state| ("state", state.expose().to_owned())));
    standard.extend(method.resource.clone().map(|resource| ("resource", resource)));
    {
        let mut query = url.query_pairs_mut();
        for (name, value) in &method.authorize_params {
            if !standard.iter().any(|(standard, _)| standard == name) {
                query.append_pair(name, value);
            }
        }
        query.extend_pairs(&standard);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn url(provider: &str, method: &str, redirect_uri: Option<&str>) -> Url {
        let provider = Config::builtin().provider(provider).unwrap();
        let request = AuthorizeRequest {
            redirect_uri: redirect_uri.map(str::to_owned),
            state: Some(Secret::new("STATE")),
            code_challenge: "CHALLENGE".to_owned(),
        };
        authorize_url(provider.method(method).unwrap(), &request).unwrap()
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
        let with_callback = url("openrouter", "browser", Some("http://localhost:3000/callback/x"));
        assert_eq!(
            param(&with_callback, "callback_url").as_deref(),
            Some("http://localhost:3000/callback/x")
        );
        assert_eq!(param(&with_callback, "client_id").as_deref(), Some("convocations"));
        assert_eq!(param(&with_callback, "redirect_uri"), None);
        assert_eq!(param(&url("openrouter", "code", None), "callback_url"), None);
    }
}
