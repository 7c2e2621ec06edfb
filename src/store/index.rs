//! credentials.toml: which logins there are, which backend owns each secret, and what may be known without it.
//!
//! Guarantees: what cannot be read is never taken for empty (rule 9); keys of a newer program are kept; an index of
//! a newer version is refused rather than misread.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::private_file;
use crate::credential::Kind;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;

/// The version that this program writes.
const VERSION: i64 = 1;

/// Where a login's secret is: the tagged object of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// An item of the keyring, service `com.convocations.app`.
    Keyring { account: String },
    /// Sealed beside the index entry; base64.
    LocalEncrypted { nonce: String, ciphertext: String },
}

impl Backend {
    /// `keyring` or `local-encrypted`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keyring { .. } => KEYRING,
            Self::LocalEncrypted { .. } => LOCAL_ENCRYPTED,
        }
    }
}

const KEYRING: &str = "keyring";
const LOCAL_ENCRYPTED: &str = "local-encrypted";

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
    /// Where the secret was before it moved into the file, if something of it may be left there.
    pub(super) left: Option<String>,
    /// Keys of a newer program.
    pub(super) unknown: BTreeMap<String, toml::Value>,
}

/// An entry as it is written: serde cannot flatten a tagged object and the unknown keys into one table.
#[derive(Clone, Serialize, Deserialize)]
struct EntryWire {
    backend: String,
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
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

impl TryFrom<EntryWire> for Entry {
    type Error = &'static str;

    fn try_from(wire: EntryWire) -> std::result::Result<Self, Self::Error> {
        let (backend, left) = match (wire.backend.as_str(), wire.account, wire.nonce, wire.ciphertext) {
            (KEYRING, Some(account), ..) => (Backend::Keyring { account }, None),
            (LOCAL_ENCRYPTED, left, Some(nonce), Some(ciphertext)) => {
                (Backend::LocalEncrypted { nonce, ciphertext }, left)
            }
            _ => return Err("an entry without a backend that is known"),
        };
        Ok(Self {
            backend,
            method: wire.method,
            kind: wire.kind,
            identity: wire.identity,
            scopes: wire.scopes,
            expires_at: wire.expires_at,
            revision: wire.revision,
            needs_login: wire.needs_login,
            refused: wire.refused,
            left,
            unknown: wire.unknown,
        })
    }
}

impl From<Entry> for EntryWire {
    fn from(entry: Entry) -> Self {
        let backend = entry.backend.name().to_owned();
        let (account, nonce, ciphertext) = match entry.backend {
            Backend::Keyring { account } => (Some(account), None, None),
            Backend::LocalEncrypted { nonce, ciphertext } => (entry.left, Some(nonce), Some(ciphertext)),
        };
        Self {
            backend,
            account,
            nonce,
            ciphertext,
            method: entry.method,
            kind: entry.kind,
            identity: entry.identity,
            scopes: entry.scopes,
            expires_at: entry.expires_at,
            revision: entry.revision,
            needs_login: entry.needs_login,
            refused: entry.refused,
            unknown: entry.unknown,
        }
    }
}

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    /// All logins.
    pub logins: BTreeMap<LoginId, Entry>,
    /// Accepted notices, as `PROVIDER/METHOD`.
    pub confirmed_notices: BTreeSet<String>,
    /// Highest revision that was ever written: a login made anew goes on from there, so that nobody takes it for old.
    pub last_revision: u64,
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    last_revision: u64,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    confirmed_notices: BTreeSet<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
    #[serde(default)]
    logins: BTreeMap<String, Entry>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Reads the index; `true` beside it if its mode had to be mended.
///
/// # Errors
/// `store_unreadable`.
pub(super) fn read(path: &Path) -> Result<(Index, bool)> {
    match private_file::read(path)? {
        None => Ok((Index::default(), false)),
        Some(content) => Ok((parse(path, &content.bytes)?, content.mended)),
    }
}

/// Whether the file is there and no index at all: such a one may be set aside, which one that merely cannot be read
/// now may not.
pub(super) fn is_damaged(path: &Path) -> bool {
    matches!(private_file::read(path), Ok(Some(content)) if toml_of(&content.bytes).is_none_or(|table| {
        !table.contains_key("version")
    }))
}

pub(super) fn toml_of(bytes: &[u8]) -> Option<toml::Table> {
    toml::from_str(std::str::from_utf8(bytes).ok()?).ok()
}

pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Index> {
    let name = path.display();
    let damaged = || {
        Error::new(Code::StoreUnreadable, format!("`{name}` is damaged."))
            .with_hint("Nothing was changed. A new login sets the file aside and starts afresh; a backup put back works too.")
    };
    let table = toml_of(bytes).ok_or_else(damaged)?;
    match table.get("version").and_then(toml::Value::as_integer) {
        Some(VERSION) => {}
        Some(version) if version > VERSION => {
            return Err(Error::new(
                Code::StoreUnreadable,
                format!("`{name}` is of a newer version of Convocations."),
            )
            .with_hint("Update this one; nothing was changed."));
        }
        _ => return Err(damaged()),
    }
    // It is an index, so it is never set aside: somebody's logins are in it.
    let unknown = || {
        Error::new(Code::StoreUnreadable, format!("`{name}` has an entry that is not understood."))
            .with_hint("Update Convocations, or correct or remove that entry; nothing was changed.")
    };
    let wire: Wire = table.try_into().map_err(|_| unknown())?;
    let mut logins = BTreeMap::new();
    for (login, entry) in wire.logins {
        logins.insert(login.parse().map_err(|_| unknown())?, entry);
    }
    Ok(Index {
        logins,
        confirmed_notices: wire.confirmed_notices,
        last_revision: wire.last_revision,
        unknown: wire.unknown,
    })
}

/// Writes the index.
///
/// # Errors
/// `store_unwritable`; the old file is whole then.
pub(super) fn write(path: &Path, index: &Index) -> Result<()> {
    private_file::write(path, encode(index)?.as_bytes())
}

pub(super) fn encode(index: &Index) -> Result<String> {
    let wire = Wire {
        version: VERSION,
        last_revision: index.last_revision,
        confirmed_notices: index.confirmed_notices.clone(),
        unknown: index.unknown.clone(),
        logins: index.logins.iter().map(|(login, entry)| (login.to_string(), entry.clone())).collect(),
    };
    toml::to_string(&wire)
        .map_err(|_| Error::new(Code::StoreUnwritable, "The index cannot be written as TOML."))
}
