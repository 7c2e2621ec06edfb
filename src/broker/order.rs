//! Which of two looks at the store began later: what an older one found says nothing against a newer one,
//! however late it ends.

use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers looks and pictures as they begin.
#[derive(Debug, Default)]
pub struct Order {
    looks: AtomicU64,
    pictures: AtomicU64,
}

impl Order {
    /// The number of a look at one login's sources that begins now; also of what makes older ones void.
    pub fn next_look(&self) -> u64 {
        self.looks.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The number of a picture of all logins that begins now.
    pub fn next_picture(&self) -> u64 {
        self.pictures.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Whether a newer picture than this one has begun.
    pub fn is_overtaken(&self, picture: u64) -> bool {
        self.pictures.load(Ordering::SeqCst) > picture
    }
}
