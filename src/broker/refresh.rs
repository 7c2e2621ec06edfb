//! One refresh of one login, across processes (rules 2 to 5).
//!
//! The order is what keeps logins: take the login's lock, read the store again, use what somebody else has written
//! meanwhile, else ask the provider, write durably, and only then hand out.
//!
//! A request whose answer was lost may have been carried out: the refresh token may be spent. While the old access
//! token lives it is used on, since sending a spent token again makes some servers revoke everything; once it has
//! ended there is nothing to lose, and the refresh token is sent once more.

use std::time::{Duration, Instant};

use super::event::Event;
use super::flight::{Goal, broke_off};
use super::source::{credential, expired, is_refused, spent};
use super::{Broker, status};
use crate::credential::{Credential, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::{self, Failure};
use crate::provider::{Method, Provider};
use crate::store::{self, LoginLock, NewEntry, Stamp, Stored};

/// Added to the time limit of two requests for the wait behind another process, which may try twice.
const LOCK_SLACK: Duration = Duration::from_secs(15);
/// Longest wait for the store's own lock, which is held for milliseconds.
const STORE_WAIT: Duration = Duration::from_secs(10);
/// Tries of a store write that fails, since what it holds may be the only copy of a rotated token.
const WRITE_TRIES: u32 = 3;
/// Pause before the one retry inside a call; up to as much again is added at random.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait that a provider may ask for and still be waited for inside the call.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the wait for a login's lock ended.
enum Turn {
    Met(Box<Credential>),
    Locked(LoginLock),
}

/// What to do after a failure that is not the caller's error.
enum Next {
    HandOut(Box<Credential>),
    TryWith(Box<Stored>),
}

impl Broker {
    /// The whole refresh; runs in a task of its own.
    pub(super) async fn refresh(&self, login: &LoginId, goal: &Goal) -> Result<Credential> {
        let provider = self.0.config.provider(login.provider())?;
        let lock = match self.wait_for_turn(login, goal, &provider).await? {
            Turn::Met(credential) => return Ok(*credential),
            Turn::Locked(lock) => lock,
        };
        let result = self.refresh_locked(login, goal, &provider).await;
        drop(lock);
        result
    }

    /// Waits for the login's lock, and meanwhile for somebody else's refresh to do.
    async fn wait_for_turn(&self, login: &LoginId, goal: &Goal, provider: &Provider) -> Result<Turn> {
        let end = Instant::now() + Duration::from_secs(self.0.config.http.timeout) * 2 + LOCK_SLACK;
        let mut seen: Option<Stamp> = None;
        loop {
            let name = login.clone();
            if let Some(lock) = self.blocking(move |inner| inner.store.try_lock_login(&name)).await?? {
                return Ok(Turn::Locked(lock));
            }
            // The stamp is one `stat`; the secret, which may be in a keyring, is read only after a change.
            let stamp = self.0.store.stamp();
            if seen.replace(stamp) != Some(stamp) {
                let stored = self.read(login, provider).await?;
                if goal.is_met(&stored.tokens, self.0.clock.now()) {
                    return Ok(Turn::Met(Box::new(credential(provider, login, &stored))));
                }
            }
            if Instant::now() >= end {
                return Err(Error::new(
                    Code::Busy,
                    "Another process has been refreshing this login for too long.",
                )
                .with_hint("Try again; `convocations doctor` tells who holds the lock."));
            }
            tokio::time::sleep(store::pause()).await;
        }
    }

    async fn read(&self, login: &LoginId, provider: &Provider) -> Result<Stored> {
        let name = login.clone();
        let stored = self.blocking(move |inner| inner.store.read(&name)).await??;
        stored.ok_or_else(|| logged_out(provider, login))
    }

    /// Everything that happens with the login's lock held.
    async fn refresh_locked(&self, login: &LoginId, goal: &Goal, provider: &Provider) -> Result<Credential> {
        let mut stored = self.read(login, provider).await?;
        // Twice: a refusal may be about a token that somebody without our locks has replaced meanwhile.
        for _ in 0..2 {
            if goal.is_met(&stored.tokens, self.0.clock.now()) {
                return Ok(credential(provider, login, &stored));
            }
            if is_refused(&stored) {
                return Err(expired(provider, login));
            }
            let method = method(provider, &stored)?;
            match self.ask(login, goal, provider, &method, &stored.tokens).await {
                Ok(tokens) => return self.keep(login, provider, &method, &stored, tokens).await,
                Err(failure) => match self.after_failure(login, goal, provider, &stored, failure).await? {
                    Next::HandOut(credential) => return Ok(*credential),
                    Next::TryWith(newer) => stored = *newer,
                },
            }
        }
        Err(expired(provider, login))
    }

    /// Asks the provider; one passing failure is hidden by a second try (rule 4).
    async fn ask(
        &self,
        login: &LoginId,
        goal: &Goal,
        provider: &Provider,
        method: &Method,
        old: &Tokens,
    ) -> Result<Tokens, Failure> {
        if let Some(error) = self.0.flights.resting_error(login) {
            let retry_after = error.retry_after();
            return Err(Failure::Transient { error, retry_after, sent: false });
        }
        let mut result = oauth::refresh(&self.0.http, provider, method, old, self.0.clock.now()).await;
        if let Err(Failure::Transient { retry_after, sent, .. }) = &result {
            let may_be_spent = *sent && goal.may_use_old(old, self.0.clock.now());
            let wait = retry_after.unwrap_or(RETRY_PAUSE);
            if !may_be_spent && wait <= PATIENCE {
                let jitter = RETRY_PAUSE.mul_f64(f64::from(rand::random::<u8>()) / 255.0);
                tokio::time::sleep(wait + jitter).await;
                result = oauth::refresh(&self.0.http, provider, method, old, self.0.clock.now()).await;
            }
        }
        self.0.flights.note(login, &result);
        result
    }

    /// Stores what a refresh brought, then hands it out (rule 3). A login that is gone by now stays gone.
    async fn keep(
        &self,
        login: &LoginId,
        provider: &Provider,
        method: &Method,
        old: &Stored,
        tokens: Tokens,
    ) -> Result<Credential> {
        for attempt in 1..=WRITE_TRIES {
            match self.write(login, old, &tokens).await {
                Ok(Some(stored)) => return Ok(credential(provider, login, &stored)),
                Ok(None) => {
                    // Logged out meanwhile: nobody may be left with what the provider just gave out.
                    let _ = oauth::revoke(&self.0.http, provider, method, &tokens).await;
                    return Err(logged_out(provider, login));
                }
                Err(error) if attempt == WRITE_TRIES => return Err(error),
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
        Err(broke_off())
    }

    /// Writes under the store's lock, unless the login is gone (`None`) or has been replaced (then that one is it).
    async fn write(&self, login: &LoginId, old: &Stored, tokens: &Tokens) -> Result<Option<Stored>> {
        let (name, old, tokens) = (login.clone(), old.clone(), tokens.clone());
        self.blocking(move |inner| {
            let lock = inner.store.lock(STORE_WAIT)?;
            let current = inner.store.index()?.logins.remove(&name);
            match current {
                None => return Ok(None),
                Some(entry) if entry.revision != old.entry.revision => {
                    let stored = inner.store.read(&name)?;
                    if stored.as_ref().is_none_or(|stored| spent(&stored.tokens) != spent(&old.tokens)) {
                        return Ok(stored);
                    }
                }
                Some(_) => {}
            }
            let new = NewEntry { method: old.entry.method.clone(), kind: old.entry.kind };
            let entry = inner.store.put(&lock, &name, new, &tokens)?;
            Ok(Some(Stored { entry, tokens }))
        })
        .await?
    }

    async fn after_failure(
        &self,
        login: &LoginId,
        goal: &Goal,
        provider: &Provider,
        stored: &Stored,
        failure: Failure,
    ) -> Result<Next> {
        let usable = goal.may_use_old(&stored.tokens, self.0.clock.now());
        let old = || Next::HandOut(Box::new(credential(provider, login, stored)));
        match failure {
            Failure::Refused(_) => {
                let newest = self.read(login, provider).await?;
                if spent(&newest.tokens) != spent(&stored.tokens) {
                    return Ok(Next::TryWith(Box::new(newest)));
                }
                self.remember_refusal(login, &newest).await?;
                if usable { Ok(old()) } else { Err(expired(provider, login)) }
            }
            Failure::Transient { .. } | Failure::Configuration(_) if usable => Ok(old()),
            Failure::Transient { error, retry_after, sent: true } => {
                let message =
                    format!("{} The refresh may have been carried out all the same.", error.message());
                let hint = "Try again; if it stays refused, log in again.";
                Err(Error::new(error.code(), message).with_hint(hint).with_retry_after(retry_after))
            }
            other => Err(other.into_error()),
        }
    }

    async fn remember_refusal(&self, login: &LoginId, stored: &Stored) -> Result<()> {
        let (name, fingerprint) = (login.clone(), spent(&stored.tokens).fingerprint());
        self.blocking(move |inner| {
            let lock = inner.store.lock(STORE_WAIT)?;
            let reason = "The provider no longer accepts the stored refresh token.";
            inner.store.mark_needs_login(&lock, &name, &fingerprint, reason)
        })
        .await??;
        Ok(())
    }

    /// This process has stored a login: nothing of the one before counts any more.
    pub async fn login_changed(&self, login: &LoginId) {
        self.memory().forget(login);
        self.wake(login);
        self.tell_changed().await;
    }

    /// Tells the state of all logins to whoever listens.
    pub async fn tell_all(&self) {
        self.tell_changed().await;
    }

    pub(super) async fn tell_changed(&self) {
        if self.0.events.receiver_count() == 0 {
            return;
        }
        if let Ok(Ok(all)) = self.blocking(status::all).await {
            self.tell(Event::Changed(all));
        }
    }
}

/// The method that the login was made by; what discovery found then is with its tokens.
fn method(provider: &Provider, stored: &Stored) -> Result<Method> {
    let name = &stored.entry.method;
    let method = provider.method(name).ok_or_else(|| {
        let message =
            format!("{} has no method `{name}` any more, by which this login was made.", provider.name);
        Error::new(Code::ConfigInvalid, message).with_hint(format!(
            "Put it back into config.toml, or log in again with `:ConvLogin {}`.",
            provider.id
        ))
    })?;
    Ok(method.clone())
}

fn logged_out(provider: &Provider, login: &LoginId) -> Error {
    Error::new(Code::NotLoggedIn, format!("The {} login is gone: somebody logged out.", provider.name))
        .with_hint(format!("Log in with `:ConvLogin {login}` or `convocations login {login}`."))
}
