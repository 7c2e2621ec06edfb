//! Client ID Metadata Documents: a client id that is an https URL, and the guarded fetch behind it.
//!
//! Guarantees: only public addresses are connected to, checked after the name was resolved and pinned for the
//! connection; no redirect is followed; little time, little memory; a failure is remembered for a minute, a
//! document for at most an hour. Only a server that itself answers on loopback alone may fetch from loopback:
//! that is how it is tried out, and nobody else can reach it. Why a fetch failed is told to nobody but the
//! log: the words would tell strangers what the server can reach.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::{Host, Url};

use super::budget::is_plain;
use super::client::Client;
use super::redirect_uri;
use crate::loopback::is_loopback;

/// Longest document, in bytes (draft-ietf-oauth-client-id-metadata-document, 6.6: 5 KB is the advice).
const MAX_DOCUMENT: usize = 5 * 1024;
/// Longest client id that is looked at, in bytes.
const MAX_URL: usize = 512;
/// Time for the whole fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time that a document is believed; its own `Cache-Control` may say less (draft, section 4.4).
const KEEP: Duration = Duration::from_secs(3600);
/// Shortest time, and how long a failure is remembered: nobody makes this server ask at every request.
const KEEP_LEAST: Duration = Duration::from_secs(60);
/// Most documents that are remembered.
const MAX_KEPT: usize = 500;
/// Most redirect URIs of a document that are looked at.
const MAX_REDIRECT_URIS: usize = 20;

/// Every failed fetch is told in these words.
const UNREACHABLE: &str = "The client's metadata document cannot be fetched.";

/// A client, or one sentence for the person or for `error_description`.
type Lookup = Result<Client, &'static str>;

#[derive(Deserialize)]
struct Document {
    client_id: String,
    /// MCP asks for it (client registration, 2026-07-28).
    client_name: String,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    client_secret: Option<serde::de::IgnoredAny>,
}

/// The documents that were fetched lately.
pub struct Documents {
    loopback_allowed: bool,
    /// Until when each is believed.
    kept: Mutex<HashMap<String, Kept>>,
}

/// What was found of a client, for as long as it is believed.
struct Kept {
    until: Instant,
    found: Lookup,
}

impl Documents {
    /// No documents yet. `loopback_allowed` only for a server that answers on loopback itself.
    pub fn new(loopback_allowed: bool) -> Self {
        Self { loopback_allowed, kept: Mutex::default() }
    }

    /// The client that the document at `id` describes.
    ///
    /// # Errors
    /// One sentence for the person or for `error_description`.
    pub async fn client(&self, id: &str) -> Lookup {
        let url = self.check_url(id)?;
        if let Some(found) = self.remembered(id) {
            return found;
        }
        let fetched = tokio::time::timeout(TIMEOUT, self.fetch(id, &url)).await;
        let fetched = fetched.unwrap_or_else(|_| Err(unreachable("it did not come in time")));
        let keep = fetched.as_ref().map_or(KEEP_LEAST, |(_, keep)| *keep);
        let found = fetched.map(|(client, _)| client);
        self.remember(id, keep, found.clone());
        found
    }

    /// The rules of the draft, section 3: https, a path, and nothing that could make two ids of one.
    fn check_url(&self, id: &str) -> Result<Url, &'static str> {
        let invalid = "A client id that is a URL must be https with a path, and nothing else.";
        let url = Url::parse(id).map_err(|_| invalid)?;
        let scheme_fits = url.scheme() == "https" || self.loopback_allowed && is_loopback(&url);
        let plain = url.as_str() == id
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if scheme_fits && plain && url.path() != "/" && id.len() <= MAX_URL { Ok(url) } else { Err(invalid) }
    }

    fn remembered(&self, id: &str) -> Option<Lookup> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { until, found } = kept.get(id)?;
        (Instant::now() < *until).then(|| found.clone())
    }

    fn remember(&self, id: &str, keep: Duration, found: Lookup) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(id.to_owned(), Kept { until: Instant::now() + keep, found });
    }

    /// The client, and how long its document may be believed.
    async fn fetch(&self, id: &str, url: &Url) -> Result<(Client, Duration), &'static str> {
        let address = self.resolve(url).await.map_err(unreachable)?;
        let host = url.host_str().unwrap_or_default();
        // No proxy: it would do the resolving, and the check above would be of another address.
        let client = crate::http::builder().no_proxy().timeout(TIMEOUT).resolve(host, address);
        let client =
            crate::http::Trust::default().build(client).map_err(|_| unreachable("no HTTP client"))?;
        let response = client.get(url.clone()).send().await.map_err(|_| unreachable("no answer"))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(unreachable("an answer other than 200"));
        }
        let cache_control = response.headers().get(reqwest::header::CACHE_CONTROL);
        let keep = freshness(cache_control.and_then(|value| value.to_str().ok()).unwrap_or_default());
        let body = crate::http::read_body(response, MAX_DOCUMENT).await;
        let body = body.map_err(|_| unreachable("it is too large, or was cut off"))?;
        Ok((read(id, &body)?, keep))
    }

    async fn resolve(&self, url: &Url) -> Result<SocketAddr, &'static str> {
        let unknown = "its host is not known";
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => {
                tokio::net::lookup_host((name, port)).await.map_err(|_| unknown)?.collect()
            }
            None => Vec::new(),
        };
        // One private address among public ones is a trick too: refuse the whole name.
        let allowed = |address: &SocketAddr| {
            is_public(address.ip()) || self.loopback_allowed && address.ip().is_loopback()
        };
        if !addresses.iter().all(allowed) {
            return Err("its host is not on the public internet");
        }
        addresses.into_iter().next().ok_or(unknown)
    }
}

/// Keeps the reason for the log.
fn unreachable(why: &'static str) -> &'static str {
    tracing::info!(why, "a client's metadata document was not fetched");
    UNREACHABLE
}

/// How long a document with this `Cache-Control` is believed (RFC 9111, 5.2.2).
fn freshness(cache_control: &str) -> Duration {
    let mut keep = KEEP;
    for directive in cache_control.split(',').map(|text| text.trim().to_ascii_lowercase()) {
        let age = directive.strip_prefix("max-age=").and_then(|text| text.parse().ok());
        keep = match directive.as_str() {
            "no-store" | "no-cache" => Duration::ZERO,
            _ => age.map_or(keep, |seconds| keep.min(Duration::from_secs(seconds))),
        };
    }
    keep.max(KEEP_LEAST)
}

fn read(id: &str, body: &[u8]) -> Lookup {
    let invalid = "The client's metadata document is not valid.";
    let document: Document = serde_json::from_slice(body).map_err(|_| invalid)?;
    if document.client_id != id {
        return Err("The client's metadata document names another client id.");
    }
    // A client with a key of its own (`private_key_jwt`) is served like one without: PKCE and the redirect
    // URI bind its codes. A shared secret in a public document is none (draft, section 4.1).
    let method = document.token_endpoint_auth_method.unwrap_or_default();
    let shares_secret = document.client_secret.is_some() || method.starts_with("client_secret");
    if shares_secret || !is_plain(&document.client_name, 100) {
        return Err(invalid);
    }
    let redirect_uris = redirect_uri::allowed(document.redirect_uris, MAX_REDIRECT_URIS)?;
    Ok(Client::documented(id, Some(document.client_name), redirect_uris))
}

/// Whether an address is on the public internet (the IANA special-purpose registries, RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let special = v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 192 && b == 88 && c == 99)
                || (a == 198 && (18..20).contains(&b));
            !special
        }
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public(v4.into());
    }
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is given out; in it, 2001::/23 is special, 2001:db8::/32 documentation, 2002::/16 carries
    // IPv4 addresses, 3fff::/20 documentation.
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_told_apart() {
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn only_one_spelling_of_a_url_is_an_id() {
        let documents = Documents::new(false);
        assert!(documents.check_url("https://app.example/oauth/client.json").is_ok());
        for bad in [
            "https://app.example/",
            "https://app.example",
            "http://app.example/c",
            "https://APP.example/c",
            "https://app.example/a/../c",
            "https://u@app.example/c",
            "https://app.example/c#f",
            "http://127.0.0.1/c",
            "https://app.example:443/c",
        ] {
            assert!(documents.check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_is_believed_as_long_as_it_says() {
        for (header, seconds) in [
            ("", 3600),
            ("max-age=86400", 3600),
            ("public, Max-Age=300", 300),
            ("max-age=0", 60),
            ("no-store", 60),
            ("max-age=x", 3600),
        ] {
            assert_eq!(freshness(header), Duration::from_secs(seconds), "{header}");
        }
    }

    #[test]
    fn a_document_speaks_for_its_own_url_only() {
        let id = "https://app.example/c";
        let text = |client_id: &str, more: &str| {
            format!(
                r#"{{"client_id":"{client_id}","client_name":"App","redirect_uris":["https://app.example/cb"]{more}}}"#
            )
        };
        assert!(read(id, text(id, "").as_bytes()).unwrap().may_redirect_to("https://app.example/cb"));
        assert!(read(id, text("https://other.example/c", "").as_bytes()).is_err());
        assert!(read(id, text(id, r#","client_secret":"x""#).as_bytes()).is_err());
        assert!(
            read(id, text(id, r#","token_endpoint_auth_method":"client_secret_post""#).as_bytes()).is_err()
        );
        assert!(
            read(id, br#"{"client_id":"https://app.example/c","client_name":"App","redirect_uris":["http://evil.example/"]}"#)
                .is_err()
        );
        assert!(read(id, b"<html>").is_err());
        let nameless = br#"{"client_id":"https://app.example/c","redirect_uris":["https://app.example/cb"]}"#;
        assert!(read(id, nameless).is_err(), "MCP demands a name");
        let with_key = text(id, r#","token_endpoint_auth_method":"private_key_jwt""#);
        assert!(read(id, with_key.as_bytes()).is_ok());
        let mixed =
            br#"{"client_id":"https://app.example/c","client_name":"App","redirect_uris":["app://cb","https://app.example/cb"]}"#;
        let client = read(id, mixed).unwrap();
        assert!(client.may_redirect_to("https://app.example/cb") && !client.may_redirect_to("app://cb"));
    }
}
