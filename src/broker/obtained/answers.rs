//! What commands have brought, as long as it is used.
//!
//! Guarantees: an answer is used for the very command that gave it; what the store keeps is sealed and bound
//! as a login is, under a name that is none; a store that cannot be read means that the command is run.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::credential::{Kind, Tokens};
use crate::login_id::LoginId;
use crate::provider::{ANSWER_ACCOUNT, CommandCache, CommandSource, Provider};
use crate::secret::Secret;
use crate::store::{NewLogin, Store};

/// Those of this process, by login.
#[derive(Debug, Default)]
pub struct Answers(Mutex<HashMap<LoginId, Held>>);

#[derive(Debug, Default)]
struct Held {
    tokens: Option<Tokens>,
    /// How often this process has run the command.
    runs: u64,
    /// Fingerprint of a token that the API refused, and that the command gave again.
    useless: Option<String>,
}

impl Answers {
    /// The last one of this process.
    pub fn get(&self, login: &LoginId) -> Option<Tokens> {
        self.held().get(login)?.tokens.clone()
    }

    /// Keeps one.
    pub fn put(&self, login: &LoginId, tokens: &Tokens) {
        let mut all = self.held();
        let held = all.entry(login.clone()).or_default();
        held.tokens = Some(tokens.clone());
        held.runs += 1;
        if held.useless.as_ref().is_some_and(|useless| *useless != tokens.access_token.fingerprint()) {
            held.useless = None;
        }
    }

    /// Forgets one.
    pub fn forget(&self, login: &LoginId) {
        self.held().remove(login);
    }

    /// How often this process has asked.
    pub fn runs(&self, login: &LoginId) -> u64 {
        self.held().get(login).map_or(0, |held| held.runs)
    }

    /// Notes that asking again brought the same token that the API refused.
    pub fn note_useless(&self, login: &LoginId, token: &Secret) {
        self.held().entry(login.clone()).or_default().useless = Some(token.fingerprint());
    }

    /// Whether asking again has brought this very token before.
    pub fn is_useless(&self, login: &LoginId, token: &Secret) -> bool {
        self.held().get(login).is_some_and(|held| held.useless.as_deref() == Some(&token.fingerprint()))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<LoginId, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last answer of a provider's command, fresh or not; of this process or, where the settings want that,
/// of any.
pub fn answer(
    answers: &Answers,
    store: &Store,
    provider: &Provider,
    source: &CommandSource,
    login: &LoginId,
) -> Option<Tokens> {
    let own = answers.get(login).filter(|tokens| is_of(tokens, source));
    let shared = (source.cache == CommandCache::Store).then(|| sealed(store, provider, source)).flatten();
    match (own, shared) {
        (Some(own), Some(shared)) if own.obtained_at >= shared.obtained_at => Some(own),
        (own, shared) => shared.or(own),
    }
}

fn sealed(store: &Store, provider: &Provider, source: &CommandSource) -> Option<Tokens> {
    match store.read(&provider.answer_login()?) {
        Ok(stored) => stored.map(|stored| stored.tokens).filter(|tokens| is_of(tokens, source)),
        Err(error) => {
            tracing::warn!(provider = provider.id, error = %error.code(), "the answer that is kept cannot be read");
            None
        }
    }
}

fn is_of(tokens: &Tokens, source: &CommandSource) -> bool {
    tokens.origins == [source.binding()]
}

/// Puts an answer where the settings want it, and takes away what an earlier setting has left in the store.
pub(super) fn keep(
    store: &Store,
    provider: &Provider,
    source: &CommandSource,
    tokens: &Tokens,
) -> crate::error::Result<()> {
    let Some(login) = provider.answer_login() else { return Ok(()) };
    match source.cache {
        CommandCache::Store => {
            store.put(&login, NewLogin::new(ANSWER_ACCOUNT, Kind::ApiKey, tokens.clone())).map(drop)
        }
        CommandCache::Memory if store.index().is_ok_and(|index| index.logins.contains_key(&login)) => {
            store.remove(&login).map(drop)
        }
        CommandCache::Memory => Ok(()),
    }
}
