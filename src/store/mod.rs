//! Where logins are kept: an index, and for each login a secret in the keyring or sealed beside the index.
//!
//! Guarantees: reading takes no lock and never sees a half-written file; writing is [`Store::update`] and
//! nothing else: one lock, one reading of the newest content, one durable write (rule 8); what cannot be read
//! now is never taken for empty, and nothing is written over it (rule 9); a backend that is gone affects its
//! own logins only (rule 11); a secret opens only for the store and the login it was made for (rule 20).
//! Everything blocks but [`Store::run`]. Knows no network.

mod app_key;
mod bound;
mod change;
mod damaged;
mod encrypted;
mod entry;
mod figures;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod index;
mod keyring;
mod lock;
mod parsed;
mod place;
mod report;
mod update;
mod writing;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value;

pub use change::{Change, NewLogin, Refusal, Removed, Updated};
pub use entry::{Backend, Entry};
pub use index::Index;
pub use keyring::{KeyringError, SERVICE, greet as greet_keyring_bus, hang_up as leave_keyring_bus};
pub use lock::{FiguresLock, LoginLock, STORE_FILE as STORE_LOCK_FILE, StoreLock, pause};
pub use update::Current;

use crate::config::{StoreBackend, StoreConfig};
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::private_file;
use crate::secret::Secret;
use encrypted::MasterKey;
use keyring::{Keyring, Patience};
use parsed::Parsed;

/// Bytes by which an index may grow with one login's new secret, sealed: real ones are under 20 KiB.
const ROOM_FOR_GROWTH: usize = 32 << 10;
/// Most of an index that is written for a try.
const MAX_TRIAL: usize = 16 << 20;

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
    parsed: Parsed,
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
            parsed: Parsed::default(),
            warnings: Mutex::default(),
        };
        Self { shared: Arc::new(shared), interactive: false }
    }

    /// The same store, which may let a locked keyring ask the person: for calls that a person just made and
    /// waits for.
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
        let Some(content) = private_file::read(&path)? else { return Ok(Index::default()) };
        if content.mended {
            self.warn_mended(&path);
        }
        self.shared.parsed.of(&path, content.bytes)
    }

    /// The index as a new login finds it: empty too where the file is no index at all, since the login sets
    /// that aside.
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

    /// Runs what blocks (files, locks, D-Bus) where it holds up nobody.
    ///
    /// # Errors
    /// `store_unreadable` if it panics; its place is in the log then.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> T + Send + 'static) -> Result<T> {
        let store = self.clone();
        let work: Box<dyn FnOnce() -> T + Send> = Box::new(move || work(&store));
        tokio::task::spawn_blocking(work).await.map_err(|_| {
            Error::new(Code::StoreUnreadable, "Reading the store failed unexpectedly.")
                .with_hint("The log file tells where; try again.")
        })
    }

    /// A login with its secret; `None` if there is no such login.
    ///
    /// # Errors
    /// `store_unreadable`, `keyring_locked` or `keyring_unavailable`.
    pub fn read(&self, login: &LoginId) -> Result<Option<Stored>> {
        self.read_in(&self.index()?, login)
    }

    fn read_in(&self, index: &Index, login: &LoginId) -> Result<Option<Stored>> {
        let Some(entry) = self.entry_in(index, login)? else { return Ok(None) };
        let secret = self.secret(index, login, &entry.backend)?;
        bound::decode(login, index.store.as_deref(), entry.clone(), &secret).map(Some)
    }

    /// A login's entry; `None` if there is no such login.
    fn entry_in<'a>(&self, index: &'a Index, login: &LoginId) -> Result<Option<&'a Entry>> {
        if !index.unreadable.contains_key(login.as_str()) {
            return Ok(index.logins.get(login));
        }
        let file = self.shared.paths.index_file();
        let message = format!("The entry of `{login}` in `{}` is not understood.", file.display());
        Err(Error::new(Code::StoreUnreadable, message)
            .with_hint(format!("Update Convocations, or log in again with `:ConvLogin {login}`.")))
    }

    fn secret(&self, index: &Index, login: &LoginId, backend: &Backend) -> Result<Secret> {
        match backend {
            Backend::LocalEncrypted { nonce, ciphertext } => {
                let key = MasterKey::read(&self.shared.paths.key_file())?;
                self.said(key).open(login, nonce, ciphertext)
            }
            Backend::Keyring { account }
                if !bound::is_own_account(account, login, index.store.as_deref()) =>
            {
                Err(bound::anothers(login))
            }
            Backend::Keyring { account } => {
                let found = self.shared.keyring.get(account, self.patience()).map_err(KeyringError::error)?;
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

    fn patience(&self) -> Patience {
        if self.interactive { Patience::Asking } else { Patience::Usual }
    }

    /// Takes a login's lock if nobody has it.
    ///
    /// # Errors
    /// `store_unwritable` if there can be no lock.
    pub fn try_lock_login(&self, login: &LoginId) -> Result<Option<LoginLock>> {
        let lock = lock::try_login(&self.login_lock_file(login))?;
        if lock.is_some() {
            self.finish_for_the_killed();
        }
        Ok(lock)
    }

    /// A login's lock for one who replaces or removes the login: `None` if somebody has it for too long. A
    /// refresh that hangs, or whose process was stopped, is no reason to wait for ever: when it goes on it
    /// finds the login changed, and gives way.
    ///
    /// # Errors
    /// `store_unwritable` if there can be no lock.
    pub fn lock_login(&self, login: &LoginId) -> Result<Option<LoginLock>> {
        let lock = match lock::login(&self.login_lock_file(login), lock::LOGIN_WAIT) {
            Err(error) if error.code() == Code::Busy => return Ok(None),
            lock => lock?,
        };
        self.finish_for_the_killed();
        Ok(Some(lock))
    }

    fn login_lock_file(&self, login: &LoginId) -> PathBuf {
        self.shared.paths.locks_dir().join(format!("{login}.lock"))
    }

    /// Takes the store's lock, waiting for at most `wait`.
    ///
    /// # Errors
    /// `busy` if somebody has it for longer, `store_unwritable` if there can be no lock.
    pub fn lock(&self, wait: Duration) -> Result<StoreLock> {
        let folder = self.shared.paths.config_dir();
        if private_file::ensure_folder(&folder)? {
            self.warn(format!(
                "`{}` could be listed by other users; its mode is 0700 now.",
                folder.display()
            ));
        }
        let lock = lock::store(&self.shared.paths.locks_dir().join(lock::STORE_FILE), wait)?;
        self.take_up_unfinished(&lock);
        private_file::clean(&folder);
        Ok(lock)
    }

    /// Finishes the write of a process that was killed in it, if there is one: whoever has a login's lock is
    /// about to read what that process had got.
    fn finish_for_the_killed(&self) {
        if !private_file::temporaries(&self.shared.paths.config_dir()).is_empty() {
            // That it cannot be done now is told by whatever is done next.
            drop(self.lock(lock::STORE_WAIT));
        }
    }

    /// Takes up an index that was written to its end and never got its name: its writer, who had this lock,
    /// is dead. What is not complete, or older than what is there, is of no use to anybody.
    fn take_up_unfinished(&self, _: &StoreLock) {
        let file = self.shared.paths.index_file();
        for path in private_file::temporaries(&self.shared.paths.config_dir()) {
            let Ok(Some(content)) = private_file::read(&path) else { continue };
            let Some(unfinished) = index::whole(&path, &content.bytes) else { continue };
            let is_newer = self.index().is_ok_and(|index| {
                let is_same = index.store.is_none() || index.store == unfinished.store;
                is_same && unfinished.last_revision > index.last_revision
            });
            let done =
                if is_newer { private_file::take_up(&path, &file) } else { private_file::discard(&path) };
            let revision = unfinished.last_revision;
            tracing::warn!(revision, is_newer, done, "an unfinished write was found");
        }
    }

    /// Whether a login could be stored now, as far as files can tell. What is about to be spent at a provider
    /// for good is spent only if this says yes.
    ///
    /// # Errors
    /// `store_unwritable`, `store_unreadable`, or `busy` if somebody writes for too long.
    pub fn check_writable(&self) -> Result<()> {
        let _lock = self.lock(self.store_wait())?;
        let length = std::fs::metadata(self.shared.paths.index_file()).map_or(0, |file| file.len());
        let length = usize::try_from(length).unwrap_or(0).min(MAX_TRIAL) + ROOM_FOR_GROWTH;
        private_file::check_writable(&self.shared.paths.config_dir(), length)
    }

    fn store_wait(&self) -> Duration {
        if self.interactive { lock::STORE_WAIT_OF_A_PERSON } else { lock::STORE_WAIT }
    }

    /// The OpenRouter key of the Convocations app, by its reference in config.toml.
    ///
    /// # Errors
    /// `keyring_locked` or `keyring_unavailable` if the key is in a keyring that gives no answer,
    /// `store_unreadable` if there is one that cannot be opened.
    pub fn app_key(&self, reference: Option<&Value>) -> Result<Option<Secret>> {
        app_key::find(&self.shared.paths, reference, &self.shared.keyring)
    }

    /// What the person should be told, once: modes that were mended, files set aside, backends that were
    /// changed.
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
