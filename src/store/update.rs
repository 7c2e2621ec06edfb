//! Changing a login: its secret first, then the index.
//!
//! Guarantees: a change sees the newest content and is one durable write, under one lock; whoever reads finds
//! the old login or the new one, whichever write fails and whenever the process is killed. A keyring item and
//! the index cannot be written as one, so the item says by which method it was made, and an item whose index
//! could not be written is put back, unless it came of a refresh, which has spent the old one. What a refresh
//! brought for a login in the file is written there first, also where the login then goes to the keyring.

use std::collections::BTreeMap;

use super::change::{Change, NewLogin, Refusal, Removed, Updated};
use super::entry::{Backend, Entry};
use super::index::Index;
use super::lock::StoreLock;
use super::place::{Cause, Place, Unplaced};
use super::writing::Writing;
use super::{Store, Stored, bound, damaged, index, keyring::Patience};
use crate::config::StoreBackend;
use crate::error::{Error, Result};
use crate::login_id::LoginId;
use crate::secret::Secret;

/// What is stored now, under the lock.
#[derive(Debug)]
pub struct Current<'a> {
    store: &'a Store,
    login: &'a LoginId,
    index: &'a Index,
}

impl Current<'_> {
    /// All logins.
    pub fn logins(&self) -> &BTreeMap<LoginId, Entry> {
        &self.index.logins
    }

    /// The login's entry; `None` if there is no such login.
    ///
    /// # Errors
    /// `store_unreadable` if there is one that is not understood.
    pub fn entry(&self) -> Result<Option<&Entry>> {
        self.store.entry_in(self.index, self.login)
    }

    /// The login with its secret.
    ///
    /// # Errors
    /// As for [`Store::read`].
    pub fn read(&self) -> Result<Option<Stored>> {
        self.store.read_in(self.index, self.login)
    }
}

impl Store {
    /// Changes a login as `change` says when it has seen what is stored now.
    ///
    /// An index that is damaged beyond reading is set aside first, with a warning.
    ///
    /// # Errors
    /// What `change` returns; `busy` if somebody else writes for too long; `store_unwritable`,
    /// `store_unreadable`, `keyring_locked` or `keyring_unavailable`: the old login is whole then, but for
    /// [`Change::Renewed`], which a keyring may hold already.
    pub fn update(
        &self,
        login: &LoginId,
        change: impl FnOnce(&Current<'_>) -> Result<Change>,
    ) -> Result<Updated> {
        let lock = self.lock(self.store_wait())?;
        let index = self.index_to_write(&lock)?;
        let change = change(&Current { store: self, login, index: &index })?;
        let writing = Writing { store: self, lock, login, index };
        match change {
            Change::Nothing => Ok(Updated { entry: writing.old(), removed: None }),
            Change::Login(new) => writing.logged_in(*new),
            Change::Renewed(new) => writing.renewed(*new),
            Change::Refused(refusal) => writing.refused(&refusal),
            Change::Removed => writing.removed(),
        }
    }

    /// Stores a login, over an older one of the same name, and returns its entry.
    ///
    /// # Errors
    /// As for [`Store::update`].
    pub fn put(&self, login: &LoginId, new: NewLogin) -> Result<Entry> {
        let updated = self.update(login, |_| Ok(Change::Login(Box::new(new))))?;
        updated.entry.ok_or_else(|| bound::anothers(login))
    }

    /// Removes a login; `None` if there is none. A keyring that cannot be reached is no reason to keep it.
    ///
    /// # Errors
    /// As for [`Store::update`].
    pub fn remove(&self, login: &LoginId) -> Result<Option<Removed>> {
        Ok(self.update(login, |_| Ok(Change::Removed))?.removed)
    }

    /// The newest index, under the lock. One that is damaged beyond reading is set aside, so that it does not
    /// stand in the way of logging in or out; one that merely cannot be read now is an error.
    fn index_to_write(&self, _lock: &StoreLock) -> Result<Index> {
        let path = self.shared.paths.index_file();
        match self.index() {
            Err(error) if index::is_damaged(&path) => {
                let aside = damaged::set_aside(&path)?;
                self.warn(format!("{error} It was set aside as `{}`.", aside.display()));
                Ok(Index::default())
            }
            other => other,
        }
    }
}

impl Writing<'_> {
    fn logged_in(mut self, new: NewLogin) -> Result<Updated> {
        let old = self.old();
        let secret = bound::encode(self.login, self.index.store_id(), &new)?;
        let old_item = self.own_item(old.as_ref());
        let place = match self.place(old.as_ref(), &secret, Cause::Login) {
            Ok(place) => place,
            Err(error) => return Err(self.unplaced(old.as_ref(), error)),
        };
        self.index.unreadable.remove(self.login.as_str());
        self.index.confirmed_notices.extend(new.notice.clone());
        let gone = self.superseded(old.as_ref(), &place.backend);
        let entry = self.enter(old.as_ref(), &new, place, gone.as_ref());
        self.remove_left(Patience::Usual, gone.as_ref());
        if let Err(error) = self.write() {
            self.take_back(&entry, old_item.as_ref());
            return Err(error);
        }
        self.finish(gone)
    }

    /// A secret that is in no place may be written all the same, after a call that timed out: somebody has to
    /// know.
    fn unplaced(mut self, old: Option<&Entry>, why: Unplaced) -> Error {
        if self.note_unconfirmed(old, &why) {
            let _ = self.write();
        }
        why.error()
    }

    fn renewed(mut self, new: NewLogin) -> Result<Updated> {
        let old = self.old();
        let secret = bound::encode(self.login, self.index.store_id(), &new)?;
        if old.as_ref().is_some_and(|old| old.backend.is_sealed()) {
            return self.renewed_in_file(old.as_ref(), &new, &secret);
        }
        let place = match self.place(old.as_ref(), &secret, Cause::Refresh) {
            Ok(place) => place,
            Err(error) => return Err(self.unplaced(old.as_ref(), error)),
        };
        let gone = self.superseded(old.as_ref(), &place.backend);
        self.enter(old.as_ref(), &new, place, gone.as_ref());
        self.remove_left(Patience::Usual, gone.as_ref());
        self.write()?;
        self.finish(gone)
    }

    /// Where it is first, and only then in the keyring, if it belongs there.
    fn renewed_in_file(mut self, old: Option<&Entry>, new: &NewLogin, secret: &Secret) -> Result<Updated> {
        let fell_back = old.is_some_and(|old| old.fell_back);
        let place = self.sealed(secret, fell_back)?;
        self.enter(old, new, place, None);
        let belongs_there = match self.store.shared.backend {
            StoreBackend::Keyring => true,
            StoreBackend::Auto => fell_back,
            StoreBackend::LocalEncrypted => false,
        };
        if !belongs_there {
            self.remove_left(Patience::Usual, None);
        }
        self.write()?;
        let sealed = self.old();
        if belongs_there {
            match self.in_keyring(secret, Patience::Usual) {
                Ok(place) => {
                    self.enter(sealed.as_ref(), new, place, None);
                    self.remove_left(Patience::Usual, None);
                    // If this fails, the file has the login, and the keyring what is noted there.
                    let _ = self.write();
                }
                Err(why) if self.store.shared.backend == StoreBackend::Keyring => {
                    let error = why.error();
                    self.store.warn(format!("{error} `{}` stays in the encrypted file.", self.login));
                }
                Err(_) => {}
            }
        }
        Ok(Updated { entry: self.old(), removed: None })
    }

    /// The login's new entry, put into the index. `gone` is the keyring's item that it no longer needs.
    fn enter(&mut self, old: Option<&Entry>, new: &NewLogin, place: Place, gone: Option<&String>) -> Entry {
        let tokens = &new.tokens;
        let revision = self.index.next_revision(old);
        let mut left = old.map(|old| old.left.clone()).unwrap_or_default();
        left.extend(place.left.into_iter().chain(gone.cloned()));
        if let Backend::Keyring { account } = &place.backend {
            left.remove(account);
        }
        let entry = Entry {
            backend: place.backend,
            method: new.method.clone(),
            kind: new.kind,
            identity: tokens.identity.clone(),
            organization: tokens.organization.as_ref().map(|organization| organization.shown().to_owned()),
            scopes: tokens.scopes.clone(),
            expires_at: tokens.expires_at,
            revision,
            needs_login: None,
            refused: None,
            left,
            fell_back: place.fell_back,
            unknown: old.map(|entry| entry.unknown.clone()).unwrap_or_default(),
        };
        self.index.last_revision = revision;
        self.index.logins.insert(self.login.clone(), entry.clone());
        tracing::debug!(login = %self.login, revision, backend = entry.backend.name(), "stored");
        entry
    }

    /// Once the index no longer needs what the login had before: rule 10, it leaves nothing behind.
    fn finish(mut self, gone: Option<String>) -> Result<Updated> {
        if gone.is_some() {
            match self.remove_left(Patience::Again, None) {
                // If this fails, a later write looks for nothing.
                None => drop(self.write()),
                Some(_) => self.warn_left(),
            }
        }
        Ok(Updated { entry: self.old(), removed: None })
    }

    fn refused(mut self, refusal: &Refusal) -> Result<Updated> {
        let Some(mut entry) = self.old().filter(|entry| entry.revision == refusal.revision) else {
            return Ok(Updated::default());
        };
        entry.needs_login = Some(refusal.reason.clone());
        entry.refused = Some(refusal.fingerprint.clone());
        entry.expires_at = refusal.ended_at.or(entry.expires_at);
        entry.revision = self.index.next_revision(Some(&entry));
        self.index.last_revision = entry.revision;
        self.index.logins.insert(self.login.clone(), entry.clone());
        self.write()?;
        Ok(Updated { entry: Some(entry), removed: None })
    }

    fn removed(mut self) -> Result<Updated> {
        let entry = self.index.logins.remove(self.login);
        let unreadable = self.index.unreadable.remove(self.login.as_str());
        if entry.is_none() && unreadable.is_none() {
            return Ok(Updated::default());
        }
        let removed = self.remove_items(entry.as_ref());
        self.index.last_revision = self.index.next_revision(entry.as_ref());
        let is_gone = removed.is_none() && entry.as_ref().is_some_and(|entry| !entry.backend.is_sealed());
        self.write().map_err(|error| match is_gone {
            true => error.with_hint("The keyring's item is gone; do the same again to remove its entry too."),
            false => error,
        })?;
        if let Err(error) = damaged::forget(&self.store.shared.paths, self.login) {
            self.store.warn(format!("{error} It may still hold `{}`; remove it.", self.login));
        }
        tracing::debug!(login = %self.login, is_left = removed.is_some(), "removed");
        Ok(Updated { entry: None, removed: Some(Removed { entry, leftover: removed }) })
    }
}
