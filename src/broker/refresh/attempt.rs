//! One attempt to refresh one login, across processes (rules 2 to 5).
//!
//! The order is what keeps logins: take the login's lock, read the store again, use what somebody else has
//! written meanwhile, else see that the store can be written, ask the provider, write durably, and only then
//! hand out.
//!
//! A request whose answer was lost may have been carried out: the refresh token may be spent. While the old
//! access token lives it is used on, by all processes, since sending a spent token again makes some servers
//! revoke everything; once it has ended there is nothing to lose, and the refresh token is sent once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::broke_off;
use super::goal::Goal;
use super::last_failure::{self, FailureRecord, is_spent_by_use};
use super::persist::RETRY_PAUSE;
use crate::broker::Broker;
use crate::broker::sources::{credential, expired, is_refused, spent};
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::Failure;
use crate::paths::SETTINGS_FILE;
use crate::protocol::Credential;
use crate::provider::{Method, Provider};
use crate::store::{self, Change, LoginLock, Refusal, Stamp, Stored};

/// Added to the time limit of two requests for the wait behind another process, which may try twice.
const LOCK_SLACK: Duration = Duration::from_secs(15);
/// Longest wait that a provider may ask for and still be waited for inside the call.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the wait for a login's lock ended.
enum Wait {
    Met(Box<Credential>),
    Locked(LoginLock),
}

/// What to do after a failure that is not the caller's error.
enum Next {
    HandOut(Box<Credential>),
    TryWith(Box<Stored>),
}

/// One refresh under way.
struct Refresh<'a> {
    broker: &'a Broker,
    login: &'a LoginId,
    goal: &'a Goal,
    provider: &'a Arc<Provider>,
    /// When it was wanted, Unix milliseconds.
    since: u64,
    /// Whether a request that may have spent the refresh token was not answered in this very call.
    unanswered: AtomicBool,
}

impl Broker {
    /// The whole refresh; runs in a task of its own.
    pub(super) async fn attempt(&self, login: &LoginId, goal: &Goal) -> Result<Credential> {
        let provider = self.provider_of(login).await?;
        let refresh = Refresh {
            broker: self,
            login,
            goal,
            provider: &provider,
            since: last_failure::now(),
            unanswered: AtomicBool::new(false),
        };
        match refresh.wait_for_lock().await? {
            Wait::Met(credential) => Ok(*credential),
            Wait::Locked(mut lock) => refresh.locked(&mut lock).await,
        }
    }
}

impl Refresh<'_> {
    /// Waits for the login's lock, and meanwhile for somebody else's refresh to do.
    async fn wait_for_lock(&self) -> Result<Wait> {
        let inner = &self.broker.0;
        let end = Instant::now() + Duration::from_secs(inner.config.http.timeout) * 2 + LOCK_SLACK;
        let mut seen: Option<Stamp> = None;
        loop {
            let name = self.login.clone();
            match self.broker.blocking(move |inner| inner.store.try_lock_login(&name)).await? {
                Ok(Some(lock)) => {
                    tracing::debug!(login = %self.login, "locked");
                    return Ok(Wait::Locked(lock));
                }
                Ok(None) if seen.is_none() => tracing::debug!(login = %self.login, "waits for the lock"),
                Ok(None) => {}
                Err(error) => return self.without_lock(error).await,
            }
            // The stamp is one `stat`; the secret, which may be in a keyring, is read only after a change.
            let stamp = inner.store.stamp();
            if seen.replace(stamp) != Some(stamp) {
                let stored = self.read().await?;
                if self.goal.is_met(&stored.tokens, inner.clock.now()) {
                    let revision = stored.entry.revision;
                    tracing::debug!(login = %self.login, revision, "another process has refreshed");
                    return Ok(Wait::Met(Box::new(self.credential(&stored))));
                }
            }
            if Instant::now() >= end {
                let busy =
                    Error::new(Code::Busy, "Another process has been refreshing this login for too long.");
                let hint = "Try again; `convocations doctor` tells who holds the lock.";
                return self.without_lock(busy.with_hint(hint)).await;
            }
            tokio::time::sleep(store::pause()).await;
        }
    }

    /// No index at all is no logout: its drive may not be mounted just now.
    fn has_index(&self) -> bool {
        self.broker.0.store.stamp() != Stamp::default()
    }

    /// Without the lock nothing is refreshed; the old token is as good as it was.
    async fn without_lock(&self, error: Error) -> Result<Wait> {
        let stored = self.read().await?;
        self.old_or(&stored, error).map(Box::new).map(Wait::Met)
    }

    async fn read(&self) -> Result<Stored> {
        let name = self.login.clone();
        let stored = self.broker.blocking(move |inner| inner.store.read(&name)).await??;
        stored.ok_or_else(|| self.logged_out())
    }

    /// Everything that happens with the login's lock held.
    async fn locked(&self, lock: &mut LoginLock) -> Result<Credential> {
        let mut stored = self.read().await?;
        // Twice: a refusal may be about a token that somebody without our locks has replaced meanwhile, and a
        // new token may be over when it arrives.
        for last in [false, true] {
            match self.broker.write_pending(self.login).await {
                Ok(Some(saved)) => stored = saved,
                Ok(None) => {}
                Err(error) => return self.old_or(&stored, error),
            }
            if self.goal.is_met(&stored.tokens, self.broker.0.clock.now()) {
                return Ok(self.credential(&self.broker.catch_up(self.login, stored).await));
            }
            if is_refused(&stored) {
                return self.refused(&stored, None).await;
            }
            if let Err(error) = self.broker.blocking(|inner| inner.store.check_writable()).await? {
                return self.old_or(&stored, error);
            }
            let (record, asked_at) = (FailureRecord::read(lock), self.broker.0.clock.now());
            match self.ask(lock, record.as_ref(), &stored).await {
                Ok(tokens) => {
                    let kept = self.keep(lock, &stored, &tokens).await?;
                    if last || !self.is_overtaken(&kept, asked_at) {
                        return Ok(kept);
                    }
                    stored = self.read().await?;
                }
                Err(failure) => match self.after_failure(record.as_ref(), &stored, failure).await? {
                    Next::HandOut(credential) => return Ok(*credential),
                    Next::TryWith(newer) => stored = *newer,
                },
            }
        }
        self.old_or(&stored, broke_off())
    }

    /// Whether a token has ended on its way here: the machine slept, or its clock was set, after it was asked
    /// for.
    fn is_overtaken(&self, new: &Credential, asked_at: i64) -> bool {
        new.is_fresh(asked_at, 0) && !new.is_fresh(self.broker.0.clock.now(), 0)
    }

    /// Asks the provider, unless it is known how that ends.
    async fn ask(
        &self,
        lock: &mut LoginLock,
        record: Option<&FailureRecord>,
        stored: &Stored,
    ) -> Result<Tokens, Failure> {
        let (backoff, old) = (&self.broker.0.shared.backoff, &stored.tokens);
        if let Some(error) = backoff.current_error(self.login, self.broker.0.clock.now()) {
            let retry_after = error.retry_after();
            return Err(Failure::Transient { error, retry_after, sent: false });
        }
        let lost = || record.filter(|record| record.is_lost(old) && self.is_usable(stored));
        let known = record.and_then(|record| record.shared(self.since));
        let result = match known.or_else(|| lost().map(|record| record.failure(None))) {
            Some(failure) => Err(failure),
            None => {
                tracing::debug!(login = %self.login, fingerprint = spent(old).fingerprint(), "refreshes");
                let result = self.try_twice(stored).await;
                match &result {
                    Ok(new) => {
                        let fingerprint = spent(new).fingerprint();
                        tracing::debug!(login = %self.login, fingerprint, "refreshed");
                    }
                    Err(failure) => {
                        let error = failure.error();
                        tracing::warn!(login = %self.login, error = %error.code(), "not refreshed: {error}");
                    }
                }
                FailureRecord::record(lock, record, &result, old);
                result
            }
        };
        backoff.note(self.login, &result, old.expires_at.filter(|_| self.is_usable(stored)));
        result
    }

    /// One passing failure is hidden by a second try (rule 4).
    async fn try_twice(&self, stored: &Stored) -> Result<Tokens, Failure> {
        let old = &stored.tokens;
        let method = self.method(stored).map_err(Failure::Configuration)?;
        let client = self.broker.client(self.login, self.provider, method, old).await?;
        let first = client.refresh(old).await;
        let Err(Failure::Transient { retry_after, sent, .. }) = &first else { return first };
        let may_be_spent = *sent && is_spent_by_use(old);
        self.unanswered.fetch_or(may_be_spent, Ordering::Relaxed);
        let wait = retry_after.unwrap_or(RETRY_PAUSE);
        if wait > PATIENCE || (may_be_spent && self.is_usable(stored)) {
            return first;
        }
        let jitter = RETRY_PAUSE.mul_f64(f64::from(rand::random::<u8>()) / 255.0);
        tokio::time::sleep(wait + jitter).await;
        match client.refresh(old).await {
            // The first one's request may have arrived all the same.
            Err(Failure::Transient { error, retry_after, sent }) => {
                Err(Failure::Transient { error, retry_after, sent: sent || may_be_spent })
            }
            second => second,
        }
    }

    /// The method that the login was made by; what discovery found then is with its tokens.
    fn method(&self, stored: &Stored) -> Result<&Method> {
        let (name, provider) = (&stored.entry.method, self.provider);
        provider.method(name).ok_or_else(|| {
            let message =
                format!("{} has no method `{name}` any more, by which this login was made.", provider.name);
            Error::new(Code::ConfigInvalid, message).with_hint(format!(
                "Put it back into {SETTINGS_FILE}, or log in again with `:ConvLogin {}`.",
                self.login
            ))
        })
    }

    /// Stores what a refresh brought, then hands it out (rule 3). A login that is gone by now stays gone.
    async fn keep(&self, lock: &mut LoginLock, old: &Stored, tokens: &Tokens) -> Result<Credential> {
        match self.broker.persist(self.login, old, tokens).await {
            Ok(Some(stored)) => Ok(self.credential(&stored)),
            Ok(None) => {
                self.broker.revoke_orphaned(self.login, old, tokens).await;
                Err(self.logged_out())
            }
            Err(error) => {
                // Others see the old refresh token in the store, and not that it is spent.
                if spent(tokens) != spent(&old.tokens) {
                    let lost = Failure::Transient { error: error.clone(), retry_after: None, sent: true };
                    FailureRecord::record(lock, None, &Err(lost), &old.tokens);
                }
                self.old_or(old, error)
            }
        }
    }

    async fn after_failure(
        &self,
        record: Option<&FailureRecord>,
        stored: &Stored,
        failure: Failure,
    ) -> Result<Next> {
        // Somebody without our locks may have replaced or removed the login meanwhile.
        let newest = match self.read().await {
            Ok(newest) if newest.tokens != stored.tokens => return Ok(Next::TryWith(Box::new(newest))),
            Ok(newest) => newest,
            Err(error) if error.code() == Code::NotLoggedIn && self.has_index() => return Err(error),
            Err(_) => stored.clone(),
        };
        match failure {
            Failure::Refused(_) => self.refused(&newest, record).await.map(Box::new).map(Next::HandOut),
            _ if self.is_usable(stored) => Ok(Next::HandOut(Box::new(self.credential(stored)))),
            Failure::Transient { error, retry_after, sent: true } if is_spent_by_use(&stored.tokens) => {
                let message =
                    format!("{} The refresh may have been carried out all the same.", error.message());
                let hint = "Try again; if it stays refused, log in again.";
                Err(Error::new(error.code(), message).with_hint(hint).with_retry_after(retry_after))
            }
            other => Err(other.into_error()),
        }
    }

    /// The refresh token is refused: remembered, so that nobody sends it again; and if the API refuses the
    /// access token too, that it has ended.
    async fn refused(&self, stored: &Stored, record: Option<&FailureRecord>) -> Result<Credential> {
        let usable = self.is_usable(stored);
        let known = is_refused(stored);
        let ended_at = matches!(self.goal, Goal::Other { .. }).then(|| self.broker.0.clock.now());
        if !known || ended_at.is_some() {
            let was_lost = self.unanswered.load(Ordering::Relaxed)
                || record.is_some_and(|record| record.is_lost(&stored.tokens));
            let reason = match (&stored.entry.needs_login, was_lost) {
                (Some(reason), _) if known => reason.as_str(),
                (_, true) => {
                    "The answer to a refresh never came, and the provider no longer accepts the old token."
                }
                _ => "The provider no longer accepts the stored refresh token.",
            };
            let refusal = Refusal {
                fingerprint: spent(&stored.tokens).fingerprint(),
                revision: stored.entry.revision,
                reason: reason.to_owned(),
                ended_at,
            };
            let name = self.login.clone();
            let mark = self
                .broker
                .blocking(move |inner| inner.store.update(&name, |_| Ok(Change::Refused(refusal))));
            match mark.await.and_then(|marked| marked) {
                Err(error) if !usable => return Err(error),
                _ => {}
            }
        }
        if usable { Ok(self.credential(stored)) } else { Err(expired(self.provider, self.login)) }
    }

    /// Whether the old token may still be handed out.
    fn is_usable(&self, stored: &Stored) -> bool {
        self.goal.may_use_old(&stored.tokens, self.broker.0.clock.now())
    }

    fn old_or(&self, stored: &Stored, error: Error) -> Result<Credential> {
        if self.is_usable(stored) { Ok(self.credential(stored)) } else { Err(error) }
    }

    fn credential(&self, stored: &Stored) -> Credential {
        credential(self.provider, self.login, stored)
    }

    fn logged_out(&self) -> Error {
        let (name, login) = (&self.provider.name, self.login);
        Error::new(Code::NotLoggedIn, format!("The {name} login is gone: somebody logged out."))
            .with_hint(format!("Log in with `:ConvLogin {login}`."))
    }
}
