//! Clients: two that are known from the start, those that registered, and those that name a metadata
//! document.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::request::{Fields, Request};
use crate::world::World;

/// A public client that is known from the start.
pub const PUBLIC: &str = "sandbox-public";

/// A client with a secret that is known from the start.
pub const CONFIDENTIAL: &str = "sandbox-confidential";

/// Its secret.
pub const SECRET: &str = "sandbox-confidential-secret";

/// One client.
#[derive(Debug, Clone)]
pub struct Client {
    pub name: String,
    /// Empty: any loopback address.
    pub redirect_uris: Vec<String>,
    pub secret: Option<String>,
    /// Grants it may use; empty: any.
    pub grants: Vec<String>,
}

/// Who is known from the start.
pub fn known() -> BTreeMap<String, Client> {
    let client = |name: &str, secret: Option<&str>| Client {
        name: name.to_owned(),
        redirect_uris: Vec::new(),
        secret: secret.map(str::to_owned),
        grants: Vec::new(),
    };
    let public = (PUBLIC.to_owned(), client("A public client", None));
    let confidential = (CONFIDENTIAL.to_owned(), client("A client with a secret", Some(SECRET)));
    BTreeMap::from([public, confidential])
}

/// The client of an id; a URL stands for its metadata document if the server says that it supports those.
pub fn find(world: &World, id: &str) -> Option<Client> {
    if let Some(client) = world.generic.clients.get(id) {
        return Some(client.clone());
    }
    let url = Url::parse(id).ok().filter(|url| url.scheme() == "https" && url.path().len() > 1);
    let named = url.filter(|_| world.switches.generic.cimd)?;
    Some(Client { name: named.to_string(), redirect_uris: Vec::new(), secret: None, grants: Vec::new() })
}

/// The client that a token request comes from, if it proves what it has to prove.
pub fn authenticated(world: &World, request: &Request, fields: &Fields) -> Option<String> {
    let (id, secret) = match basic(request) {
        Some((id, secret)) => (id, Some(secret)),
        None => (fields.get("client_id")?.to_owned(), fields.get("client_secret").map(str::to_owned)),
    };
    let client = find(world, &id)?;
    (client.secret == secret).then_some(id)
}

/// Id and secret of HTTP Basic, percent-decoded (RFC 6749, 2.3.1).
fn basic(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decode = |part: &str| {
        let pair = format!("x={part}");
        url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Some((decode(id)?, decode(secret)?))
}

impl Client {
    /// Whether it registered for a grant (RFC 6749, 5.2: `unauthorized_client`).
    pub fn may_ask_by(&self, grant: &str) -> bool {
        self.grants.is_empty() || self.grants.iter().any(|known| known == grant)
    }

    /// Whether a redirect is this client's. Only a loopback address may differ, and only in its port (RFC
    /// 8252, 7.3).
    pub fn may_use(&self, redirect: &str) -> bool {
        let Ok(given) = Url::parse(redirect) else { return false };
        if self.redirect_uris.is_empty() {
            return is_loopback(&given);
        }
        let alike = |registered: &String| match Url::parse(registered) {
            Ok(own) if is_loopback(&own) && is_loopback(&given) => {
                without_port(own) == without_port(given.clone())
            }
            _ => registered == redirect,
        };
        self.redirect_uris.iter().any(alike)
    }
}

/// Plain HTTP to this machine.
pub fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
}

fn without_port(mut url: Url) -> Url {
    // Only a URL without a host refuses a port.
    let _ = url.set_port(None);
    url
}
