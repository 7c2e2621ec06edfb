//! The end of a login: its tokens go to the store, under the right name.
//!
//! Guarantees: an existing login is replaced only here, when the new one is complete; a cancel that comes
//! before the writing begins leaves everything as it was, one that comes later comes too late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::account;
use super::flow::Flow;
use super::wait::{Cancel, cancelled};
use crate::credential::{Kind, Tokens};
use crate::error::Result;
use crate::login_id::LoginId;
use crate::store::{Change, Entry, LoginLock, NewLogin, Store};

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
    new: NewLogin,
    gate: Arc<Gate>,
}

/// Stores the tokens.
pub(super) async fn save(flow: &Flow, tokens: Tokens, mut cancel: Cancel) -> Result<Saved> {
    let gate = Arc::new(Gate::default());
    let writing = Writing {
        // A keyring that asks the person something gets its time: they are there.
        store: flow.context.store.interactive(),
        asked: flow.login.clone(),
        new: NewLogin {
            method: flow.method.id.clone(),
            kind: flow.provider.kind_of(&tokens.access_token, flow.method.kind()),
            tokens,
            notice: flow.confirmed.then(|| flow.provider.notice_name(&flow.method)),
        },
        gate: Arc::clone(&gate),
    };
    let store = writing.store.clone();
    let mut work = std::pin::pin!(store.run(move |_| writing.run()));
    tokio::select! {
        result = &mut work => result?,
        () = cancel.given() => match gate.pass(CANCELLED) {
            true => Err(cancelled()),
            false => work.await?,
        },
    }
}

impl Writing {
    /// The name to store under: by what is stored already.
    fn name(&self, logins: &BTreeMap<LoginId, Entry>) -> LoginId {
        account::pick(&self.asked, self.new.tokens.identity.as_deref(), logins)
    }

    /// Blocking: waits for locks, files and the keyring.
    fn run(self) -> Result<Saved> {
        loop {
            let login = self.name(&self.store.index_for_login()?.logins);
            let _lock: Option<LoginLock> = self.store.lock_login(&login)?;
            if let Some(entry) = self.store_as(&login)? {
                return Ok(Saved {
                    login,
                    identity: entry.identity,
                    kind: entry.kind,
                    expires_at: entry.expires_at,
                    store: entry.backend.name().to_owned(),
                });
            }
        }
    }

    /// Stores under this name; `None` if somebody else's login has got it while this one waited.
    fn store_as(&self, login: &LoginId) -> Result<Option<Entry>> {
        let mut is_ours = true;
        let updated = self.store.update(login, |current| {
            is_ours = self.name(current.logins()) == *login;
            if !is_ours {
                return Ok(Change::Nothing);
            }
            match self.gate.pass(WRITING) {
                true => Ok(Change::Login(Box::new(self.new.clone()))),
                false => Err(cancelled()),
            }
        })?;
        Ok(updated.entry.filter(|_| is_ours))
    }
}
