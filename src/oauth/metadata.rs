//! An authorization server's document about itself (RFC 8414, OpenID Connect Discovery).
//!
//! Guarantees: a document counts only if it names exactly the issuer that was asked for; an endpoint is
//! https, or on this machine if the issuer is; whatever a document holds, reading it does not panic.

use serde_json::Value;
use url::Url;

use super::client::Wire;
use super::failure::{self, Failure};
use crate::error::{Code, Error};
use crate::loopback::may_be_loopback;
use crate::provider::{Provider, check_url};

/// What a server says of itself, as far as a client needs it.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    pub issuer: String,
    pub authorize_url: Option<Url>,
    pub token_url: Option<Url>,
    pub registration_url: Option<Url>,
    pub revoke_url: Option<Url>,
    pub device_authorization_url: Option<Url>,
    pub userinfo_url: Option<Url>,
    /// Not all scopes need be listed, but `offline_access` is where it is offered.
    pub scopes: Option<Vec<String>>,
    pub grants: Option<Vec<String>>,
    pub auth_methods: Option<Vec<String>>,
    /// RFC 7636; absent where the server does not say.
    pub pkce_methods: Option<Vec<String>>,
    /// RFC 9207, 3.
    pub names_itself_in_answers: bool,
    /// Client ID Metadata Documents.
    pub takes_client_documents: bool,
}

impl Server {
    /// Whether it promises PKCE with S256.
    pub fn has_s256(&self) -> bool {
        self.pkce_methods.iter().flatten().any(|method| method == "S256")
    }

    /// Whether it takes this way of a client to prove itself; RFC 8414, 2: without a list it is HTTP Basic
    /// alone.
    pub fn takes_auth(&self, name: &str) -> bool {
        match &self.auth_methods {
            Some(list) => list.iter().any(|known| known == name),
            None => name == "client_secret_basic",
        }
    }
}

/// Asks an issuer for its document, at each place where the standards put it.
///
/// # Errors
/// `Transient` if a place could not be asked; `Configuration` if none has a usable document.
pub(super) async fn ask(wire: &Wire, issuer: &str) -> Result<Server, Failure> {
    let provider = &wire.provider;
    let url = Url::parse(issuer).map_err(|_| no_document(provider))?;
    let mut problem = None;
    for place in places(&url) {
        match fetch(wire, place).await? {
            Fetched::Document(body) => match read(&body, issuer, &url) {
                Ok(server) => return Ok(server),
                Err(words) => problem = problem.or_else(|| Some(unusable(provider, words))),
            },
            Fetched::Later(failure) => problem = problem.or(Some(failure)),
            Fetched::Nothing => {}
        }
    }
    Err(problem.unwrap_or_else(|| no_document(provider)))
}

/// What is known of the server of a resource that names none, as MCP servers of 2025-03-26 do not: it is at
/// the resource's origin, described there or at the default addresses of that specification.
///
/// # Errors
/// `Transient` if the origin could not be asked; `Configuration` if its document is unusable.
pub(super) async fn ask_origin(wire: &Wire, resource: &Url) -> Result<Server, Failure> {
    let provider = &wire.provider;
    let origin = resource.origin().ascii_serialization();
    let root = Url::parse(&origin).map_err(|_| no_document(provider))?;
    let mut server = None;
    for place in places(&root) {
        match fetch(wire, place).await? {
            Fetched::Document(body) => {
                let slash = format!("{origin}/");
                let named = body.get("issuer").and_then(Value::as_str).filter(|named| *named == slash);
                let read = read(&body, named.unwrap_or(&origin), &root);
                server = Some(read.map_err(|words| unusable(provider, words))?);
                break;
            }
            Fetched::Later(failure) => return Err(failure),
            Fetched::Nothing => {}
        }
    }
    let mut server = server.unwrap_or_else(|| default_endpoints(&origin, &root));
    // That specification demands PKCE of servers and does not ask them to say so.
    server.pkce_methods.get_or_insert_with(|| vec!["S256".to_owned()]);
    Ok(server)
}

/// MCP 2025-03-26, 2.3.3.
fn default_endpoints(origin: &str, root: &Url) -> Server {
    let at = |path: &str| root.join(path).ok();
    Server {
        issuer: origin.to_owned(),
        authorize_url: at("/authorize"),
        token_url: at("/token"),
        registration_url: at("/register"),
        ..Server::default()
    }
}

/// RFC 8414, 3.1: the well-known part goes between host and path; OpenID's also behind the path.
fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
        // Nobody's standard, and where frameworks put it that are mounted below a path.
        paths.push(format!("{path}/.well-known/oauth-authorization-server"));
    }
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    paths.into_iter().map(at).collect()
}

/// What is found at a place.
pub(super) enum Fetched {
    /// A JSON object.
    Document(Value),
    /// Nothing of use: the next place is asked.
    Nothing,
    /// The server is in trouble.
    Later(Failure),
}

/// Gets a document.
///
/// # Errors
/// `Transient` if the server cannot be reached at all.
pub(super) async fn fetch(wire: &Wire, url: Url) -> Result<Fetched, Failure> {
    let request = wire.http.get(url)?.header(reqwest::header::ACCEPT, "application/json");
    let reply = wire.http.send(request).await?;
    Ok(match failure::read(&reply, &wire.provider.name) {
        Ok(body) => Fetched::Document(body),
        Err(later @ Failure::Transient { .. }) if is_trouble(reply.status.as_u16()) => Fetched::Later(later),
        Err(_) => Fetched::Nothing,
    })
}

fn is_trouble(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

pub(super) fn read(body: &Value, issuer: &str, url: &Url) -> Result<Server, &'static str> {
    match body.get("issuer").and_then(Value::as_str) {
        Some(named) if named == issuer => {}
        Some(named) if named.trim_end_matches('/') == issuer.trim_end_matches('/') => {
            return Err("names its issuer with another slash at the end; write `issuer` as it does");
        }
        _ => return Err("names another issuer"),
    }
    let endpoint = |key: &str| match body.get(key).and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => trusted(text, url).map(Some).ok_or("has an address that is not https"),
    };
    let list = |key: &str| Some(strings(body.get(key)?));
    let flag = |key: &str| body.get(key).and_then(Value::as_bool).unwrap_or(false);
    Ok(Server {
        issuer: issuer.to_owned(),
        authorize_url: endpoint("authorization_endpoint")?,
        token_url: endpoint("token_endpoint")?,
        registration_url: endpoint("registration_endpoint")?,
        revoke_url: endpoint("revocation_endpoint")?,
        device_authorization_url: endpoint("device_authorization_endpoint")?,
        userinfo_url: endpoint("userinfo_endpoint")?,
        scopes: list("scopes_supported"),
        grants: list("grant_types_supported"),
        auth_methods: list("token_endpoint_auth_methods_supported"),
        pkce_methods: list("code_challenge_methods_supported"),
        names_itself_in_answers: flag("authorization_response_iss_parameter_supported"),
        takes_client_documents: flag("client_id_metadata_document_supported"),
    })
}

/// A URL that a server names: https, or on this machine if the server itself is. A server out there that
/// names an address in here would have us call addresses that it cannot reach itself.
pub(super) fn trusted(text: &str, by: &Url) -> Option<Url> {
    let url = check_url("metadata", text).ok()?;
    (may_be_loopback(by) || !may_be_loopback(&url)).then_some(url)
}

/// The texts of a list; whatever else is in it is left out.
pub(super) fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn no_document(provider: &Provider) -> Failure {
    Failure::Configuration(
        Error::new(Code::ConfigInvalid, format!("The issuer of {} does not describe itself.", provider.name))
            .with_hint(format!(
                "Check `issuer` under `[providers.{}]`, or give the URLs of its endpoints.",
                provider.id
            )),
    )
}

fn unusable(provider: &Provider, words: &str) -> Failure {
    Failure::Configuration(
        Error::new(Code::ConfigInvalid, format!("The description of {} {words}.", provider.name)).with_hint(
            format!("Check `issuer` under `[providers.{}]`; nothing was sent to it.", provider.id),
        ),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://as.example/tenant";

    fn read(body: &Value) -> Result<Server, &'static str> {
        super::read(body, ISSUER, &Url::parse(ISSUER).unwrap())
    }

    #[test]
    fn the_places_come_in_the_standards_order() {
        let of = |issuer: &str| -> Vec<String> {
            places(&Url::parse(issuer).unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(
            of(ISSUER),
            [
                "https://as.example/.well-known/oauth-authorization-server/tenant",
                "https://as.example/.well-known/openid-configuration/tenant",
                "https://as.example/tenant/.well-known/openid-configuration",
                "https://as.example/tenant/.well-known/oauth-authorization-server",
            ]
        );
        assert_eq!(
            of("https://as.example/"),
            [
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn the_issuer_is_compared_to_the_byte() {
        assert!(read(&json!({ "issuer": ISSUER })).is_ok());
        for issuer in ["https://as.example", "https://AS.example/tenant", "https://as.example/tenant/", ""] {
            assert!(read(&json!({ "issuer": issuer })).is_err(), "{issuer}");
        }
        assert!(read(&json!({})).is_err());
    }

    #[test]
    fn no_endpoint_leads_off_https_or_into_this_machine() {
        for bad in [
            "http://as.example/token",
            "http://127.0.0.1:1/token",
            "https://localhost/token",
            "https://[::1]/token",
            "https://0.0.0.0/",
            "file:///etc/passwd",
            "token",
        ] {
            assert!(read(&json!({ "issuer": ISSUER, "token_endpoint": bad })).is_err(), "{bad}");
        }
        let local = Url::parse("http://127.0.0.1:7/").unwrap();
        assert!(trusted("http://127.0.0.1:8/token", &local).is_some());
    }

    #[test]
    fn wrong_types_are_left_out() {
        let odd = json!({
            "issuer": ISSUER, "scopes_supported": "openid", "grant_types_supported": [1, "x", null],
            "code_challenge_methods_supported": {"S256": true}, "token_endpoint": 7,
            "authorization_response_iss_parameter_supported": "yes",
        });
        let server = read(&odd).unwrap();
        assert_eq!(server.pkce_methods, Some(vec![]));
        assert!(!server.has_s256() && !server.names_itself_in_answers && server.token_url.is_none());
        assert_eq!((server.scopes, server.grants), (Some(vec![]), Some(vec!["x".to_owned()])));
    }
}
