//! Dynamic registration of this program with a server (RFC 7591), for servers that know no better way.
//!
//! Guarantees: a registration belongs to one issuer and is used with no other; its secret, if the server made
//! one, is shown nowhere.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::client::Wire;
use super::failure::{self, Failure, lacking};
use super::metadata::{Server, strings};
use super::token::DEVICE_GRANT;
use crate::error::{Code, Error};
use crate::http::Reply;
use crate::provider::{ClientAuth, Grant, Method, Provider};
use crate::secret::{Secret, expose_opt};

/// What people see on the server's consent page.
const CLIENT_NAME: &str = "Convocations for Neovim";
/// Most registrations that are kept for a provider; the oldest goes first.
const MAX_KEPT: usize = 16;
const CODE_GRANT: &str = "authorization_code";
const REFRESH_GRANT: &str = "refresh_token";

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
    /// The grants that were registered; none where that was not kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// When the secret ends, Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

impl Registration {
    /// Whether it can be used for this login. Redirects are compared in full: RFC 8252 lets the port of a
    /// loopback address differ, and not every server does.
    fn serves(&self, issuer: &str, redirect_uri: &str, grant: Grant, now: i64) -> bool {
        self.issuer == issuer
            && self.redirect_uris.iter().any(|uri| uri == redirect_uri)
            && (self.grants.is_empty() || self.grants.iter().any(|known| known == name_of(grant)))
            && self.expires_at.is_none_or(|end| end > now)
    }
}

/// The registrations of a provider: one for each redirect and grant that a login was made with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Registrations(Vec<Registration>);

impl Registrations {
    /// One that can be used for a login.
    pub fn find(&self, issuer: &str, redirect_uri: &str, grant: Grant, now: i64) -> Option<&Registration> {
        self.0.iter().rev().find(|known| known.serves(issuer, redirect_uri, grant, now))
    }

    /// Adds one; whether anything changed.
    pub fn add(&mut self, registration: Registration) -> bool {
        if self.0.contains(&registration) {
            return false;
        }
        self.0.push(registration);
        let surplus = self.0.len().saturating_sub(MAX_KEPT);
        self.0.drain(..surplus);
        true
    }

    /// Removes those of a client id; whether anything changed.
    pub fn forget(&mut self, client_id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|known| known.client_id != client_id);
        self.0.len() != before
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As one secret, for the store.
    pub fn to_secret(&self) -> Secret {
        Secret::new(serde_json::to_string(&self.0).unwrap_or_default())
    }

    /// Back from the store, where older versions kept a single one; `None` for anything else.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        let text = secret.expose();
        let one = || serde_json::from_str(text).ok().map(|one| vec![one]);
        serde_json::from_str(text).ok().or_else(one).map(Self)
    }
}

/// What RFC 7591, 2 calls a grant.
fn name_of(grant: Grant) -> &'static str {
    match grant {
        Grant::DeviceCode => DEVICE_GRANT,
        _ => CODE_GRANT,
    }
}

/// Registers for one method: with all it can use and, where the server does not take that, with less.
///
/// # Errors
/// A [`Failure`]; `Configuration` if the server does not let strangers register.
pub(super) async fn register(
    wire: &Wire,
    server: &Server,
    url: &Url,
    redirect_uri: &str,
    method: &Method,
) -> Result<Registration, Failure> {
    let provider = &wire.provider;
    for wanted in requests(server, redirect_uri, method) {
        let request = wire.http.post(url.clone())?.header(reqwest::header::ACCEPT, "application/json");
        let reply = wire.http.send(request.json(&wanted)).await?;
        if matches!(reply.status.as_u16(), 401 | 403 | 404 | 405) {
            return Err(Failure::Configuration(not_open(provider)));
        }
        if is_too_much(&reply) {
            continue;
        }
        let body = match failure::read(&reply, &provider.name) {
            Err(Failure::Transient { error, retry_after, sent }) => {
                return Err(Failure::Transient { error, retry_after, sent });
            }
            Err(_) => return Err(Failure::Configuration(refused(provider))),
            Ok(body) => body,
        };
        let made = read(&body, &wanted, &server.issuer);
        return made.ok_or_else(|| lacking(&provider.name, "client id"));
    }
    Err(Failure::Configuration(refused(provider)))
}

/// RFC 7591, 3.2.2. Some say it by 422, or by 400 alone; a redirect that is refused is refused to every
/// request.
fn is_too_much(reply: &Reply) -> bool {
    let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    let codes = failure::codes(&body);
    matches!(reply.status.as_u16(), 400 | 422) && !codes.contains(&"invalid_redirect_uri")
}

/// The requests in the order they are tried. Servers differ in what they refuse: a second grant
/// (django-oauth-toolkit), the lack of one (MCP's Python SDK before 2), a scope that is the resource's own, a
/// client that proves nothing.
fn requests(server: &Server, redirect_uri: &str, method: &Method) -> Vec<Value> {
    let offered =
        |grant: &str| server.grants.as_ref().is_none_or(|list| list.iter().any(|known| known == grant));
    let own = name_of(method.grant);
    let refresh = offered(REFRESH_GRANT).then_some(REFRESH_GRANT);
    let all: Vec<&str> = std::iter::once(own).chain(refresh).collect();
    let with_code: Vec<&str> = [CODE_GRANT].into_iter().chain(all.iter().copied()).collect();
    let mut sets = vec![(all, true)];
    if own == DEVICE_GRANT {
        sets.push((with_code, true));
    }
    sets.push((vec![own], false));
    let mut auths = vec!["none"];
    if !server.takes_auth("none") {
        auths.extend(
            ["client_secret_basic", "client_secret_post"].into_iter().find(|name| server.takes_auth(name)),
        );
    }
    let pairs =
        auths.iter().flat_map(|auth| sets.iter().map(move |(grants, with_scope)| (auth, grants, with_scope)));
    pairs
        .map(|(auth, grants, with_scope)| {
            let scopes: &[String] = if *with_scope { &method.scopes } else { &[] };
            request(redirect_uri, grants, scopes, auth)
        })
        .collect()
}

fn request(redirect_uri: &str, grants: &[&str], scopes: &[String], auth: &str) -> Value {
    let response_types: &[&str] = if grants.contains(&CODE_GRANT) { &["code"] } else { &[] };
    let mut body = json!({
        "client_name": CLIENT_NAME,
        "application_type": "native",
        "redirect_uris": [redirect_uri],
        "grant_types": grants,
        "response_types": response_types,
        "token_endpoint_auth_method": auth,
    });
    if !scopes.is_empty() {
        body["scope"] = scopes.join(" ").into();
    }
    body
}

/// What the server says counts, and not what was asked for (RFC 7591, 3.2.1); what it does not say was
/// granted as asked.
pub(super) fn read(body: &Value, wanted: &Value, issuer: &str) -> Option<Registration> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let list = |key: &str| {
        let said = body.get(key).map(strings).filter(|said| !said.is_empty());
        said.unwrap_or_else(|| wanted.get(key).map(strings).unwrap_or_default())
    };
    let method = text("token_endpoint_auth_method");
    let secret = text("client_secret").filter(|_| method != Some("none")).map(Secret::new);
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
        redirect_uris: list("redirect_uris"),
        grants: list("grant_types"),
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
    use crate::config::Config;

    const URI: &str = "http://127.0.0.1:3000/callback";
    const CODE: Grant = Grant::AuthorizationCode;

    fn wanted() -> Value {
        request(URI, &[CODE_GRANT, REFRESH_GRANT], &[], "none")
    }

    fn made(body: &Value, issuer: &str) -> Option<Registration> {
        read(body, &wanted(), issuer)
    }

    fn kept(registration: Registration) -> Registrations {
        Registrations(vec![registration])
    }

    #[test]
    fn the_answer_counts_and_not_the_request() {
        let plain = made(&json!({ "client_id": "c" }), "i").unwrap();
        assert_eq!((&plain.client_secret, &plain.redirect_uris), (&None, &vec![URI.to_owned()]));
        assert_eq!(plain.grants, [CODE_GRANT, REFRESH_GRANT]);
        let body = json!({
            "client_id": "c", "client_secret": "planted", "client_secret_expires_at": 50,
            "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [URI], "grant_types": [CODE_GRANT],
        });
        let with_secret = made(&body, "i").unwrap();
        assert_eq!(with_secret.client_auth, ClientAuth::ClientSecretPost);
        assert_eq!(with_secret.grants, [CODE_GRANT]);
        assert!(with_secret.serves("i", URI, CODE, 49) && !with_secret.serves("i", URI, CODE, 50));
        assert!(!format!("{with_secret:?}").contains("planted"));
        let none = json!({ "client_id": "c", "client_secret": "x", "token_endpoint_auth_method": "none" });
        assert_eq!(made(&none, "i").unwrap().client_secret, None);
        for odd in [json!({}), json!({ "client_id": 7 }), json!({ "client_id": "" })] {
            assert_eq!(made(&odd, "i"), None);
        }
    }

    #[test]
    fn a_registration_serves_its_own_issuer_redirect_and_grant_only() {
        let own = kept(made(&json!({ "client_id": "c" }), "https://a.example").unwrap());
        let found = |issuer: &str, uri: &str, grant| own.find(issuer, uri, grant, 0).is_some();
        assert!(found("https://a.example", URI, CODE));
        assert!(!found("https://b.example", URI, CODE));
        assert!(!found("https://a.example", "http://127.0.0.1:3001/callback", CODE));
        assert!(!found("https://a.example", URI, Grant::DeviceCode));
    }

    #[test]
    fn several_are_kept_and_one_is_forgotten() {
        let mut all = Registrations::default();
        for number in 0..40 {
            let one = made(&json!({ "client_id": format!("c{number}"), "client_secret": "s" }), "i").unwrap();
            assert!(all.add(one.clone()) && !all.add(one));
        }
        assert_eq!(all.0.len(), MAX_KEPT);
        assert_eq!(all.find("i", URI, CODE, 0).unwrap().client_id, "c39", "the newest leads");
        assert!(all.forget("c39") && !all.forget("c39"));
        assert_eq!(Registrations::from_secret(&all.to_secret()), Some(all));
        let old = r#"{"issuer":"i","client_id":"c","redirect_uris":["http://127.0.0.1:3000/callback"]}"#;
        let old = Registrations::from_secret(&Secret::new(old)).unwrap();
        assert!(old.find("i", URI, Grant::DeviceCode, 0).is_some(), "of an older version, for any grant");
        assert_eq!(Registrations::from_secret(&Secret::new("a client secret")), None);
    }

    #[test]
    fn what_is_asked_for_becomes_less() {
        let grants = |server: &Server, provider: &str, method: &str| -> Vec<String> {
            let provider = Config::builtin().provider(provider).unwrap();
            let mut method = provider.method(method).unwrap().clone();
            method.scopes = vec!["a".to_owned(), "b".to_owned()];
            let all = requests(server, URI, &method);
            let row = |body: &Value| {
                let all = strings(&body["grant_types"]);
                let words: Vec<_> = all.iter().map(|grant| short(grant)).collect();
                let scope = if body["scope"] == "a b" { " +scope" } else { "" };
                format!("{} {}{scope}", words.join(","), body["token_endpoint_auth_method"].as_str().unwrap())
            };
            all.iter().map(row).collect()
        };
        fn short(grant: &str) -> &str {
            grant.rsplit(':').next().unwrap()
        }
        let mut server = Server { auth_methods: Some(vec!["none".to_owned()]), ..Server::default() };
        assert_eq!(
            grants(&server, "anthropic", "subscription"),
            ["authorization_code,refresh_token none +scope", "authorization_code none"]
        );
        server.grants = Some(vec![CODE_GRANT.to_owned(), DEVICE_GRANT.to_owned()]);
        assert_eq!(
            grants(&server, "kimi", "device"),
            ["device_code none +scope", "authorization_code,device_code none +scope", "device_code none"]
        );
        server.auth_methods = None;
        assert_eq!(
            grants(&server, "anthropic", "subscription")[2..],
            ["authorization_code client_secret_basic +scope", "authorization_code client_secret_basic"]
        );
    }
}
