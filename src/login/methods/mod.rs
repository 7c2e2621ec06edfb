//! The ways to a credential. Each gets an [`Attempt`](super::attempt::Attempt) and a
//! [`Conversation`](super::conversation::Conversation), and returns tokens; none knows of the store.

pub(super) mod browser;
pub(super) mod device;
pub(super) mod key;
pub(super) mod machine;

pub use key::{check as check_key, check_client_secret};
