//! What a refresh brought becomes durable, and only then is it handed out (rule 3).
//!
//! Guarantees: a login that was removed or replaced meanwhile wins. What the store does not take, the only
//! copy of a rotated token, is kept in memory and offered again by whoever comes by, at each tick, and at the
//! end.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::broker::Broker;
use crate::broker::events::Event;
use crate::broker::sources::{credential, spent};
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth;
use crate::protocol::{Level, Notice};
use crate::provider::{Provider, RevocationEnds};
use crate::store::{self, Change, Current, NewLogin, Stamp, Store, Stored};

/// Pause before something that failed is tried once more inside a call.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Tries of a store write that fails, before the caller is told.
const WRITE_TRIES: u32 = 3;
/// Longest time that an exit goes on trying. `convocations token` is to be done within 5 s.
const LAST_TRIES: Duration = Duration::from_secs(4);

/// By login: what was there before, and what a refresh has made of it.
#[derive(Debug, Default)]
pub(in crate::broker) struct PendingWrites(Mutex<HashMap<LoginId, (Stored, Tokens)>>);

impl PendingWrites {
    fn all(&self) -> MutexGuard<'_, HashMap<LoginId, (Stored, Tokens)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether what is stored is neither what was refreshed nor what came of it: then somebody has written it
/// since. The revision alone does not tell, since a keyring takes a secret before the index does, and an
/// index may begin anew.
fn is_anothers(stored: &Tokens, old: &Tokens, new: &Tokens) -> bool {
    let is_rotated = spent(new) != spent(old);
    match spent(stored) == spent(old) {
        // Of two that came of one refresh token the one that was stored is in use, unless it cannot be
        // refreshed again.
        true => !is_rotated && stored.access_token != old.access_token && stored != new,
        false => stored != new,
    }
}

/// What there is to write of a refresh.
enum ToWrite {
    /// Its tokens.
    Tokens,
    /// Nothing: the login is gone, or this one has replaced it.
    Nothing(Option<Box<Stored>>),
}

fn to_write(store: &Store, current: &Current<'_>, old: &Stored, tokens: &Tokens) -> Result<ToWrite> {
    // A logout leaves an index without the login. No index at all may be a drive that is not mounted just
    // now.
    if store.stamp() == Stamp::default() {
        return Err(index_gone());
    }
    let Some(entry) = current.entry()? else { return Ok(ToWrite::Nothing(None)) };
    match current.read() {
        Ok(Some(stored)) if is_anothers(&stored.tokens, &old.tokens, tokens) => {
            Ok(ToWrite::Nothing(Some(Box::new(stored))))
        }
        Ok(_) => Ok(ToWrite::Tokens),
        // What cannot be read any more is still what was refreshed, if nobody has written since.
        Err(_) if entry.revision == old.entry.revision => Ok(ToWrite::Tokens),
        Err(error) => Err(error),
    }
}

impl Broker {
    /// Stores what a refresh made of `old`, in a few tries. `None` if the login is gone by now.
    ///
    /// # Errors
    /// The store's; what could not be stored is kept then.
    pub(in crate::broker) async fn persist(
        &self,
        login: &LoginId,
        old: &Stored,
        tokens: &Tokens,
    ) -> Result<Option<Stored>> {
        let mut tries = 1;
        loop {
            match self.write(login, old, tokens).await {
                Err(error) if tries == WRITE_TRIES => {
                    self.keep_pending(login, old, tokens, &error);
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(RETRY_PAUSE).await,
                Ok(written) => {
                    let revision = written.as_ref().map(|stored| stored.entry.revision);
                    tracing::debug!(%login, revision, "stored");
                    return Ok(written);
                }
            }
            tries += 1;
        }
    }

    /// Writes under the store's lock, unless the login is gone (`None`) or has been replaced (then that one
    /// is it).
    async fn write(&self, login: &LoginId, old: &Stored, tokens: &Tokens) -> Result<Option<Stored>> {
        let (name, old, tokens) = (login.clone(), old.clone(), tokens.clone());
        self.blocking(move |inner| {
            let mut anothers = None;
            let updated = inner.store.update(&name, |current| {
                let found = to_write(&inner.store, current, &old, &tokens)?;
                Ok(match found {
                    ToWrite::Tokens => {
                        let new = NewLogin::new(&old.entry.method, old.entry.kind, tokens.clone());
                        Change::Renewed(Box::new(new))
                    }
                    ToWrite::Nothing(stored) => {
                        anothers = stored.map(|stored| *stored);
                        Change::Nothing
                    }
                })
            })?;
            Ok(anothers.or_else(|| updated.entry.map(|entry| Stored { entry, tokens })))
        })
        .await?
    }

    /// Brings the index up to a secret that is newer than it says: somebody was killed between the two
    /// writes.
    pub(in crate::broker) async fn catch_up(&self, login: &LoginId, stored: Stored) -> Stored {
        if stored.entry.refused.is_some() || stored.entry.expires_at == stored.tokens.expires_at {
            return stored;
        }
        match self.write(login, &stored, &stored.tokens).await {
            Ok(Some(written)) => written,
            // The tokens are good and durable whatever the index says.
            _ => stored,
        }
    }

    /// Keeps what could not be stored, and says so.
    fn keep_pending(&self, login: &LoginId, old: &Stored, tokens: &Tokens, why: &Error) {
        self.0.shared.pending.all().insert(login.clone(), (old.clone(), tokens.clone()));
        tracing::warn!(%login, error = %why.code(), fingerprint = spent(tokens).fingerprint(), "kept in memory: {why}");
        let message = format!("{} The renewed login `{login}` is in memory only.", why.message());
        let hint = "Make room or unlock the keyring before you quit, or the login is lost; it is then stored by itself.";
        let error = Error::new(why.code(), message).with_hint(hint);
        self.tell(Event::Notice(Notice { level: Level::Error, error, login: Some(login.clone()) }));
    }

    /// Whether anything is in memory only.
    pub(in crate::broker) fn has_pending(&self) -> bool {
        !self.0.shared.pending.all().is_empty()
    }

    /// Offers what is kept to the store again; the login's lock is held. `None` if there is nothing of it, or
    /// if the login is gone by now.
    ///
    /// # Errors
    /// The store's, as before.
    pub(in crate::broker) async fn write_pending(&self, login: &LoginId) -> Result<Option<Stored>> {
        let kept = self.0.shared.pending.all().get(login).cloned();
        let Some((old, tokens)) = kept else { return Ok(None) };
        let saved = self.write(login, &old, &tokens).await?;
        self.0.shared.pending.all().remove(login);
        if saved.is_none() {
            self.revoke_orphaned(login, &old, &tokens).await;
        }
        Ok(saved)
    }

    /// Logged out meanwhile: nobody may be left with what the provider has given out since, unless taking it
    /// back may end a login that somebody uses (RFC 7009, 2.1); then the person is told that it lives on.
    pub(in crate::broker) async fn revoke_orphaned(&self, login: &LoginId, old: &Stored, tokens: &Tokens) {
        let Ok(provider) = self.0.config.provider(login.provider()) else { return };
        let Some(method) = provider.method(&old.entry.method) else { return };
        let fingerprint = spent(tokens).fingerprint();
        if provider.revocation_ends == RevocationEnds::AllLogins && oauth::can_revoke(method, tokens) {
            tracing::info!(%login, fingerprint, "logged out meanwhile: what came since is left, others may depend on it");
            return self.tell(left_alone(login, &provider, tokens));
        }
        let revoked = self.revoke_tokens(login, &provider, method, tokens).await.is_ok();
        tracing::debug!(%login, fingerprint, revoked, "logged out meanwhile: what came since is revoked");
    }

    /// One try for each login whose lock is free.
    pub(in crate::broker) async fn write_all_pending(&self) {
        let logins: Vec<LoginId> = self.0.shared.pending.all().keys().cloned().collect();
        for login in logins {
            let name = login.clone();
            let lock = self.blocking(move |inner| inner.store.try_lock_login(&name)).await;
            let Ok(Ok(Some(_lock))) = lock else { continue };
            let (Ok(Some(stored)), Ok(provider)) =
                (self.write_pending(&login).await, self.0.config.provider(login.provider()))
            else {
                continue;
            };
            self.tell(Event::Credential(Box::new(credential(&provider, &login, &stored))));
        }
    }

    /// Tries for a while, at the end of the process.
    pub(in crate::broker) async fn write_at_last(&self) {
        let tries = async {
            while self.has_pending() {
                self.write_all_pending().await;
                tokio::time::sleep(store::pause()).await;
            }
        };
        let _ = tokio::time::timeout(LAST_TRIES, tries).await;
    }
}

fn left_alone(login: &LoginId, provider: &Provider, tokens: &Tokens) -> Event {
    let name = &provider.name;
    let message = format!(
        "A refresh of `{login}` was under way when you logged out; the token that {name} gave works until \
         it expires."
    );
    let why = format!("{name} may end other logins of yours when it revokes this one.");
    let hint = match provider.key_page(tokens) {
        Some(page) => format!("{why} You can revoke it at {page}"),
        None => why,
    };
    let error = Error::new(Code::NotLoggedIn, message).with_hint(hint);
    Event::Notice(Notice { level: Level::Warn, error, login: Some(login.clone()) })
}

fn index_gone() -> Error {
    Error::new(Code::StoreUnreadable, "The folder with the stored logins is gone.")
        .with_hint("Put it back, or mount its drive.")
}
