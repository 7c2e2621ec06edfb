//! Where a login's secret goes, and what it may leave where it was.
//!
//! Guarantees: a place in which something may have been left is noted until it is known to be empty; nothing
//! is removed that another login, or another folder's store, may still need.

use std::collections::BTreeSet;

use super::bound::{account, account_before_ids, is_described, is_of_store, is_own_account};
use super::encrypted::MasterKey;
use super::entry::{Backend, Entry};
use super::keyring::{KeyringError, Patience, SERVICE};
use super::writing::Writing;
use crate::config::StoreBackend;
use crate::error::{Error, Result};
use crate::secret::Secret;

/// What brought a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A person's login: as long as it is not stored, there is the old one.
    Login,
    /// A refresh, which has spent the old one.
    Refresh,
}

/// Where a secret was put.
#[derive(Debug)]
pub struct Place {
    /// The place.
    pub backend: Backend,
    /// Whether it belongs in the keyring, and goes there when that answers.
    pub fell_back: bool,
    /// The keyring item that may be written all the same, after a call that timed out.
    pub left: Option<String>,
}

/// Why a secret is in no place.
#[derive(Debug)]
pub enum Unplaced {
    Keyring(KeyringError),
    File(Error),
}

impl Unplaced {
    /// The error for the person.
    pub fn error(self) -> Error {
        match self {
            Self::Keyring(why) => why.error(),
            Self::File(error) => error,
        }
    }
}

impl Writing<'_> {
    /// Puts the secret where it belongs and says where that is. The keyring item comes before the index: a
    /// reader finds the newest tokens by either.
    pub(super) fn place(
        &mut self,
        old: Option<&Entry>,
        secret: &Secret,
        cause: Cause,
    ) -> Result<Place, Unplaced> {
        let setting = self.store.shared.backend;
        let stays = old.is_some_and(|old| old.backend.is_sealed() && !old.fell_back);
        if setting == StoreBackend::LocalEncrypted || (setting == StoreBackend::Auto && stays) {
            return self.sealed(secret, false).map_err(Unplaced::File);
        }
        let mut put = self.in_keyring(secret, self.store.patience());
        if put.is_err() && cause == Cause::Refresh && setting == StoreBackend::Auto {
            // It may have been away for a moment only, and the place is not changed for that.
            put = self.in_keyring(secret, Patience::Again);
        }
        match put {
            Ok(place) => Ok(place),
            Err(why) if setting == StoreBackend::Keyring => Err(Unplaced::Keyring(why)),
            // A rotated token that is not stored is a lost login: the encrypted file takes it, and that is
            // said.
            Err(why) => self.in_file_instead(old, secret, why).map_err(Unplaced::File),
        }
    }

    fn in_file_instead(&mut self, old: Option<&Entry>, secret: &Secret, why: KeyringError) -> Result<Place> {
        let was_there = old.is_some_and(|old| !old.backend.is_sealed() || old.fell_back);
        let is_there = matches!(why, KeyringError::TimedOut | KeyringError::Locked);
        // Who has logins in the file already, for want of a keyring, has been told.
        let is_news =
            was_there || is_there || !self.index.logins.values().any(|entry| entry.backend.is_sealed());
        if is_news {
            self.store.warn(format!("{} `{}` is kept in the encrypted file.", why.error(), self.login));
        }
        let mut place = self.sealed(secret, was_there || is_there)?;
        place.left = (why == KeyringError::TimedOut).then(|| self.own_account());
        Ok(place)
    }

    pub(super) fn in_keyring(&mut self, secret: &Secret, patience: Patience) -> Result<Place, KeyringError> {
        let account = self.own_account();
        self.store.shared.keyring.set(&account, secret, patience)?;
        Ok(Place { backend: Backend::Keyring { account }, fell_back: false, left: None })
    }

    pub(super) fn sealed(&self, secret: &Secret, fell_back: bool) -> Result<Place> {
        let paths = &self.store.shared.paths;
        let is_sealed = |entry: &Entry| entry.backend.is_sealed();
        // The app seals under the same key, and an entry that is not understood may: a blob of theirs is as
        // good a reason not to make a new one.
        let others = self.index.logins.iter().any(|(name, entry)| name != self.login && is_sealed(entry))
            || !self.index.unreadable.is_empty()
            || paths.config_dir().join("secrets").exists();
        let key = MasterKey::read_or_make(&paths.key_file(), !others)?;
        let backend = self.store.said(key).seal(self.login, secret)?;
        Ok(Place { backend, fell_back, left: None })
    }

    fn own_account(&mut self) -> String {
        account(self.login, self.index.store_id())
    }

    fn is_own(&self, name: &str) -> bool {
        is_own_account(name, self.login, self.index.store.as_deref())
    }

    /// The keyring item that an entry names, if it can be had.
    pub(super) fn own_item(&self, entry: Option<&Entry>) -> Option<Secret> {
        let Backend::Keyring { account } = &entry?.backend else { return None };
        let store = self.index.store.as_deref()?;
        if *account != super::bound::account(self.login, store) {
            return None;
        }
        self.store.shared.keyring.get(account, self.store.patience()).ok()?
    }

    /// Takes a new keyring item back, unless the index has come to name it all the same.
    pub(super) fn take_back(&self, new: &Entry, old_item: Option<&Secret>) {
        let Backend::Keyring { account } = &new.backend else { return };
        let now = self.store.index();
        if now.is_ok_and(|now| now.logins.get(self.login).is_some_and(|entry| entry.revision == new.revision))
        {
            return;
        }
        // As well as can be: that something failed is told in any case.
        let keyring = &self.store.shared.keyring;
        let _ = match old_item {
            Some(item) => keyring.set(account, item, self.store.patience()),
            None => keyring.delete(account, self.store.patience()),
        };
    }

    /// The keyring item that a login no longer needs when its secret is in its new place.
    pub(super) fn superseded(&self, old: Option<&Entry>, new: &Backend) -> Option<String> {
        let old = old?;
        let Backend::Keyring { account } = &old.backend else { return None };
        let stays = matches!(new, Backend::Keyring { account: other } if other == account);
        if stays || !self.is_own(account) {
            return None;
        }
        if *account == account_before_ids(self.login) {
            let item = self.store.shared.keyring.get(account, Patience::Usual).ok().flatten();
            // Another folder's, which has stored a login of this name after this one.
            if item.is_some_and(|item| !is_described(old, &item)) {
                return None;
            }
        }
        Some(account.clone())
    }

    /// Notes that an item may be written after a call that timed out, unless the entry names it anyway.
    pub(super) fn note_unconfirmed(&mut self, old: Option<&Entry>, why: &Unplaced) -> bool {
        let account = self.own_account();
        let is_named =
            |old: &Entry| matches!(&old.backend, Backend::Keyring { account: name } if *name == account);
        if !matches!(why, Unplaced::Keyring(KeyringError::TimedOut)) || old.is_some_and(is_named) {
            return false;
        }
        match self.index.logins.get_mut(self.login) {
            Some(entry) => entry.left.insert(account),
            None => self.index.left.insert(account),
        }
    }

    /// Removes what may have been left by this login, and by logins that are gone, but for `except`. Returns
    /// why something is still there, if it is.
    pub(super) fn remove_left(&mut self, patience: Patience, except: Option<&String>) -> Option<Error> {
        let own = self.index.logins.get_mut(self.login).map(|entry| std::mem::take(&mut entry.left));
        let (own, why) = self.still_there(own.unwrap_or_default(), patience, except);
        let gone = std::mem::take(&mut self.index.left);
        let (gone, also) = match why {
            // It would be waited for again.
            Some(KeyringError::TimedOut) => (gone, None),
            _ => self.still_there(gone, patience, None),
        };
        self.index.left = gone;
        if let Some(entry) = self.index.logins.get_mut(self.login) {
            entry.left = own;
        }
        why.or(also).map(KeyringError::error)
    }

    /// Those of these items that could not be removed, and why. What is not ours to remove is forgotten.
    fn still_there(
        &self,
        accounts: BTreeSet<String>,
        patience: Patience,
        except: Option<&String>,
    ) -> (BTreeSet<String>, Option<KeyringError>) {
        let (mut left, mut why) = (BTreeSet::new(), None);
        let store = self.index.store.as_deref();
        let in_use = |account: &str| {
            self.index
                .logins
                .values()
                .any(|entry| matches!(&entry.backend, Backend::Keyring { account: name } if name == account))
        };
        for account in accounts {
            if Some(&account) == except {
                left.insert(account);
                continue;
            }
            if in_use(&account) || !(self.is_own(&account) || is_of_store(&account, store)) {
                continue;
            }
            let known = why.filter(|why| *why == KeyringError::TimedOut);
            match known.map_or_else(|| self.store.shared.keyring.delete(&account, patience), Err) {
                Ok(()) => tracing::debug!(account, "what was left in the keyring is gone"),
                Err(error) => {
                    why = Some(error);
                    left.insert(account);
                }
            }
        }
        (left, why)
    }

    /// Removes every keyring item of a login that was just taken out of the index, and what others have left.
    /// What cannot be removed stays noted, and is told.
    pub(super) fn remove_items(&mut self, entry: Option<&Entry>) -> Option<Error> {
        let mut accounts = entry.map(|entry| entry.left.clone()).unwrap_or_default();
        if let Some(Backend::Keyring { account }) = entry.map(|entry| &entry.backend) {
            accounts.insert(account.clone());
        }
        let is_asked = !accounts.is_empty();
        let patience = Patience::Removing { asks: self.store.interactive };
        let (own, why) = self.still_there(accounts, patience, None);
        let store = self.index.store.clone();
        if is_asked && why.is_none() {
            let gone = std::mem::take(&mut self.index.left);
            self.index.left = self.still_there(gone, Patience::Again, None).0;
        }
        // A name without a store's id may be another folder's by the time when the keyring is well.
        self.index.left.extend(own.into_iter().filter(|name| is_of_store(name, store.as_deref())));
        why.map(KeyringError::error)
    }

    /// Says what is left for now.
    pub(super) fn warn_left(&self) {
        let Some(entry) = self.index.logins.get(self.login) else { return };
        for account in &entry.left {
            self.store.warn(format!(
                "The keyring still holds the old item `{account}` of service `{SERVICE}`; a later write removes it."
            ));
        }
    }
}
