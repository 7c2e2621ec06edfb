//! Figures of usage beside the log: small private files, one for each login, that all processes share.

use std::path::PathBuf;

use super::Store;
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

    fn figures_file(&self, login: &LoginId) -> PathBuf {
        self.shared.paths.usage_dir().join(format!("{login}.json"))
    }
}
