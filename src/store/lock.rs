//! Locks between processes: files, locked by the operating system, which gives them back when their holder
//! dies.
//!
//! Guarantees: a [`StoreLock`] in hand is the only way to write (rule 8); a waiter notices within 30 ms that
//! a holder is gone, however it went.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Code, Error, Result};
use crate::private_file;

/// The store's lock file, by a name that no login can have.
pub const STORE_FILE: &str = "_store.lock";
/// Longest note that is read, in bytes. Ours are under 1 KiB.
const MAX_NOTE: u64 = 16 << 10;
/// Longest wait for the store's lock, which is held for milliseconds, or as long as a keyring takes for one
/// write.
pub(super) const STORE_WAIT: Duration = Duration::from_secs(10);
/// The same for somebody whose login would be lost: another person's keyring may be asking for its password.
pub(super) const STORE_WAIT_OF_A_PERSON: Duration = Duration::from_secs(30);
/// Longest wait for a refresh of a login that is to be replaced or removed.
pub(super) const LOGIN_WAIT: Duration = Duration::from_secs(10);

/// Held for the short time of one read–modify–write of the index.
///
/// It cannot be made outside of this module, and writing an index wants one:
/// ```compile_fail
/// let lock = convocations::store::StoreLock { _file: std::fs::File::open("/dev/null").unwrap() };
/// ```
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

/// Held while one login is refreshed, replaced or removed, network call included.
#[derive(Debug)]
pub struct LoginLock {
    file: File,
}

impl LoginLock {
    /// What the last holder left for the next one: empty if nothing, or if it cannot be read.
    pub fn note(&mut self) -> Vec<u8> {
        let mut note = Vec::new();
        let read = self.file.rewind().and_then(|()| (&mut self.file).take(MAX_NOTE).read_to_end(&mut note));
        read.map(|_| note).unwrap_or_default()
    }

    /// Leaves a note for the next holder, over the one before. It is a courtesy: that it cannot be written,
    /// or is lost or cut by a crash, is no fault.
    pub fn leave_note(&mut self, note: &[u8]) {
        let written = self.file.rewind().and_then(|()| self.file.write_all(note));
        let _ = written.and_then(|()| self.file.set_len(note.len() as u64));
    }
}

/// Held while a provider is asked how much of a login is used. Nobody who renews or changes a login waits for
/// it.
#[derive(Debug)]
pub struct FiguresLock {
    _file: File,
}

/// Takes the lock of a login's figures if nobody has it.
pub(super) fn try_figures(path: &Path) -> Result<Option<FiguresLock>> {
    let file = private_file::open_lock(path)?;
    Ok(try_lock(&file, path)?.then_some(FiguresLock { _file: file }))
}

/// Takes the store's lock.
pub(super) fn store(path: &Path, wait: Duration) -> Result<StoreLock> {
    acquire(path, wait).map(|file| StoreLock { _file: file })
}

/// Takes a login's lock.
pub(super) fn login(path: &Path, wait: Duration) -> Result<LoginLock> {
    acquire(path, wait).map(|file| LoginLock { file })
}

/// Takes a login's lock if nobody has it.
pub(super) fn try_login(path: &Path) -> Result<Option<LoginLock>> {
    let file = private_file::open_lock(path)?;
    Ok(try_lock(&file, path)?.then_some(LoginLock { file }))
}

fn acquire(path: &Path, wait: Duration) -> Result<File> {
    let file = private_file::open_lock(path)?;
    let end = Instant::now() + wait;
    while !try_lock(&file, path)? {
        if Instant::now() >= end {
            return Err(Error::new(Code::Busy, "Another process is busy with the stored logins.")
                .with_hint("Try again; `convocations doctor` tells who holds the lock."));
        }
        std::thread::sleep(pause());
    }
    Ok(file)
}

/// Between tries: 10 to 30 ms at random, so that many waiters do not try in step.
pub fn pause() -> Duration {
    Duration::from_millis(10 + u64::from(rand::random::<u8>() % 20))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        // ENOLCK and its like: without a lock two processes would spend one refresh token (rule 2).
        Err(TryLockError::Error(_)) => Err(Error::new(
            Code::StoreUnwritable,
            format!("`{}` cannot be locked on this file system.", path.display()),
        )
        .with_hint("Point `CONVOCATIONS_DIR` at a folder on a local disk.")),
    }
}
