//! Who asks: the three forms of a client id, and what each may redirect to.
//!
//! Guarantees: every [`Client`] comes from a sealed registration, from a metadata document at the id's own
//! URL, or from a bare host name, and knows exactly which redirect URIs it may use. Nothing is stored.
//!
//! * A **sealed registration** (RFC 7591, [`super::registration`]) may redirect where it registered.
//! * An **https URL with a path** is a Client ID Metadata Document ([`super::document`]) and may redirect
//!   where the document says.
//! * A **bare host name** (`app.example`) stands for the web site of that name and may redirect to any https
//!   URL on exactly that host and the default port, and nowhere else. It proves nothing about the client, so
//!   the consent page shows the host and no other name.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::budget::Budget;
use super::redirect_uri;

/// What a registration holds, and what its sealed client id carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registration {
    /// Where the client may be answered.
    pub redirect_uris: Vec<String>,
    /// What it calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// When it registered, Unix seconds.
    pub issued_at: i64,
    /// What it wants its keys limited to.
    #[serde(default)]
    pub budget: Budget,
}

/// What stands behind a client id beside the client's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity<'a> {
    /// The address of its metadata document: whoever can put a file there.
    Document(&'a str),
    /// Nothing but that the answer goes to this host.
    Host(&'a str),
    /// Nothing.
    Registered,
}

/// Where an id's rights come from.
#[derive(Debug, Clone, PartialEq)]
enum Rights {
    Registered(Vec<String>),
    Documented(Vec<String>),
    Host,
}

/// A client whose id was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    id: String,
    name: Option<String>,
    rights: Rights,
    /// Limits it asked for at registration.
    pub budget: Budget,
}

impl Client {
    /// The client behind a sealed registration.
    pub fn registered(id: &str, registration: Registration) -> Self {
        Self {
            id: id.to_owned(),
            name: registration.client_name,
            rights: Rights::Registered(registration.redirect_uris),
            budget: registration.budget,
        }
    }

    /// The client that a metadata document at `id` describes.
    pub fn documented(id: &str, name: Option<String>, redirect_uris: Vec<String>) -> Self {
        Self { id: id.to_owned(), name, rights: Rights::Documented(redirect_uris), budget: Budget::default() }
    }

    /// The web site of a bare host name; `None` if `id` is not one.
    pub fn host(id: &str) -> Option<Self> {
        let host = url::Host::parse(id).ok()?;
        let is_name = matches!(&host, url::Host::Domain(name) if name == id && name.contains('.'));
        is_name.then(|| Self {
            id: id.to_owned(),
            name: None,
            rights: Rights::Host,
            budget: Budget::default(),
        })
    }

    /// What it calls itself.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What is known of it.
    pub fn identity(&self) -> Identity<'_> {
        match &self.rights {
            Rights::Registered(_) => Identity::Registered,
            Rights::Documented(_) => Identity::Document(&self.id),
            Rights::Host => Identity::Host(&self.id),
        }
    }

    /// Whether the client may be answered at `requested`.
    pub fn may_redirect_to(&self, requested: &str) -> bool {
        match &self.rights {
            Rights::Registered(uris) | Rights::Documented(uris) => {
                uris.iter().any(|uri| redirect_uri::matches(uri, requested))
            }
            Rights::Host => redirect_uri::check(requested).is_ok_and(|url| is_on_host(&url, &self.id)),
        }
    }

    /// The only redirect URI it registered, for a request that names none (RFC 6749, 3.1.2.3).
    pub fn only_redirect_uri(&self) -> Option<&str> {
        match &self.rights {
            Rights::Registered(uris) | Rights::Documented(uris) if uris.len() == 1 => {
                uris.first().map(String::as_str)
            }
            _ => None,
        }
    }

    /// A short stand-in for the id in sealed values, which must stay small.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.id)
    }
}

/// The first 128 bits of the SHA-256 of a client id, in hex.
pub fn fingerprint(client_id: &str) -> String {
    Sha256::digest(client_id.as_bytes()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A client's fingerprint as the log names it: short enough that nobody takes it for a secret.
pub fn log_name(fingerprint: &str) -> &str {
    fingerprint.get(..16).unwrap_or(fingerprint)
}

fn is_on_host(url: &Url, host: &str) -> bool {
    url.scheme() == "https" && url.host_str() == Some(host) && url.port().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_redirects_to_itself_only() {
        let client = Client::host("app.example").unwrap();
        assert!(client.may_redirect_to("https://app.example/anything?x=1"));
        for bad in [
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://sub.app.example/",
            "http://app.example/",
            "https://app.example:444/",
            "https://app.example@evil.example/",
        ] {
            assert!(!client.may_redirect_to(bad), "{bad}");
        }
    }

    #[test]
    fn only_a_plain_host_name_is_a_host() {
        for bad in [
            "",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "App.example",
            "a b.example",
            "x.example/",
            "https://x.example",
        ] {
            assert!(Client::host(bad).is_none(), "{bad}");
        }
    }
}
