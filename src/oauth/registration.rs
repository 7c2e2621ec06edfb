//! Dynamic registration of this program with a server (RFC 7591), for servers that know no better way.
//!
//! Guarantees: a registration belongs to one issuer and is used with no other; its secret, if the server made one, is
//! shown nowhere.

use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::failure::{self, Failure, lacking};
use super::metadata::{Server, strings};
use crate::error::{Code, Error};
use crate::http::Http;
use crate::provider::{ClientAuth, Provider};
use crate::secret::{Secret, expose_opt};

/// What people see on the server's consent page.
const CLIENT_NAME: &str = "Convocations for Neovim";
/// RFC 8628, 3.4.
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a server calls this program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Whose registration it is.
    pub issuer: String,
    /// RFC 6749, 2.2.
    pub client_id: String,
    /// Some servers make one though none was asked for.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// How that secret is shown.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// What was registered.
    pub redirect_uris: Vec<String>,
    /// When the secret ends, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl Registration {
    /// Whether it can be used for this login. Redirects are compared in full: RFC 8252 lets the port of a loopback
    /// address differ, and not every server does.
    pub fn serves(&self, issuer: &str, redirect_uri: &str, now: i64) -> bool {
        self.issuer == issuer
            && self.redirect_uris.iter().any(|uri| uri == redirect_uri)
            && self.expires_at.is_none_or(|end| end > now)
    }

    /// As one secret, for the store.
    pub fn to_secret(&self) -> Secret {
        Secret::new(serde_json::to_string(self).unwrap_or_default())
    }

    /// Back from the store; `None` for anything else.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        serde_json::from_str(secret.expose()).ok()
    }
}

/// Registers.
///
/// # Errors
/// A [`Failure`]; `Configuration` if the server does not let strangers register.
pub(super) async fn register(
    http: &Http,
    provider: &Provider,
    server: &Server,
    url: &Url,
    redirect_uri: &str,
    scopes: &[String],
) -> Result<Registration, Failure> {
    let request = http.client()?.post(url.clone()).header(reqwest::header::ACCEPT, "application/json");
    let reply = http.send(request.json(&wanted(server, redirect_uri, scopes))).await?;
    if matches!(reply.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
        return Err(Failure::Configuration(not_open(provider)));
    }
    let body = match failure::read(&reply, &provider.name) {
        Err(Failure::Configuration(_) | Failure::Refused(_)) => {
            return Err(Failure::Configuration(refused(provider)));
        }
        body => body?,
    };
    read(&body, &server.issuer, redirect_uri).ok_or_else(|| lacking(&provider.name, "client id"))
}

fn wanted(server: &Server, redirect_uri: &str, scopes: &[String]) -> Value {
    let offered = |grant: &&str| match &server.grants {
        Some(list) => list.iter().any(|known| known == grant),
        // RFC 8414, 2: without a list there is no device grant; without a refresh token we do with what there is.
        None => *grant != DEVICE_GRANT,
    };
    let further = ["refresh_token", DEVICE_GRANT];
    let grants: Vec<&str> =
        std::iter::once("authorization_code").chain(further.into_iter().filter(offered)).collect();
    let mut body = json!({
        "client_name": CLIENT_NAME,
        "application_type": "native",
        "redirect_uris": [redirect_uri],
        "grant_types": grants,
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    });
    if !scopes.is_empty() {
        body["scope"] = scopes.join(" ").into();
    }
    body
}

/// What the server says counts, and not what was asked for (RFC 7591, 3.2.1).
pub(super) fn read(body: &Value, issuer: &str, redirect_uri: &str) -> Option<Registration> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let method = text("token_endpoint_auth_method");
    let secret = text("client_secret").filter(|_| method != Some("none")).map(Secret::new);
    let mut redirect_uris = strings(body.get("redirect_uris").unwrap_or(&Value::Null));
    if redirect_uris.is_empty() {
        redirect_uris.push(redirect_uri.to_owned());
    }
    Some(Registration {
        issuer: issuer.to_owned(),
        client_id: text("client_id")?.to_owned(),
        expires_at: body
            .get("client_secret_expires_at")
            .and_then(Value::as_i64)
            .filter(|end| *end > 0 && secret.is_some()),
        client_secret: secret,
        client_auth: match method {
            Some("client_secret_post") => ClientAuth::ClientSecretPost,
            _ => ClientAuth::ClientSecretBasic,
        },
        redirect_uris,
    })
}

fn not_open(provider: &Provider) -> Error {
    Error::new(Code::ProviderRefused, format!("{} does not let programs register themselves.", provider.name))
        .with_hint(format!(
            "Register one by hand and give its `client_id` under `[providers.{}]`.",
            provider.id
        ))
}

fn refused(provider: &Provider) -> Error {
    Error::new(Code::ProviderRefused, format!("{} refused to register this program.", provider.name))
        .with_hint(format!(
            "Check `scopes` and the redirect under `[providers.{}]`, or give a `client_id`.",
            provider.id
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "http://127.0.0.1:3000/callback";

    #[test]
    fn the_answer_counts_and_not_the_request() {
        let plain = read(&json!({ "client_id": "c" }), "i", URI).unwrap();
        assert_eq!((plain.client_secret, plain.redirect_uris), (None, vec![URI.to_owned()]));
        let body = json!({
            "client_id": "c", "client_secret": "planted", "client_secret_expires_at": 50,
            "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [URI],
        });
        let with_secret = read(&body, "i", URI).unwrap();
        assert_eq!(with_secret.client_auth, ClientAuth::ClientSecretPost);
        assert!(with_secret.serves("i", URI, 49) && !with_secret.serves("i", URI, 50));
        assert!(!format!("{with_secret:?}").contains("planted"));
        assert_eq!(Registration::from_secret(&with_secret.to_secret()), Some(with_secret));
        let none = json!({ "client_id": "c", "client_secret": "x", "token_endpoint_auth_method": "none" });
        assert_eq!(read(&none, "i", URI).unwrap().client_secret, None);
        for odd in [json!({}), json!({ "client_id": 7 }), json!({ "client_id": "" })] {
            assert_eq!(read(&odd, "i", URI), None);
        }
    }

    #[test]
    fn a_registration_serves_its_own_issuer_and_redirect_only() {
        let own = read(&json!({ "client_id": "c" }), "https://a.example", URI).unwrap();
        assert!(own.serves("https://a.example", URI, 0));
        assert!(!own.serves("https://b.example", URI, 0));
        assert!(!own.serves("https://a.example", "http://127.0.0.1:3001/callback", 0));
    }

    #[test]
    fn only_grants_that_are_offered_are_registered() {
        let mut server = Server::default();
        let grants = |server: &Server| wanted(server, URI, &[])["grant_types"].clone();
        assert_eq!(grants(&server), json!(["authorization_code", "refresh_token"]));
        server.grants = Some(vec!["authorization_code".to_owned(), DEVICE_GRANT.to_owned()]);
        assert_eq!(grants(&server), json!(["authorization_code", DEVICE_GRANT]));
        assert_eq!(wanted(&server, URI, &["a".to_owned(), "b".to_owned()])["scope"], "a b");
    }
}
