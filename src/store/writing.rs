//! A change of a login on its way to the disk: the newest index, under the lock.

use super::Store;
use super::entry::Entry;
use super::index::Index;
use super::lock::StoreLock;
use crate::error::Result;
use crate::login_id::LoginId;

/// A change on its way.
pub(super) struct Writing<'a> {
    pub(super) store: &'a Store,
    pub(super) lock: StoreLock,
    pub(super) login: &'a LoginId,
    pub(super) index: Index,
}

impl Writing<'_> {
    /// The login's entry before the change.
    pub(super) fn old(&self) -> Option<Entry> {
        self.index.logins.get(self.login).cloned()
    }

    /// Makes the index durable.
    ///
    /// # Errors
    /// `store_unwritable`.
    pub(super) fn write(&self) -> Result<()> {
        let shared = &self.store.shared;
        shared.parsed.write(&self.index, || self.index.write(&self.lock, &shared.paths.index_file()))
    }
}
