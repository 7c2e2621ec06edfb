//! credentials.toml: which logins there are, which backend owns each secret, and what may be known without
//! it.
//!
//! Guarantees: what cannot be read is never taken for empty (rule 9); keys of a newer program are kept, and
//! an entry that is not understood fails alone and is kept as it stands; an index of a newer version is
//! refused rather than misread; a text that was written to its end is known from one that was not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::entry::Entry;
use super::lock::StoreLock;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::private_file;

/// The version that this program writes.
const VERSION: i64 = 1;
/// What the last line begins with; the SHA-256 of all before it follows, in hex.
const END: &str = "# whole: ";

/// The whole file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Index {
    /// 128 random bits in hex, made with the first write: what is stored elsewhere for this index bears it
    /// (rule 20).
    pub store: Option<String>,
    /// All logins that are understood.
    pub logins: BTreeMap<LoginId, Entry>,
    /// Entries that are not, by name, as they stand.
    pub unreadable: BTreeMap<String, toml::Value>,
    /// Accepted notices, as `PROVIDER/METHOD`.
    pub confirmed_notices: BTreeSet<String>,
    /// Highest revision that was ever written: a login made anew goes on from there, so that nobody takes it
    /// for old.
    pub last_revision: u64,
    /// Accounts of keyring items that may still hold the secret of a login which is gone.
    pub(super) left: BTreeSet<String>,
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Serialize, Deserialize)]
struct Wire<E> {
    version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    last_revision: u64,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    confirmed_notices: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    left: BTreeSet<String>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
    #[serde(default = "BTreeMap::new")]
    logins: BTreeMap<String, E>,
}

/// An entry to be written.
#[derive(Serialize)]
#[serde(untagged)]
enum ToWrite<'a> {
    Known(&'a Entry),
    AsItStands(&'a toml::Value),
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Whether the file is there and no index at all: such a one may be set aside, which one that merely cannot
/// be read now may not.
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
        Error::new(Code::StoreUnreadable, format!("`{name}` is damaged.")).with_hint(
            "Nothing was changed. A new login sets the file aside and starts with an empty one; \
                        a backup put back works too.",
        )
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
    let unknown = |_| {
        Error::new(Code::StoreUnreadable, format!("`{name}` has a setting that is not understood."))
            .with_hint(
                "Update Convocations, or correct the lines above the first login; nothing was changed.",
            )
    };
    table.try_into().map(of_wire).map_err(unknown)
}

fn of_wire(wire: Wire<toml::Value>) -> Index {
    let mut index = Index {
        // Anything else is nobody's id, and would find its way into names of keyring items.
        store: wire.store.filter(|id| is_store_id(id)),
        confirmed_notices: wire.confirmed_notices,
        last_revision: wire.last_revision,
        left: wire.left,
        unknown: wire.unknown,
        ..Index::default()
    };
    for (name, entry) in wire.logins {
        match (name.parse::<LoginId>(), entry.clone().try_into::<Entry>()) {
            (Ok(login), Ok(entry)) => drop(index.logins.insert(login, entry)),
            _ => drop(index.unreadable.insert(name, entry)),
        }
    }
    index
}

fn is_store_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Index {
    /// The store's id, made if there is none yet.
    pub(super) fn store_id(&mut self) -> &str {
        self.store.get_or_insert_with(|| format!("{:032x}", rand::random::<u128>()))
    }

    /// One more than any revision that this index, or the entry, has seen.
    pub(super) fn next_revision(&self, entry: Option<&Entry>) -> u64 {
        entry.map_or(0, |entry| entry.revision).max(self.last_revision) + 1
    }

    /// Writes the index durably, and returns its text.
    ///
    /// # Errors
    /// `store_unwritable`; the old file is whole then.
    pub(super) fn write(&self, _: &StoreLock, path: &Path) -> Result<String> {
        let text = self.encode()?;
        private_file::write(path, text.as_bytes())?;
        Ok(text)
    }

    /// The index as text, with a last line by which its end is known.
    pub(super) fn encode(&self) -> Result<String> {
        let cannot = |_| Error::new(Code::StoreUnwritable, "The index cannot be written as TOML.");
        let known = self.logins.iter().map(|(login, entry)| (login.to_string(), ToWrite::Known(entry)));
        let others = self.unreadable.iter().map(|(name, entry)| (name.clone(), ToWrite::AsItStands(entry)));
        let wire = Wire {
            version: VERSION,
            store: self.store.clone(),
            last_revision: self.last_revision,
            confirmed_notices: self.confirmed_notices.clone(),
            left: self.left.clone(),
            unknown: self.unknown.clone(),
            logins: known.chain(others).collect(),
        };
        let text = toml::to_string(&wire).map_err(cannot)?;
        Ok(format!("{text}{END}{}\n", digest(&text)))
    }
}

/// An index whose text was written to its end, by the line that says so.
pub(super) fn whole(path: &Path, bytes: &[u8]) -> Option<Index> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (before, line) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let before = &text[..=before.len()];
    (line.strip_prefix(END)? == digest(before)).then(|| parse(path, bytes).ok())?
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_broke_off_is_known_although_it_is_toml() {
        let mut index = Index::default();
        index.confirmed_notices.insert("anthropic/subscription".to_owned());
        index.store_id();
        let (path, text) = (Path::new("credentials.toml"), index.encode().unwrap());
        assert_eq!(whole(path, text.as_bytes()), Some(index));
        for end in 0..text.len() {
            assert_eq!(whole(path, &text.as_bytes()[..end]), None, "{}", &text[..end]);
        }
        assert_eq!(whole(path, text.replace("subscription", "console").as_bytes()), None);
    }
}
