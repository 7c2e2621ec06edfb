//! Storing a login: its secret first, then the index.
//!
//! Guarantees: whoever reads finds the old login or the new one, whichever write fails and whenever the process is
//! killed. A keyring item and the index cannot be written as one, so the item says by which method it was made, and an
//! item whose index could not be written is put back, unless it came of a refresh, which has spent the old one. A login
//! that a refresh moves into the keyring is renewed where it is first.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::index::{self, Backend, Entry, Index};
use super::keyring::{SERVICE, Trouble};
use super::lock::StoreLock;
use super::seal::MasterKey;
use super::{NewEntry, Store};
use crate::config::StoreBackend;
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::secret::Secret;

/// What brought the tokens.
#[derive(Clone, Copy, PartialEq)]
enum Cause {
    /// A person's login: as long as it is not stored, there is the old one.
    Login,
    /// A refresh, which has spent the old ones.
    Refresh,
    /// The same, of a login that stays in the file for now, whole with the index.
    RefreshInFile,
}

/// The secret as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    tokens: &'a Tokens,
    method: &'a str,
    kind: Kind,
}

/// What a secret says about itself; older ones say nothing.
#[derive(Deserialize)]
struct About {
    method: String,
    kind: Kind,
}

/// Believes the secret where the index says otherwise: somebody was killed between the two writes.
pub(super) fn catch_up(entry: &mut Entry, secret: &Secret) {
    if let Ok(about) = serde_json::from_str::<About>(secret.expose()) {
        (entry.method, entry.kind) = (about.method, about.kind);
    }
}

impl Store {
    /// Stores a login durably, over an older one of the same name, and returns its entry.
    ///
    /// A login that is there stays in its backend unless the settings name another one; a new one goes where
    /// [`Store::backend_report`] says. An index that is damaged beyond reading is set aside first, with a warning.
    ///
    /// # Errors
    /// `store_unwritable`, `store_unreadable`, `keyring_locked` or `keyring_unavailable`; the old login is whole then.
    pub fn put(&self, lock: &StoreLock, login: &LoginId, new: NewEntry, tokens: &Tokens) -> Result<Entry> {
        self.store(lock, login, new, tokens, Cause::Login)
    }

    /// [`Store::put`] of what a refresh made of the login: it is never taken back.
    ///
    /// # Errors
    /// As for [`Store::put`], but a keyring may hold the new tokens already.
    pub fn renew(&self, lock: &StoreLock, login: &LoginId, new: NewEntry, tokens: &Tokens) -> Result<Entry> {
        let is_sealed = |entry: &Entry| matches!(entry.backend, Backend::LocalEncrypted { .. });
        let moves = self.shared.backend == StoreBackend::Keyring;
        if !moves || !self.index_to_write(lock)?.logins.get(login).is_some_and(is_sealed) {
            return self.store(lock, login, new, tokens, Cause::Refresh);
        }
        let renewed = self.store(lock, login, new.clone(), tokens, Cause::RefreshInFile)?;
        self.store(lock, login, new, tokens, Cause::Login).or_else(|error| {
            self.warn(format!("{error} `{login}` stays in the encrypted file."));
            Ok(renewed)
        })
    }

    fn store(
        &self,
        lock: &StoreLock,
        login: &LoginId,
        new: NewEntry,
        tokens: &Tokens,
        cause: Cause,
    ) -> Result<Entry> {
        let mut index = self.index_to_write(lock)?;
        let old = index.logins.get(login).cloned();
        let old_item = self.item(old.as_ref().filter(|_| cause == Cause::Login));
        let kept = Kept { tokens, method: &new.method, kind: new.kind };
        let text = serde_json::to_string(&kept).map(Zeroizing::new);
        let text = text.map_err(|_| Error::new(Code::StoreUnwritable, "The login cannot be encoded."))?;
        let secret = Secret::new(text.as_str());
        let backend = match cause {
            Cause::RefreshInFile => self.seal(&index, login, &secret)?,
            _ => self.keep_secret(&index, login, old.as_ref(), &secret)?,
        };
        let left = old.as_ref().and_then(|old| left_behind(old, &backend));
        let revision = old.as_ref().map_or(0, |entry| entry.revision).max(index.last_revision) + 1;
        let entry = Entry {
            backend,
            method: new.method,
            kind: new.kind,
            identity: tokens.identity.clone(),
            scopes: tokens.scopes.clone(),
            expires_at: tokens.expires_at,
            revision,
            needs_login: None,
            refused: None,
            left,
            unknown: old.as_ref().map(|entry| entry.unknown.clone()).unwrap_or_default(),
        };
        index.last_revision = revision;
        index.logins.insert(login.clone(), entry.clone());
        if let Err(error) = index::write(&self.shared.paths.index_file(), &index) {
            if cause == Cause::Login {
                self.take_back(login, &entry, old_item.as_ref());
            }
            return Err(error);
        }
        tracing::debug!(%login, revision, backend = entry.backend.name(), "stored");
        let has_moved = old.is_some_and(|old| matches!(old.backend, Backend::Keyring { .. }));
        // A refresh of what moved long ago asks no keyring.
        if cause == Cause::Login || has_moved {
            self.drop_left(&mut index, login);
        }
        Ok(index.logins.remove(login).unwrap_or(entry))
    }

    /// The keyring item that an entry names, if it can be had.
    fn item(&self, entry: Option<&Entry>) -> Option<Secret> {
        match &entry?.backend {
            Backend::Keyring { account } => self.shared.keyring.get(account, self.interactive).ok()?,
            Backend::LocalEncrypted { .. } => None,
        }
    }

    /// Takes a new keyring item back, unless the index has come to name it all the same.
    fn take_back(&self, login: &LoginId, new: &Entry, old_item: Option<&Secret>) {
        let Backend::Keyring { account } = &new.backend else { return };
        let is_named =
            |index: Index| index.logins.get(login).is_some_and(|entry| entry.revision == new.revision);
        if self.index().is_ok_and(is_named) {
            return;
        }
        // As well as can be: that something failed is told in any case.
        let _ = match old_item {
            Some(item) => self.shared.keyring.set(account, item, self.interactive),
            None => self.shared.keyring.delete(account, self.interactive),
        };
    }

    /// Puts the secret where it belongs and says where that is. The keyring item comes before the index: a reader
    /// finds the newest tokens by either.
    fn keep_secret(
        &self,
        index: &Index,
        login: &LoginId,
        old: Option<&Entry>,
        secret: &Secret,
    ) -> Result<Backend> {
        let stays_sealed = matches!(old.map(|entry| &entry.backend), Some(Backend::LocalEncrypted { .. }));
        match self.shared.backend {
            StoreBackend::LocalEncrypted => self.seal(index, login, secret),
            StoreBackend::Auto if stays_sealed => self.seal(index, login, secret),
            StoreBackend::Keyring => self.set_keyring(login, secret).map_err(Trouble::error),
            StoreBackend::Auto => match self.set_keyring(login, secret) {
                Ok(backend) => Ok(backend),
                // A rotated token that is not stored is a lost login: the encrypted file takes it, and that is said.
                Err(trouble) => {
                    self.warn(format!("{} `{login}` is kept in the encrypted file.", trouble.error()));
                    self.seal(index, login, secret)
                }
            },
        }
    }

    fn set_keyring(&self, login: &LoginId, secret: &Secret) -> Result<Backend, Trouble> {
        let account = format!("convocations-{login}");
        self.shared.keyring.set(&account, secret, self.interactive)?;
        Ok(Backend::Keyring { account })
    }

    fn seal(&self, index: &Index, login: &LoginId, secret: &Secret) -> Result<Backend> {
        let sealed = |entry: &Entry| matches!(entry.backend, Backend::LocalEncrypted { .. });
        // The app seals under the same key: a blob of its own is as good a reason not to make a new one.
        let others = index.logins.iter().any(|(name, entry)| name != login && sealed(entry))
            || self.shared.paths.config_dir().join("secrets").exists();
        let key = MasterKey::read_or_make(&self.shared.paths.key_file(), !others)?;
        self.said(key).seal(login, secret)
    }

    /// Rule 10: a login that moved leaves nothing behind. The index knows of it until it is gone.
    fn drop_left(&self, index: &mut Index, login: &LoginId) {
        let Some(entry) = index.logins.get_mut(login) else { return };
        let Some(account) = entry.left.take() else { return };
        if self.shared.keyring.delete(&account, self.interactive).is_err() {
            self.warn(format!("The keyring still holds the old item `{account}` of service `{SERVICE}`."));
            entry.left = Some(account);
            return;
        }
        // If this fails, a later login looks for nothing.
        let _ = index::write(&self.shared.paths.index_file(), index);
    }
}

/// The keyring's item that a login leaves behind where its new secret is not put there.
fn left_behind(old: &Entry, new: &Backend) -> Option<String> {
    let account = match &old.backend {
        Backend::Keyring { account } => Some(account),
        Backend::LocalEncrypted { .. } => old.left.as_ref(),
    };
    account.filter(|_| matches!(new, Backend::LocalEncrypted { .. })).cloned()
}
