//! The end of a login: its tokens go to the store, under the right name.
//!
//! Guarantees: an existing login is replaced only here, when the new one is complete; a cancel that comes
//! before the writing begins leaves everything as it was, one that comes later comes too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::account;
use super::flow::Flow;
use super::wait::{Cancel, cancelled};
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::store::{LoginLock, NewEntry, Store, StoreLock};

/// How long a refresh of the same login is waited for.
const TURN_WAIT: Duration = Duration::from_secs(10);
/// How long another writer is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A stored login, without its secrets.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub login: LoginId,
    pub identity: Option<String>,
    pub kind: Kind,
    pub expires_at: Option<i64>,
    pub store: String,
}

/// Who decides first whether there is a writing: the writer or the person.
#[derive(Debug, Default)]
struct Gate(AtomicU8);

const WRITING: u8 = 1;
const CANCELLED: u8 = 2;

impl Gate {
    fn pass(&self, as_whom: u8) -> bool {
        self.0.compare_exchange(0, as_whom, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

struct Writing {
    store: Store,
    asked: LoginId,
    entry: NewEntry,
    tokens: Tokens,
    notice: Option<String>,
    gate: Arc<Gate>,
}

/// Stores the tokens.
pub(super) async fn save(flow: &Flow, tokens: Tokens, mut cancel: Cancel) -> Result<Saved> {
    let gate = Arc::new(Gate::default());
    let writing = Writing {
        // A keyring that asks the person something gets its time: they are there.
        store: flow.context.store.interactive(),
        asked: flow.login.clone(),
        entry: NewEntry {
            method: flow.method.id.clone(),
            kind: flow.provider.kind_of(&tokens.access_token, flow.method.kind()),
        },
        tokens,
        notice: flow.confirmed.then(|| flow.provider.notice_name(&flow.method)),
        gate: Arc::clone(&gate),
    };
    let mut work = tokio::task::spawn_blocking(move || writing.run());
    let result = tokio::select! {
        result = &mut work => result,
        () = cancel.given() => match gate.pass(CANCELLED) {
            true => return Err(cancelled()),
            false => work.await,
        },
    };
    result
        .unwrap_or_else(|_| Err(Error::new(Code::StoreUnwritable, "Storing the login failed unexpectedly.")))
}

impl Writing {
    /// The name to store under, with its locks.
    fn place(&self) -> Result<(LoginId, Option<LoginLock>, StoreLock)> {
        loop {
            let login = self.name()?;
            // In this order, as everywhere: the login's lock, then the store's.
            let turn = self.store.turn(&login, TURN_WAIT)?;
            let store = self.store.lock(LOCK_WAIT)?;
            // Somebody else's login may have got the name while this one waited.
            if self.name()? == login {
                return Ok((login, turn, store));
            }
        }
    }

    fn name(&self) -> Result<LoginId> {
        let index = self.store.index_for_login()?;
        Ok(account::pick(&self.asked, self.tokens.identity.as_deref(), &index.logins))
    }

    /// Blocking: waits for locks, files and the keyring.
    fn run(self) -> Result<Saved> {
        let (login, _turn, store) = self.place()?;
        if !self.gate.pass(WRITING) {
            return Err(cancelled());
        }
        let kind = self.entry.kind;
        let entry = self.store.put(&store, &login, self.entry, &self.tokens)?;
        if let Some(notice) = self.notice {
            // The login is stored; a notice that could not be noted is shown once more.
            let _ = self.store.confirm_notice(&store, &notice);
        }
        Ok(Saved {
            login,
            identity: self.tokens.identity,
            kind,
            expires_at: self.tokens.expires_at,
            store: entry.backend.name().to_owned(),
        })
    }
}
