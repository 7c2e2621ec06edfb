//! Where logins are kept: an index, and for each login a secret in the keyring or sealed beside the index.
//!
//! Guarantees: reading takes no lock and never sees a half-written file; writing takes a [`StoreLock`] and is a
//! read–modify–write of the newest content (rule 8); what cannot be read now is never taken for empty, and nothing is
//! written over it (rule 9); a backend that is gone affects its own logins only (rule 11). Everything blocks: async
//! callers go through `spawn_blocking`. Knows no network.

mod app_key;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod index;
mod keyring;
mod lock;
pub(crate) mod private_file;
mod put;
mod seal;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;

pub use index::{Backend, Entry, Index};
pub use keyring::{SERVICE, Trouble};
pub use lock::{LoginLock, STORE_FILE as STORE_LOCK_FILE, StoreLock, pause};
pub use private_file::ensure_folder as ensure_private_folder;

use crate::config::{StoreBackend, StoreConfig};
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::protocol::StoreReport;
use crate::secret::Secret;
use keyring::Keyring;
use seal::MasterKey;

/// Bytes by which an index may grow with one login's new secret, sealed: real ones are under 20 KiB.
const ROOM_FOR_GROWTH: usize = 32 << 10;
/// Most of an index that is written for a try.
const MAX_REHEARSAL: usize = 16 << 20;

/// A store. Cheap to clone; nothing is touched before it is used.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    interactive: bool,
}

#[derive(Debug)]
struct Shared {
    paths: Paths,
    backend: StoreBackend,
    keyring: Keyring,
    warnings: Mutex<Vec<String>>,
}

/// A login with its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What the index says.
    pub entry: Entry,
    /// The secret.
    pub tokens: Tokens,
}

/// What a new entry says beside its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEntry {
    /// The method it was made by.
    pub method: String,
    /// How its token travels.
    pub kind: Kind,
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

/// What a removal left behind.
#[derive(Debug)]
pub struct Removed {
    /// What the index said.
    pub entry: Entry,
    /// Why the keyring item could not be removed, if it could not.
    pub leftover: Option<Error>,
}

/// Changes whenever the index file does: modification time in nanoseconds, length, inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(Option<(u128, u64, u64)>);

impl Store {
    /// The store of these folders.
    pub fn new(paths: &Paths, config: &StoreConfig) -> Self {
        let shared = Shared {
            paths: paths.clone(),
            backend: config.backend,
            keyring: Keyring::new(Duration::from_secs(config.keyring_timeout)),
            warnings: Mutex::default(),
        };
        Self { shared: Arc::new(shared), interactive: false }
    }

    /// The same store, which may let a locked keyring ask the person: for calls that a person just made and waits for.
    #[must_use]
    pub fn interactive(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), interactive: true }
    }

    /// The index; empty if there is no file.
    ///
    /// # Errors
    /// `store_unreadable` if there is one that cannot be read now, is damaged or of a newer version.
    pub fn index(&self) -> Result<Index> {
        let path = self.shared.paths.index_file();
        let (index, mended) = index::read(&path)?;
        if mended {
            self.warn_mended(&path);
        }
        Ok(index)
    }

    /// The index as a new login finds it: empty too where the file is no index at all, since the login sets that aside.
    ///
    /// # Errors
    /// `store_unreadable` if it cannot be read now or is of a newer version.
    pub fn index_for_login(&self) -> Result<Index> {
        match self.index() {
            Err(_) if index::is_damaged(&self.shared.paths.index_file()) => Ok(Index::default()),
            index => index,
        }
    }

    /// A value that differs after every change of the index, for the cost of one `stat`.
    pub fn stamp(&self) -> Stamp {
        let Ok(metadata) = std::fs::metadata(self.shared.paths.index_file()) else { return Stamp(None) };
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let nanoseconds = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Stamp(Some((nanoseconds, metadata.len(), inode)))
    }

    /// A login with its secret; `None` if there is no such login.
    ///
    /// # Errors
    /// `store_unreadable`, `keyring_locked` or `keyring_unavailable`.
    pub fn read(&self, login: &LoginId) -> Result<Option<Stored>> {
        let Some(mut entry) = self.index()?.logins.remove(login) else { return Ok(None) };
        let secret = self.secret(login, &entry.backend)?;
        let tokens = serde_json::from_str(secret.expose()).map_err(|_| {
            Error::new(
                Code::StoreUnreadable,
                format!("The stored login `{login}` is not of a form that is known."),
            )
            .with_hint(format!("Update Convocations, or log in again with `:ConvLogin {login}`."))
        })?;
        put::catch_up(&mut entry, &secret);
        Ok(Some(Stored { entry, tokens }))
    }

    fn secret(&self, login: &LoginId, backend: &Backend) -> Result<Secret> {
        match backend {
            Backend::LocalEncrypted { nonce, ciphertext } => {
                let key = MasterKey::read(&self.shared.paths.key_file())?;
                self.said(key).open(login, nonce, ciphertext)
            }
            Backend::Keyring { account } => {
                let found = self.shared.keyring.get(account, self.interactive).map_err(Trouble::error)?;
                found.ok_or_else(|| {
                    Error::new(
                        Code::StoreUnreadable,
                        format!("The keyring no longer has the login `{login}`."),
                    )
                    .with_hint(format!("Somebody removed its item. Log in again with `:ConvLogin {login}`."))
                })
            }
        }
    }

    /// Takes a login's lock, waiting for at most `wait`.
    ///
    /// # Errors
    /// `busy` if somebody has it for longer, `store_unwritable` if there can be no lock.
    pub fn lock_login(&self, login: &LoginId, wait: Duration) -> Result<LoginLock> {
        lock::login(&self.login_lock_file(login), wait)
    }

    /// Takes a login's lock if nobody has it.
    ///
    /// # Errors
    /// `store_unwritable` if there can be no lock.
    pub fn try_lock_login(&self, login: &LoginId) -> Result<Option<LoginLock>> {
        lock::try_login(&self.login_lock_file(login))
    }

    /// A login's lock for one who replaces or removes the login: `None` if somebody has it for longer than `wait`. A
    /// refresh that hangs, or whose process was stopped, is no reason to wait for ever: when it goes on it finds the
    /// login changed, and gives way.
    ///
    /// # Errors
    /// `store_unwritable` if there can be no lock.
    pub fn turn(&self, login: &LoginId, wait: Duration) -> Result<Option<LoginLock>> {
        match self.lock_login(login, wait) {
            Err(error) if error.code() == Code::Busy => Ok(None),
            lock => lock.map(Some),
        }
    }

    fn login_lock_file(&self, login: &LoginId) -> PathBuf {
        self.shared.paths.locks_dir().join(format!("{login}.lock"))
    }

    /// Takes the store's lock, waiting for at most `wait`.
    ///
    /// # Errors
    /// `busy` if somebody has it for longer, `store_unwritable` if there can be no lock.
    pub fn lock(&self, wait: Duration) -> Result<StoreLock> {
        let lock = lock::store(&self.shared.paths.locks_dir().join(lock::STORE_FILE), wait)?;
        private_file::clean(&self.shared.paths.config_dir());
        Ok(lock)
    }

    /// Whether a login could be stored now, as far as files can tell. What is about to be spent at a provider for good
    /// is spent only if this says yes.
    ///
    /// # Errors
    /// `store_unwritable`, `store_unreadable`, or `busy` if somebody writes for longer than `wait`.
    pub fn rehearse(&self, wait: Duration) -> Result<()> {
        let _lock = self.lock(wait)?;
        let length = std::fs::metadata(self.shared.paths.index_file()).map_or(0, |file| file.len());
        let length = usize::try_from(length).unwrap_or(0).min(MAX_REHEARSAL) + ROOM_FOR_GROWTH;
        private_file::rehearse(&self.shared.paths.config_dir(), length)
    }

    /// Remembers that exactly this refresh token was refused. `None` if the login is gone or has changed by now.
    ///
    /// # Errors
    /// As for [`Store::put`].
    pub fn mark_needs_login(
        &self,
        lock: &StoreLock,
        login: &LoginId,
        refusal: &Refusal,
    ) -> Result<Option<Entry>> {
        let mut index = self.index_to_write(lock)?;
        let revision = index.last_revision;
        let entry = index.logins.get_mut(login).filter(|entry| entry.revision == refusal.revision);
        let Some(entry) = entry else { return Ok(None) };
        entry.needs_login = Some(refusal.reason.clone());
        entry.refused = Some(refusal.fingerprint.clone());
        entry.expires_at = refusal.ended_at.or(entry.expires_at);
        entry.revision = entry.revision.max(revision) + 1;
        let entry = entry.clone();
        index.last_revision = entry.revision;
        index::write(&self.shared.paths.index_file(), &index)?;
        Ok(Some(entry))
    }

    /// Remembers that a method's notice was accepted.
    ///
    /// # Errors
    /// As for [`Store::put`].
    pub fn confirm_notice(&self, lock: &StoreLock, notice: &str) -> Result<()> {
        let mut index = self.index_to_write(lock)?;
        if !index.confirmed_notices.insert(notice.to_owned()) {
            return Ok(());
        }
        index::write(&self.shared.paths.index_file(), &index)
    }

    /// Removes a login, secret first: what is left after a crash in between is an entry that says so.
    ///
    /// # Errors
    /// `store_unreadable` or `store_unwritable`. A keyring that cannot be reached is no reason to keep the login.
    pub fn remove(&self, lock: &StoreLock, login: &LoginId) -> Result<Option<Removed>> {
        let mut index = self.index_to_write(lock)?;
        let Some(entry) = index.logins.remove(login) else { return Ok(None) };
        let item = match &entry.backend {
            Backend::LocalEncrypted { .. } => entry.left.as_ref(),
            Backend::Keyring { account } => Some(account),
        };
        let deleted = item.map_or(Ok(()), |account| self.shared.keyring.delete(account, self.interactive));
        let leftover = deleted.err().map(Trouble::error);
        index.last_revision = index.last_revision.max(entry.revision) + 1;
        let written = index::write(&self.shared.paths.index_file(), &index);
        let is_gone = matches!(entry.backend, Backend::Keyring { .. }) && leftover.is_none();
        written.map_err(|error| match is_gone {
            true => error.with_hint("The keyring's item is gone; do the same again to remove its entry too."),
            false => error,
        })?;
        Ok(Some(Removed { entry, leftover }))
    }

    /// The newest index, under the lock. One that is damaged beyond reading is set aside, so that it does not stand
    /// in the way of logging in or out; one that merely cannot be read now is an error.
    fn index_to_write(&self, _lock: &StoreLock) -> Result<Index> {
        let path = self.shared.paths.index_file();
        match self.index() {
            Err(error) if index::is_damaged(&path) => {
                let aside = private_file::set_aside(&path)?;
                self.warn(format!("{error} It was set aside as `{}`.", aside.display()));
                Ok(Index::default())
            }
            other => other,
        }
    }

    /// Where new logins go, and why. Asks the keyring: not for startup.
    pub fn backend_report(&self) -> StoreReport {
        let report =
            |backend, reason: &str, problem| StoreReport { backend, reason: reason.to_owned(), problem };
        if self.shared.backend == StoreBackend::LocalEncrypted {
            return report("local-encrypted", "The settings say so.", None);
        }
        let chosen = self.shared.backend == StoreBackend::Keyring;
        match (self.shared.keyring.probe(), chosen) {
            (Ok(()), true) => report("keyring", "The settings say so, and it answers.", None),
            (Ok(()), false) => report("keyring", "The keyring answers.", None),
            (Err(trouble), true) => report("keyring", "The settings say so.", Some(trouble.error())),
            (Err(trouble), false) => report("local-encrypted", trouble.error().message(), None),
        }
    }

    /// The OpenRouter key of the Convocations app, by its reference in config.toml.
    ///
    /// # Errors
    /// `keyring_locked` or `keyring_unavailable` if the key is in a keyring that gives no answer, `store_unreadable` if
    /// there is one that cannot be opened.
    pub fn app_key(&self, reference: Option<&Value>) -> Result<Option<Secret>> {
        app_key::find(&self.shared.paths, reference, &self.shared.keyring)
    }

    /// What the person should be told, once: modes that were mended, files set aside, backends that were changed.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The folders.
    pub fn paths(&self) -> &Paths {
        &self.shared.paths
    }

    /// The key, and a word about it if others could read it.
    fn said(&self, key: MasterKey) -> MasterKey {
        if key.mended {
            self.warn_mended(&self.shared.paths.key_file());
        }
        key
    }

    fn warn_mended(&self, path: &Path) {
        self.warn(format!("`{}` could be read by other users; its mode is 0600 now.", path.display()));
    }

    fn warn(&self, text: String) {
        self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}
