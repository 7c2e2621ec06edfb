//! What is to become of a login, and what has.

use super::entry::Entry;
use crate::credential::{Kind, Tokens};
use crate::error::Error;

/// A login to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLogin {
    /// The method it was made by.
    pub method: String,
    /// How its token travels.
    pub kind: Kind,
    /// The secret.
    pub tokens: Tokens,
    /// The method's notice, if it was accepted on the way: it is not shown again.
    pub notice: Option<String>,
}

impl NewLogin {
    /// A login whose method shows no notice.
    pub fn new(method: impl Into<String>, kind: Kind, tokens: Tokens) -> Self {
        Self { method: method.into(), kind, tokens, notice: None }
    }
}

/// A provider's final no to a refresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of the refresh token that was refused.
    pub fingerprint: String,
    /// The login's revision when it was sent: a login that has changed since is another one.
    pub revision: u64,
    /// In words.
    pub reason: String,
    /// When the access token ended before its time, Unix seconds, if the API has refused it too.
    pub ended_at: Option<i64>,
}

/// What is to become of a login.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It stays as it is, and nothing is written.
    Nothing,
    /// A person has logged in. It stays in its backend unless the settings name another one; a new one goes
    /// where [`Store::backend_report`] says. If it cannot be stored, the old login is whole.
    Login(Box<NewLogin>),
    /// A refresh has spent the old secret: this one is never revoked.
    Renewed(Box<NewLogin>),
    /// Exactly this refresh token was refused; nothing is written if the login has changed since.
    Refused(Refusal),
    /// It is gone, secret first: what is left after a crash in between is an entry that says so.
    Removed,
}

/// What became of a login.
#[derive(Debug, Default)]
pub struct Updated {
    /// Its entry now; `None` if it is gone, or never was.
    pub entry: Option<Entry>,
    /// What a removal found.
    pub removed: Option<Removed>,
}

/// What a removal found and left.
#[derive(Debug, Default)]
pub struct Removed {
    /// What the index said; `None` for an entry that is not understood.
    pub entry: Option<Entry>,
    /// Why something is left in the keyring, if it is: it is removed at the next write that finds the keyring
    /// well.
    pub leftover: Option<Error>,
}
