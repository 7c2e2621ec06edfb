//! The end of a login: its tokens go to the store, under the right name.
//!
//! Guarantees: an existing login is replaced only here, when the new one is complete, and revoked at the
//! provider only when the new one is stored; what cannot be stored is revoked too (rule 21); a cancel that
//! comes before the writing begins leaves everything as it was, one that comes later comes too late.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::account;
use super::attempt::Attempt;
use super::cancel::{CancelToken, cancelled};
use super::events::Replaced;
use super::replaced;
use crate::config::StoreBackend;
use crate::credential::{BackendKind, Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::provider::Source;
use crate::store::{Change, Entry, LoginLock, NewLogin, Store, Stored};
use crate::wording;

/// How long another writer is waited for before a login begins. One that takes longer says nothing of whether
/// there is room.
const CHECK_WAIT: Duration = Duration::from_millis(500);

/// A stored login, without its secrets.
#[derive(Debug, Clone)]
pub(super) struct Saved {
    pub login: LoginId,
    pub identity: Option<String>,
    pub kind: Kind,
    pub expires_at: Option<i64>,
    pub store: BackendKind,
    pub replaced: Option<Replaced>,
    pub notices: Vec<String>,
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

/// What was written, and what stood there before.
struct Written {
    login: LoginId,
    entry: Entry,
    old: Option<Stored>,
}

/// Why nothing was written, and whether the tokens are in the store all the same.
struct NotWritten {
    error: Error,
    is_kept: bool,
}

impl From<Error> for NotWritten {
    fn from(error: Error) -> Self {
        Self { error, is_kept: false }
    }
}

/// Whether a login could be stored, before anything is spent on it.
///
/// # Errors
/// The store's.
pub(super) async fn check_writable(attempt: &Attempt) -> Result<()> {
    let needs_keyring = attempt.services.config.store.backend == StoreBackend::Keyring;
    let check = move |store: &Store| {
        store.index_for_login()?;
        match store.lock(CHECK_WAIT) {
            Err(error) if error.code() == Code::Busy => {}
            Err(error) => return Err(error),
            Ok(lock) => {
                drop(lock);
                store.check_writable()?;
            }
        }
        match store.backend_report().problem.filter(|_| needs_keyring) {
            // A locked one may be unlocked when the time comes: the person is there.
            Some(problem) if problem.code() != Code::KeyringLocked => Err(problem),
            _ => Ok(()),
        }
    };
    attempt.services.store.run(check).await?
}

/// Stores the tokens.
///
/// # Errors
/// The store's, or `cancelled`; what was made for the login has been revoked then, where it can be.
pub(super) async fn save(attempt: &Attempt, tokens: Tokens, cancel: CancelToken) -> Result<Saved> {
    match write(attempt, &tokens, cancel).await {
        Ok(written) => Ok(saved(attempt, written, &tokens).await),
        Err(NotWritten { error, is_kept: true }) => Err(error),
        Err(NotWritten { error, .. }) => Err(given_up(attempt, error, &tokens).await),
    }
}

/// The error of a login whose tokens are not kept, once they have been revoked where they can be.
pub(super) async fn given_up(attempt: &Attempt, error: Error, tokens: &Tokens) -> Error {
    match replaced::not_kept(attempt, tokens).await {
        Some(sentence) => {
            let hint = error.hint().map(|hint| format!("{hint} {sentence}")).unwrap_or(sentence);
            error.with_hint(hint)
        }
        None => error,
    }
}

async fn saved(attempt: &Attempt, written: Written, tokens: &Tokens) -> Saved {
    let Written { login, entry, old } = written;
    let replaced = match &old {
        Some(old) => replaced::take_back(attempt, old, tokens).await,
        None => None,
    };
    let warnings = attempt.services.store.take_warnings();
    let notices = warnings.into_iter().chain(hidden_by(attempt, &login)).collect();
    Saved {
        login,
        identity: entry.identity,
        kind: entry.kind,
        expires_at: entry.expires_at,
        store: entry.backend.kind(),
        replaced,
        notices,
    }
}

/// The variable that is used in place of this login, as a sentence.
fn hidden_by(attempt: &Attempt, login: &LoginId) -> Option<String> {
    let before = attempt.provider.sources_of(login).take_while(|source| !matches!(source, Source::Login));
    let variable = before.into_iter().find_map(Source::variable_that_is_set)?;
    Some(wording::goes_before(variable))
}

async fn write(attempt: &Attempt, tokens: &Tokens, mut cancel: CancelToken) -> Result<Written, NotWritten> {
    let gate = Arc::new(Gate::default());
    let writing = Writing {
        // A keyring that asks the person something gets its time: they are there.
        store: attempt.services.store.interactive(),
        asked: attempt.login.clone(),
        new: NewLogin {
            method: attempt.method.id.clone(),
            kind: attempt.provider.kind_of(&tokens.access_token, attempt.method.kind()),
            tokens: tokens.clone(),
            notice: attempt.confirmed.then(|| attempt.provider.notice_name(&attempt.method)),
        },
        gate: Arc::clone(&gate),
    };
    let store = writing.store.clone();
    let mut work = std::pin::pin!(store.run(move |_| writing.run()));
    let result = tokio::select! {
        result = &mut work => result,
        () = cancel.given() => match gate.pass(CANCELLED) {
            true => return Err(cancelled().into()),
            false => work.await,
        },
    };
    // Where the work broke off nobody knows how far it came.
    result.unwrap_or_else(|error| Err(NotWritten { error, is_kept: true }))
}

impl Writing {
    /// The name to store under: by what is stored already.
    fn name(&self, logins: &BTreeMap<LoginId, Entry>) -> LoginId {
        account::pick(&self.asked, self.new.tokens.identity.as_deref(), logins)
    }

    /// Blocking: waits for locks, files and the keyring.
    fn run(self) -> Result<Written, NotWritten> {
        loop {
            let login = self.name(&self.store.index_for_login()?.logins);
            let _lock: Option<LoginLock> = self.store.lock_login(&login)?;
            let written = self.store_as(&login);
            let written =
                written.map_err(|error| NotWritten { is_kept: self.may_be_kept(&login, &error), error })?;
            if let Some((entry, old)) = written {
                return Ok(Written { login, entry, old });
            }
        }
    }

    /// Stores under this name, and returns what stood there; `None` if somebody else's login has got it while
    /// this one waited.
    fn store_as(&self, login: &LoginId) -> Result<Option<(Entry, Option<Stored>)>> {
        let (mut is_ours, mut old) = (true, None);
        let updated = self.store.update(login, |current| {
            is_ours = self.name(current.logins()) == *login;
            if !is_ours {
                return Ok(Change::Nothing);
            }
            if !self.gate.pass(WRITING) {
                return Err(cancelled());
            }
            // What cannot be read cannot be revoked; that is no reason to keep it.
            old = current.read().ok().flatten();
            Ok(Change::Login(Box::new(self.new.clone())))
        })?;
        Ok(updated.entry.filter(|_| is_ours).map(|entry| (entry, old)))
    }

    /// Whether the store has the tokens although writing them failed, for all that can be known.
    fn may_be_kept(&self, login: &LoginId, why: &Error) -> bool {
        match self.store.read(login) {
            // What could not be read was not written over (rule 9).
            Err(_) if why.code() == Code::StoreUnreadable => false,
            Ok(found) => {
                found.is_some_and(|stored| stored.tokens.access_token == self.new.tokens.access_token)
            }
            Err(_) => true,
        }
    }
}
