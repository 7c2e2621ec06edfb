//! Figures of usage beside the log: small private files, one for each login, that all processes share.

use std::path::PathBuf;

use super::Store;
use super::lock::{self, FiguresLock};
use crate::error::Result;
use crate::login_id::LoginId;
use crate::private_file;

/// Longest file that is read, in bytes: a full one has two kilobytes.
const MAX: usize = 64 << 10;

impl Store {
    /// What was kept for a login; `None` if there is nothing that can be read.
    pub fn figures(&self, login: &LoginId) -> Option<Vec<u8>> {
        let content = private_file::read(&self.figures_file(login)).ok()??;
        (content.bytes.len() <= MAX).then(|| content.bytes.to_vec())
    }

    /// Keeps them.
    ///
    /// # Errors
    /// `store_unwritable`.
    pub fn keep_figures(&self, login: &LoginId, bytes: &[u8]) -> Result<()> {
        private_file::write(&self.figures_file(login), bytes)
    }

    /// Takes the lock of a login's figures if nobody has it.
    ///
    /// # Errors
    /// `store_unwritable` if there can be no lock.
    pub fn try_lock_figures(&self, login: &LoginId) -> Result<Option<FiguresLock>> {
        lock::try_figures(&self.shared.paths.usage_dir().join(format!("{login}.lock")))
    }

    fn figures_file(&self, login: &LoginId) -> PathBuf {
        self.shared.paths.usage_dir().join(format!("{login}.json"))
    }
}
