//! Locks between processes: files, locked by the operating system, which gives them back when their holder dies.
//!
//! Guarantees: a [`StoreLock`] in hand is the only way to write (rule 8); a waiter notices within 30 ms that a holder
//! is gone, however it went.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::{Duration, Instant};

use super::private_file;
use crate::error::{Code, Error, Result};

/// Held for the short time of one read–modify–write of the index.
///
/// It cannot be made outside of this module, and [`super::Store::put`] wants one:
/// ```compile_fail
/// let lock = convocations::store::StoreLock { file: std::fs::File::open("/dev/null").unwrap() };
/// ```
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

/// Held while one login is refreshed, replaced or removed, network call included.
#[derive(Debug)]
pub struct LoginLock {
    _file: File,
}

/// Takes the store's lock.
pub(super) fn store(path: &Path, wait: Duration) -> Result<StoreLock> {
    acquire(path, wait).map(|file| StoreLock { _file: file })
}

/// Takes a login's lock.
pub(super) fn login(path: &Path, wait: Duration) -> Result<LoginLock> {
    acquire(path, wait).map(|file| LoginLock { _file: file })
}

/// Takes a login's lock if nobody has it.
pub(super) fn try_login(path: &Path) -> Result<Option<LoginLock>> {
    let file = private_file::open_lock(path)?;
    Ok(try_lock(&file, path)?.then_some(LoginLock { _file: file }))
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

/// Between tries: 10 to 30 ms at random, so that many waiters do not knock in step.
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
