//! Client ID Metadata Documents: a client id that is an https URL, and the guarded fetch behind it.
//!
//! Guarantees: only public addresses are connected to, checked after the name was resolved and pinned for the
//! connection; no redirect is followed; little time, little memory; a failure is remembered for a minute, a document
//! for at most an hour. Only a server that itself answers on loopback alone may fetch from loopback: that is how it
//! is tried out, and nobody else can reach it.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::{Host, Url};

use super::client::{Client, is_plain};
use super::redirect_uri;

/// Longest document, in bytes (draft-ietf-oauth-client-id-metadata-document, 6.6: 5 KB is the advice).
const MAX_DOCUMENT: usize = 5 * 1024;
/// Longest client id that is looked at, in bytes.
const MAX_URL: usize = 512;
/// Time for the whole fetch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a document is believed.
const KEEP: Duration = Duration::from_secs(3600);
/// How long a failure is remembered, so that a broken client does not make us knock at every request.
const KEEP_FAILURE: Duration = Duration::from_secs(60);
/// Most documents that are remembered.
const MAX_KEPT: usize = 500;
/// Most redirect URIs of a document that are looked at.
const MAX_REDIRECT_URIS: usize = 20;

type Found = Result<Client, &'static str>;

#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    client_secret: Option<serde::de::IgnoredAny>,
}

/// The documents that were fetched lately.
pub struct Documents {
    loopback_allowed: bool,
    kept: Mutex<HashMap<String, (Instant, Found)>>,
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
    pub async fn client(&self, id: &str) -> Found {
        let url = self.check_url(id)?;
        if let Some(found) = self.remembered(id) {
            return found;
        }
        let found = match tokio::time::timeout(TIMEOUT, self.fetch(id, &url)).await {
            Ok(found) => found,
            Err(_) => Err("The client's metadata document did not come in time."),
        };
        self.remember(id, found.clone());
        found
    }

    /// The rules of the draft, section 3: https, a path, and nothing that could make two ids of one.
    fn check_url(&self, id: &str) -> Result<Url, &'static str> {
        let invalid = "A client id that is a URL must be https with a path, and nothing else.";
        let url = Url::parse(id).map_err(|_| invalid)?;
        let scheme_fits = url.scheme() == "https" || self.loopback_allowed && redirect_uri::is_loopback(&url);
        let plain = url.as_str() == id
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        if scheme_fits && plain && url.path() != "/" && id.len() <= MAX_URL { Ok(url) } else { Err(invalid) }
    }

    fn remembered(&self, id: &str) -> Option<Found> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, found) = kept.get(id)?;
        let keep = if found.is_ok() { KEEP } else { KEEP_FAILURE };
        (at.elapsed() < keep).then(|| found.clone())
    }

    fn remember(&self, id: &str, found: Found) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(id.to_owned(), (Instant::now(), found));
    }

    async fn fetch(&self, id: &str, url: &Url) -> Found {
        let unreachable = "The client's metadata document cannot be fetched.";
        let address = self.resolve(url).await?;
        let host = url.host_str().unwrap_or_default();
        // No proxy: it would do the resolving, and the check above would be of another address.
        let client = crate::http::builder().no_proxy().timeout(TIMEOUT).resolve(host, address).build();
        let response =
            client.map_err(|_| unreachable)?.get(url.clone()).send().await.map_err(|_| unreachable)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(unreachable);
        }
        let body = crate::http::read_body(response, MAX_DOCUMENT).await;
        let body = body.map_err(|_| "The client's metadata document is too large.")?;
        read(id, &body)
    }

    async fn resolve(&self, url: &Url) -> Result<SocketAddr, &'static str> {
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            Some(Host::Domain(name)) => {
                let found = tokio::net::lookup_host((name, port)).await;
                found.map_err(|_| "The client id's host is not known.")?.collect()
            }
            None => Vec::new(),
        };
        // One private address among public ones is a trick too: refuse the whole name.
        let allowed = |address: &SocketAddr| {
            is_public(address.ip()) || self.loopback_allowed && address.ip().is_loopback()
        };
        if !addresses.iter().all(allowed) {
            return Err("The client id's host is not on the public internet.");
        }
        addresses.into_iter().next().ok_or("The client id's host is not known.")
    }
}

fn read(id: &str, body: &[u8]) -> Found {
    let invalid = "The client's metadata document is not valid.";
    let document: Document = serde_json::from_slice(body).map_err(|_| invalid)?;
    let public = document.token_endpoint_auth_method.is_none_or(|method| method == "none")
        && document.client_secret.is_none();
    let name_fits = document.client_name.as_deref().is_none_or(|name| is_plain(name, 100));
    let count_fits = (1..=MAX_REDIRECT_URIS).contains(&document.redirect_uris.len());
    let redirects_fit = document.redirect_uris.iter().all(|uri| redirect_uri::check(uri).is_ok());
    if document.client_id != id {
        return Err("The client's metadata document names another client id.");
    }
    if !(public && name_fits && count_fits && redirects_fit) {
        return Err(invalid);
    }
    Ok(Client::documented(id, document.client_name, document.redirect_uris))
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
    fn a_document_speaks_for_its_own_url_only() {
        let id = "https://app.example/c";
        let text = |client_id: &str, more: &str| {
            format!(r#"{{"client_id":"{client_id}","redirect_uris":["https://app.example/cb"]{more}}}"#)
        };
        assert!(read(id, text(id, "").as_bytes()).unwrap().may_redirect_to("https://app.example/cb"));
        assert!(read(id, text("https://other.example/c", "").as_bytes()).is_err());
        assert!(read(id, text(id, r#","client_secret":"x""#).as_bytes()).is_err());
        assert!(
            read(id, text(id, r#","token_endpoint_auth_method":"client_secret_post""#).as_bytes()).is_err()
        );
        assert!(
            read(id, br#"{"client_id":"https://app.example/c","redirect_uris":["http://evil.example/"]}"#)
                .is_err()
        );
        assert!(read(id, b"<html>").is_err());
    }
}
