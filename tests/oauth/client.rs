//! The client's side: a provider whose endpoints are at one server, and what a call there ends with.

use std::sync::Arc;

use convocations::clock::Clock;
use convocations::config::Config;
use convocations::credential::Tokens;
use convocations::error::Code;
use convocations::http::Http;
use convocations::oauth::{Client, CodeExchange, Failure, Wire};
use convocations::paths::Paths;
use convocations::provider::Provider;
use convocations::secret::Secret;
use serde_json::{Value, json};

/// Stands in every answer of the servers here; must stand in no error.
pub const PLANTED: &str = "planted-c0ffee";
/// Refresh token, code and verifier; must stand in no error either.
pub const SENT: &str = "sent-5ec2e7";

/// A provider whose every endpoint is at `url`.
pub fn provider(url: &str, more: Value) -> Arc<Provider> {
    let method = |grant: &str| {
        json!({
            "grant": grant, "client_id": "c", "authorize_url": format!("{url}/authorize"),
            "token_url": format!("{url}/token"), "revoke_url": format!("{url}/revoke"),
            "device_authorization_url": format!("{url}/device"),
        })
    };
    let mut methods = json!({
        "code": method("authorization-code"), "mint": method("mint-key"), "device": method("device-code"),
    });
    // Without a client id a minted key is OpenRouter's; with one it is RFC 6749's.
    methods["mint"].as_object_mut().unwrap().remove("client_id");
    for (key, value) in more.as_object().unwrap() {
        methods["code"][key] = value.clone();
    }
    let options = json!({ "providers": { "p": { "name": "P", "login": methods } } });
    let nowhere = std::env::temp_dir().join(format!("convocations-oauth-{:016x}", rand::random::<u64>()));
    Config::load(&Paths::new(&nowhere, &nowhere), Some(&options)).unwrap().provider("p").unwrap()
}

fn wire(provider: &Arc<Provider>, now: i64) -> Wire {
    let http = Http::new(std::time::Duration::from_secs(1), Default::default());
    Wire { provider: Arc::clone(provider), http, clock: Clock::manual(now) }
}

/// The client of one method, at `now`.
pub fn client(provider: &Arc<Provider>, method: &str, now: i64) -> Client {
    Client::described(wire(provider, now), provider.method(method).unwrap()).unwrap()
}

pub fn old_tokens() -> Tokens {
    let mut tokens = Tokens::api_key(Secret::new("old"), 0);
    tokens.refresh_token = Some(Secret::new(SENT));
    tokens
}

pub async fn refresh_at(url: &str) -> Result<Tokens, Failure> {
    let provider = provider(url, json!({}));
    let method = provider.method("code").unwrap();
    Client::of_login(wire(&provider, 1000), method, None, &old_tokens())?.refresh(&old_tokens()).await
}

pub fn code() -> CodeExchange {
    CodeExchange {
        code: Secret::new(SENT),
        code_verifier: Secret::new(SENT),
        redirect_uri: Some("http://127.0.0.1:1/callback".to_owned()),
        nonce: None,
        state: Some(Secret::new("STATE")),
    }
}

/// A failure as a row of the tables below.
pub fn row(failure: &Failure) -> (&'static str, Code, bool) {
    let shown = format!("{failure:?} {} {:?}", failure.error(), failure.error().hint());
    for secret in [PLANTED, SENT, "/token"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(failure.error().message().ends_with('.'), "{shown}");
    assert!(failure.error().hint().is_some(), "{shown}");
    match failure {
        Failure::Refused(error) => ("refused", error.code(), false),
        Failure::UnknownClient(error) => ("client", error.code(), false),
        Failure::Configuration(error) => ("configuration", error.code(), false),
        Failure::Transient { error, sent, .. } => ("transient", error.code(), *sent),
    }
}
