//! What is known of every login without its secret: index, environment, memory. Never asks a keyring.

use super::source::{env_value, sources};
use super::{Broker, Inner};
use crate::credential::Validity;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::{LoginStatus, State};
use crate::provider::{Provider, Source, is_client};
use crate::store::{Entry, Index};

impl Broker {
    /// The state of one login, or of all that exist: stored ones, and providers that a variable speaks for.
    ///
    /// # Errors
    /// `unknown_login`, or `store_unreadable`.
    pub async fn status(&self, login: Option<&LoginId>) -> Result<Vec<LoginStatus>> {
        match login.cloned() {
            None => self.blocking(all).await?,
            Some(login) => {
                let found = self.blocking(move |inner| {
                    let provider = inner.config.provider(login.provider())?;
                    let index = inner.store.index()?;
                    Ok(one(inner, &provider, &login, index.logins.get(&login)))
                });
                found.await?.map(|status| vec![status])
            }
        }
    }
}

/// The state of all logins.
pub(super) fn all(inner: &Inner) -> Result<Vec<LoginStatus>> {
    let index = inner.store.index()?;
    let mut found = stored(inner, &index);
    for id in inner.config.provider_ids() {
        let Ok(login) = id.parse::<LoginId>() else { continue };
        let Ok(provider) = inner.config.provider(&id) else { continue };
        if index.logins.contains_key(&login) {
            continue;
        }
        let status = one(inner, &provider, &login, None);
        if status.state != State::LoggedOut {
            found.push(status);
        }
    }
    found.sort_by(|one, other| one.login.cmp(&other.login));
    Ok(found)
}

fn stored(inner: &Inner, index: &Index) -> Vec<LoginStatus> {
    let status = |(login, entry): (&LoginId, &Entry)| match inner.config.provider(login.provider()) {
        Ok(provider) => one(inner, &provider, login, Some(entry)),
        // Its description is gone from config.toml: the login is there all the same, and can be removed.
        Err(error) => LoginStatus {
            error: Some(error),
            state: State::Error,
            ..described(login, login.provider(), Some(entry))
        },
    };
    index.logins.iter().filter(|(login, _)| !is_client(login)).map(status).collect()
}

fn one(inner: &Inner, provider: &Provider, login: &LoginId, entry: Option<&Entry>) -> LoginStatus {
    let own = entry.map(|entry| entry_state(inner, login, entry));
    let usable = own.is_some_and(|state| state != State::NeedsLogin);
    let source = sources(provider, login).find(|source| match source {
        Source::Env { .. } => env_value(source).is_some(),
        Source::Login => usable,
        // Whether the app's key can be read is not known without its keyring: that it is spoken of must do.
        Source::App => inner.config.app_key_reference().is_some(),
    });
    let state = match (own, source) {
        (_, Some(Source::Env { .. } | Source::App)) if own != Some(State::NeedsLogin) => State::Valid,
        (Some(state), _) => state,
        (None, Some(_)) => State::Valid,
        (None, None) => State::LoggedOut,
    };
    LoginStatus {
        state,
        source: source.map(Source::name),
        error: inner.flights.last_error(login),
        ..described(login, &provider.name, entry)
    }
}

fn entry_state(inner: &Inner, login: &LoginId, entry: &Entry) -> State {
    let now = inner.clock.now();
    let left = entry.expires_at.map_or(i64::MAX, |end| end.saturating_sub(now));
    match entry {
        _ if inner.flights.is_flying(login) => State::Refreshing,
        entry if entry.needs_login.is_some() && left <= 0 => State::NeedsLogin,
        // However long it lives, no other one comes after it.
        entry if entry.needs_login.is_some() => State::Expiring,
        entry if left > margin(inner, login, entry) => State::Valid,
        _ => State::Expiring,
    }
}

/// As [`Broker::get`] takes it, as far as the life that the token was made for is known.
fn margin(inner: &Inner, login: &LoginId, entry: &Entry) -> i64 {
    let memory = inner.memory.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Validity::Margin(inner.config.refresh.margin).seconds(memory.lifetime(login, entry.revision))
}

fn described(login: &LoginId, name: &str, entry: Option<&Entry>) -> LoginStatus {
    LoginStatus {
        login: login.clone(),
        provider: login.provider().to_owned(),
        account: login.account().map(str::to_owned),
        name: name.to_owned(),
        state: State::LoggedOut,
        method: entry.map(|entry| entry.method.clone()),
        kind: entry.map(|entry| entry.kind),
        source: None,
        store: entry.map(|entry| entry.backend.name()),
        identity: entry.and_then(|entry| entry.identity.clone()),
        scopes: entry.map(|entry| entry.scopes.clone()).unwrap_or_default(),
        expires_at: entry.and_then(|entry| entry.expires_at),
        revision: entry.map_or(0, |entry| entry.revision),
        error: None,
        needs_login: entry.and_then(|entry| entry.needs_login.clone()),
    }
}
