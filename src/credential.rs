//! What is stored for a login, and how long a token must be good for. Shared words of store, oauth, login and
//! broker.
//!
//! Guarantees: tokens stand in [`Secret`] everywhere; `Debug` of all of these shows none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::{Secret, expose, expose_headers, expose_opt};

/// How a credential is to travel: the key into a provider's `use` table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An access token, mostly short-lived.
    Oauth,
    /// A key that stays until it is revoked.
    ApiKey,
}

impl Kind {
    /// `oauth` or `api-key`, as in the files and for Lua.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Oauth => "oauth",
            Self::ApiKey => "api-key",
        }
    }
}

/// Who may use a login's token, by its vendor's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Any program of this person.
    #[default]
    Any,
    /// The editor that asks for it; it is not served to other programs, here or elsewhere.
    Editor,
}

/// Which of the two stores keeps a login's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// The keyring of the operating system.
    Keyring,
    /// The file beside the index, encrypted.
    LocalEncrypted,
}

impl BackendKind {
    /// `keyring` or `local-encrypted`, as in the files and for Lua.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keyring => "keyring",
            Self::LocalEncrypted => "local-encrypted",
        }
    }

    /// Where it keeps a secret, for a person.
    pub const fn place(self) -> &'static str {
        match self {
            Self::Keyring => "your system keyring",
            Self::LocalEncrypted => "an encrypted file on this machine",
        }
    }
}

/// The secret part of a stored login: one JSON value, in a keyring item or in a sealed blob.
///
/// It repeats `expires_at` so that it is complete alone: after a crash between the keyring write and the
/// index write, this value is the truth and the index catches up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// What an API call carries (the second step's token, where a provider has a second step).
    #[serde(serialize_with = "expose")]
    pub access_token: Secret,
    /// What the next refresh spends.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// OpenID Connect's token about the person, kept for account ids; its signature is not checked.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// For a provider with a second step: the first step's token, from which the next one is made.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub base_token: Option<Secret>,
    /// When the access token ends, Unix seconds; `None` for one that does not expire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// When it was obtained, Unix seconds.
    #[serde(default)]
    pub obtained_at: i64,
    /// Granted scopes, if the provider named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Who this is, if the provider told: an e-mail address or a user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Which of the person's organizations it is of, if the provider told or was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<Organization>,
    /// API base URL that the provider named for this very login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Until when a command's answer is used before it is run again, Unix seconds; an end of the token itself
    /// is another matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_until: Option<i64>,
    /// Headers that a command gave, over those of the description.
    #[serde(default, serialize_with = "expose_headers", skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Secret>,
    /// Values that header templates need (`{account_id}` …), by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, String>,
    /// Origins of the addresses that may be sent what renews or ends this login: those of the method it was
    /// made by, at that time. Empty for what never renews itself, and for logins that are older than this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<String>,
    /// Set where the provider's description does not say it all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// One of a person's organizations at a provider, under whatever name it has there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organization {
    /// As the provider knows it.
    pub id: String,
    /// As people know it, if the provider told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Organization {
    /// What a person reads.
    pub fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.id)
    }
}

/// The server and the client that a login is bound to, where discovery or registration brought them: later
/// requests go to this very server as this very client, whatever its documents say by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// RFC 6749, 3.2.
    pub token_url: String,
    /// RFC 7009.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke_url: Option<String>,
    /// RFC 6749, 2.2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// RFC 6749, 2.3.1.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Whether that secret travels by HTTP Basic and not in the body.
    #[serde(default)]
    pub basic_auth: bool,
    /// RFC 8707.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

impl Tokens {
    /// A key with nothing beside it.
    pub fn api_key(key: Secret, now: i64) -> Self {
        Self {
            access_token: key,
            refresh_token: None,
            id_token: None,
            base_token: None,
            expires_at: None,
            obtained_at: now,
            scopes: Vec::new(),
            identity: None,
            organization: None,
            base_url: None,
            use_until: None,
            headers: BTreeMap::new(),
            extra: BTreeMap::new(),
            origins: Vec::new(),
            binding: None,
        }
    }

    /// Whether the access token is good for more than `margin` seconds from `now` (Unix seconds; rule 1), and
    /// may be used without asking anew.
    pub fn is_fresh(&self, now: i64, margin: i64) -> bool {
        self.expires_at.is_none_or(|end| end.saturating_sub(now) > margin)
            && self.use_until.is_none_or(|end| end > now)
    }

    /// Seconds that the access token was made for, if that is known.
    pub fn lifetime(&self) -> Option<i64> {
        let life = self.expires_at?.saturating_sub(self.obtained_at);
        (self.obtained_at > 0 && life > 0).then_some(life)
    }
}

/// How long a token must still be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Exactly so many seconds, as a caller asked for.
    AtLeast(i64),
    /// The settings' margin; for a token whose whole life is no longer than that, half of its life, or it
    /// would be refreshed at each use.
    Margin(i64),
}

impl Validity {
    /// What a caller asked for, or the settings' margin. A token that has ended is not asked for by any
    /// number.
    pub fn new(asked: Option<i64>, margin: i64) -> Self {
        asked.map_or(Self::Margin(margin), |seconds| Self::AtLeast(seconds.max(0)))
    }

    /// Seconds, for a token of this life.
    pub fn seconds(self, lifetime: Option<i64>) -> i64 {
        match self {
            Self::AtLeast(seconds) => seconds,
            Self::Margin(margin) => lifetime.filter(|life| *life <= margin).map_or(margin, |life| life / 2),
        }
    }
}
