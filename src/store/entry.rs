//! One login as credentials.toml tells of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::credential::{BackendKind, Kind};

/// Where a login's secret is: the tagged object of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// An item of the keyring, service `com.convocations.app`.
    Keyring { account: String },
    /// Sealed beside the index entry; base64.
    LocalEncrypted { nonce: String, ciphertext: String },
}

impl Backend {
    /// Which of the two it is.
    pub const fn kind(&self) -> BackendKind {
        match self {
            Self::Keyring { .. } => BackendKind::Keyring,
            Self::LocalEncrypted { .. } => BackendKind::LocalEncrypted,
        }
    }

    /// `keyring` or `local-encrypted`.
    pub const fn name(&self) -> &'static str {
        self.kind().as_str()
    }

    /// Whether the secret is in the file.
    pub(super) fn is_sealed(&self) -> bool {
        self.kind() == BackendKind::LocalEncrypted
    }
}

/// One login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EntryWire", into = "EntryWire")]
pub struct Entry {
    /// Where the secret is.
    pub backend: Backend,
    /// The method it was made by.
    pub method: String,
    /// How its token travels.
    pub kind: Kind,
    /// Who it is, if the provider told.
    pub identity: Option<String>,
    /// Which of the person's organizations it is of, as people know it; its id where it has no name.
    pub organization: Option<String>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Unix seconds; absent for a key that does not expire.
    pub expires_at: Option<i64>,
    /// One more at each write; how others see a change.
    pub revision: u64,
    /// Why the person has to log in again; absent while all is well.
    pub needs_login: Option<String>,
    /// Fingerprint of the refresh token that was refused, so that nobody sends it again.
    pub refused: Option<String>,
    /// Accounts of keyring items in which something of this login may have been left.
    pub(super) left: BTreeSet<String>,
    /// Whether it is in the file only until the keyring, where it belongs, takes it again.
    pub(super) fell_back: bool,
    /// Keys of a newer program.
    pub(super) unknown: BTreeMap<String, toml::Value>,
}

/// An entry as it is written: serde cannot flatten a tagged object and the unknown keys into one table.
#[derive(Clone, Serialize, Deserialize)]
struct EntryWire {
    backend: BackendKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nonce: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ciphertext: Option<String>,
    method: String,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identity: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(default)]
    revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    needs_login: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    left: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fell_back: bool,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

impl TryFrom<EntryWire> for Entry {
    type Error = &'static str;

    fn try_from(wire: EntryWire) -> Result<Self, Self::Error> {
        let mut left = wire.left;
        let backend = match (wire.backend, wire.account, wire.nonce, wire.ciphertext) {
            (BackendKind::Keyring, Some(account), ..) => Backend::Keyring { account },
            (BackendKind::LocalEncrypted, account, Some(nonce), Some(ciphertext)) => {
                // Version 0.1 noted there what a login had left in the keyring.
                left.extend(account);
                Backend::LocalEncrypted { nonce, ciphertext }
            }
            _ => return Err("an entry without its secret's place"),
        };
        Ok(Self {
            backend,
            method: wire.method,
            kind: wire.kind,
            identity: wire.identity,
            organization: wire.organization,
            scopes: wire.scopes,
            expires_at: wire.expires_at,
            revision: wire.revision,
            needs_login: wire.needs_login,
            refused: wire.refused,
            left,
            fell_back: wire.fell_back,
            unknown: wire.unknown,
        })
    }
}

impl From<Entry> for EntryWire {
    fn from(entry: Entry) -> Self {
        let kind = entry.backend.kind();
        let (account, nonce, ciphertext) = match entry.backend {
            Backend::Keyring { account } => (Some(account), None, None),
            Backend::LocalEncrypted { nonce, ciphertext } => (None, Some(nonce), Some(ciphertext)),
        };
        Self {
            backend: kind,
            account,
            nonce,
            ciphertext,
            method: entry.method,
            kind: entry.kind,
            identity: entry.identity,
            organization: entry.organization,
            scopes: entry.scopes,
            expires_at: entry.expires_at,
            revision: entry.revision,
            needs_login: entry.needs_login,
            refused: entry.refused,
            left: entry.left,
            fell_back: entry.fell_back,
            unknown: entry.unknown,
        }
    }
}
