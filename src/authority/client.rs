//! Who asks: the three forms of a client id, and what each may redirect to.
//!
//! Guarantees: every [`Client`] comes from a sealed registration, from a metadata document at the id's own URL, or
//! from a bare host name, and knows exactly which redirect URIs it may use. Nothing is stored.
//!
//! * A **sealed registration** (RFC 7591, [`super::registration`]) may redirect where it registered.
//! * An **https URL with a path** is a Client ID Metadata Document ([`super::document`]) and may redirect where
//!   the document says.
//! * A **bare host name** (`app.example`) stands for the web site of that name and may redirect to any https URL on
//!   exactly that host and the default port, and nowhere else. It proves nothing about the client, so the consent
//!   page shows the host and no other name.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::redirect_uri;

/// Limits that OpenRouter may be asked to put on the key; its own page decides (OpenRouter, `/auth/keys/code`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Credits in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// When the limit starts anew: `daily`, `weekly` or `monthly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_limit_type: Option<String>,
    /// When the key ends, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The key's name in the person's list, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_label: Option<String>,
}

impl Budget {
    /// Checks each field against what OpenRouter documents.
    ///
    /// # Errors
    /// One sentence that names the field.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.limit.is_some_and(|limit| !limit.is_finite() || limit <= 0.0) {
            return Err("`limit` must be a positive number of US dollars.");
        }
        if self
            .usage_limit_type
            .as_deref()
            .is_some_and(|kind| !matches!(kind, "daily" | "weekly" | "monthly"))
        {
            return Err("`usage_limit_type` must be daily, weekly or monthly.");
        }
        if self.expires_at.as_deref().is_some_and(|text| !is_iso_date(text)) {
            return Err("`expires_at` must be an ISO 8601 date.");
        }
        if self.key_label.as_deref().is_some_and(|label| !is_plain(label, 100)) {
            return Err("`key_label` must be 1 to 100 printable characters.");
        }
        Ok(())
    }

    /// What a request asks for, falling back to what the registration asked for.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            limit: self.limit.or(fallback.limit),
            usage_limit_type: self.usage_limit_type.or(fallback.usage_limit_type),
            expires_at: self.expires_at.or(fallback.expires_at),
            key_label: self.key_label.or(fallback.key_label),
        }
    }
}

fn is_iso_date(text: &str) -> bool {
    let shape = |byte: u8| byte.is_ascii_digit() || b"-:.TZ+".contains(&byte);
    (10..=35).contains(&text.len())
        && text.bytes().all(shape)
        && text.as_bytes().get(4) == Some(&b'-')
        && text.as_bytes().get(7) == Some(&b'-')
}

/// Whether `text` is 1 to `max` characters, none of them a control character.
pub fn is_plain(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

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

/// Where an id's rights come from.
#[derive(Debug, Clone, PartialEq)]
enum Rights {
    Listed(Vec<String>),
    Host(String),
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
            rights: Rights::Listed(registration.redirect_uris),
            budget: registration.budget,
        }
    }

    /// The client that a metadata document at `id` describes.
    pub fn documented(id: &str, name: Option<String>, redirect_uris: Vec<String>) -> Self {
        Self { id: id.to_owned(), name, rights: Rights::Listed(redirect_uris), budget: Budget::default() }
    }

    /// The web site of a bare host name; `None` if `id` is not one.
    pub fn host(id: &str) -> Option<Self> {
        let host = url::Host::parse(id).ok()?;
        let is_name = matches!(&host, url::Host::Domain(name) if name == id && name.contains('.'));
        is_name.then(|| Self {
            id: id.to_owned(),
            name: None,
            rights: Rights::Host(id.to_owned()),
            budget: Budget::default(),
        })
    }

    /// What the consent page calls it.
    pub fn display_name(&self) -> &str {
        self.name.as_deref().unwrap_or(match &self.rights {
            Rights::Host(host) => host,
            Rights::Listed(_) => "An application without a name",
        })
    }

    /// Whether the client may be answered at `requested`.
    pub fn may_redirect_to(&self, requested: &str) -> bool {
        match &self.rights {
            Rights::Listed(uris) => uris.iter().any(|uri| redirect_uri::matches(uri, requested)),
            Rights::Host(host) => redirect_uri::check(requested).is_ok_and(|url| is_on_host(&url, host)),
        }
    }

    /// The only redirect URI it registered, for a request that names none (RFC 6749, 3.1.2.3).
    pub fn only_redirect_uri(&self) -> Option<&str> {
        match &self.rights {
            Rights::Listed(uris) if uris.len() == 1 => uris.first().map(String::as_str),
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

    #[test]
    fn budgets_are_checked() {
        let budget = |text: &str| serde_json::from_str::<Budget>(text).unwrap().check();
        assert!(
            budget(r#"{"limit":5,"usage_limit_type":"monthly","expires_at":"2027-01-01T00:00:00Z"}"#).is_ok()
        );
        for bad in [
            r#"{"limit":-1}"#,
            r#"{"usage_limit_type":"hourly"}"#,
            r#"{"expires_at":"soon"}"#,
            r#"{"key_label":""}"#,
        ] {
            assert!(budget(bad).is_err(), "{bad}");
        }
    }
}
