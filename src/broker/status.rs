//! How every login is: what a `get` would answer now (rule 22).
//!
//! Two ways to know it. Whoever asks is answered by a look at the secrets themselves, which may take a
//! keyring's time limit. What is told without being asked comes of the index, the environment and the last
//! look, and asks no keyring: what nobody has looked at is `stored`, and no more is claimed of it.

use std::sync::PoisonError;

use serde_json::Value;

use super::borrowed::{lent_status, trusted, with_lent};
use super::cache::Look;
use super::sources::{Found, env_value, find};
use super::{Broker, Inner};
use crate::command;
use crate::credential::Validity;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{Changed, LoginStatus, State};
use crate::provider::{Provider, Source, is_no_login};
use crate::store::{Entry, Index};
use crate::tasks;
use crate::workload;

/// How to find out how a login is.
type Way = fn(&Inner, &Provider, &LoginId, Option<&Entry>) -> Outlook;

/// What a `get` would answer: a state, the source if there is a credential, the error if there is none.
struct Outlook {
    state: State,
    source: Option<String>,
    error: Option<Error>,
}

impl Outlook {
    fn good(state: State, source: &str) -> Self {
        Self { state, source: Some(source.to_owned()), error: None }
    }

    fn none(state: State) -> Self {
        Self { state, source: None, error: None }
    }

    fn failed(error: &Error) -> Self {
        Self { state: State::Error, source: None, error: Some(error.clone()) }
    }
}

impl Broker {
    /// The state of one login, or of all that exist: stored ones, and providers that a variable or the app
    /// speaks for. Looks at each secret, as a `get` would.
    ///
    /// # Errors
    /// `unknown_login`, or `store_unreadable`.
    pub async fn status(&self, login: Option<&LoginId>) -> Result<Vec<LoginStatus>> {
        Ok(self.picture(login).await?.logins)
    }

    /// [`Broker::status`] with its place among the events: one that took long is older than what was told
    /// meanwhile, and what it brought is told anew then.
    ///
    /// # Errors
    /// The same.
    pub async fn picture(&self, login: Option<&LoginId>) -> Result<Changed> {
        self.look_at_agent().await;
        let order = &self.0.shared.order;
        let seq = order.next_picture();
        let logins = self.look_at(login).await?;
        if order.is_overtaken(seq) {
            let broker = self.clone();
            tasks::spawn(async move { broker.tell_all().await });
        }
        Ok(Changed { logins, seq })
    }

    async fn look_at(&self, login: Option<&LoginId>) -> Result<Vec<LoginStatus>> {
        match login.cloned() {
            None => self.blocking(|inner| all(inner, looked_at)).await?,
            Some(login) => {
                let found = self.blocking(move |inner| {
                    if let Some(lent) = lent_status(inner, &login) {
                        return Ok(lent);
                    }
                    let provider = inner.config.provider(login.provider())?;
                    let index = inner.store.index()?;
                    let entry = index.logins.get(&login);
                    Ok(trusted(inner, one(inner, &provider, &login, entry, looked_at)))
                });
                found.await?.map(|status| vec![status])
            }
        }
    }
}

/// The state of all logins, as far as it is known without a look.
pub(super) fn known(inner: &Inner) -> Result<Vec<LoginStatus>> {
    all(inner, known_of)
}

fn all(inner: &Inner, way: Way) -> Result<Vec<LoginStatus>> {
    let index = inner.store.index()?;
    let mut found = stored(inner, &index, way);
    for id in inner.config.provider_ids() {
        let Ok(login) = id.parse::<LoginId>() else { continue };
        let Ok(provider) = inner.config.provider(&id) else { continue };
        if index.logins.contains_key(&login) {
            continue;
        }
        let status = one(inner, &provider, &login, None, way);
        if status.state != State::LoggedOut {
            found.push(status);
        }
    }
    found.sort_by(|one, other| one.login.cmp(&other.login));
    Ok(with_lent(inner, found))
}

fn stored(inner: &Inner, index: &Index, way: Way) -> Vec<LoginStatus> {
    let status = |(login, entry): (&LoginId, &Entry)| match inner.config.provider(login.provider()) {
        Ok(provider) => one(inner, &provider, login, Some(entry), way),
        // Its description is gone from the settings: the login is there all the same, and can be removed.
        Err(error) => described(login, login.provider(), Some(entry), Outlook::failed(&error)),
    };
    index.logins.iter().filter(|(login, _)| !is_no_login(login)).map(status).collect()
}

fn one(inner: &Inner, provider: &Provider, login: &LoginId, entry: Option<&Entry>, way: Way) -> LoginStatus {
    let mut outlook = match (inner.shared.flights.is_running(login), is_asking(inner, login)) {
        (true, _) => Outlook::good(State::Refreshing, "login"),
        (_, true) => Outlook::good(State::Refreshing, &asked(provider, login)),
        _ => way(inner, provider, login, entry),
    };
    outlook.error = outlook.error.or_else(|| inner.shared.backoff.last_error(login));
    LoginStatus { base_url: provider.base_url.clone(), ..described(login, &provider.name, entry, outlook) }
}

/// By a look at the sources, unless a credential is in memory: then that is what a `get` answers.
fn looked_at(inner: &Inner, provider: &Provider, login: &LoginId, entry: Option<&Entry>) -> Outlook {
    let margin = Validity::Margin(inner.config.refresh.margin);
    if let Some(source) = remembered(inner, login, margin) {
        let passed = is_passed_over(inner, provider, login, entry, &source);
        return of_good(&source, entry, passed);
    }
    let number = inner.shared.order.next_look();
    let answers = &inner.shared.obtained.answers;
    let found = find(&inner.config, &inner.store, &inner.clock, answers, login, margin);
    let look = look(inner, login, &found);
    cache(inner).note_look(login, number, look);
    match found {
        Ok(Found::Good { credential, passed }) => of_good(&credential.source, entry, passed.is_some()),
        Ok(Found::Stale { .. }) => of_stale(inner, login, entry),
        Ok(Found::ToObtain { source, passed, .. }) => {
            to_obtain(inner, provider, login, &source, passed.is_some())
        }
        Err(error) => of_error(&error),
    }
}

/// Whether the stored login would come before this source, had it not ended for good.
fn is_passed_over(
    inner: &Inner,
    provider: &Provider,
    login: &LoginId,
    entry: Option<&Entry>,
    source: &str,
) -> bool {
    let mut earlier = provider.sources_of(login).take_while(|earlier| earlier.name() != source);
    earlier.any(|earlier| *earlier == Source::Login)
        && entry.is_some_and(|entry| has_ended_for_good(inner, entry))
}

fn remembered(inner: &Inner, login: &LoginId, validity: Validity) -> Option<String> {
    let (stamp, now) = (inner.store.stamp(), inner.clock.now());
    let cache = cache(inner);
    let held = cache
        .peek(login, stamp, |credential| credential.is_fresh(now, validity.seconds(credential.lifetime)))?;
    Some(held.source.clone())
}

/// By the index, the environment and the last look.
fn known_of(inner: &Inner, provider: &Provider, login: &LoginId, entry: Option<&Entry>) -> Outlook {
    let mut passed = false;
    for source in provider.sources_of(login) {
        match (source, entry) {
            (Source::Env { .. }, _) if env_value(source).is_some() => {
                return of_good(&source.name(), entry, passed);
            }
            (Source::Login, Some(entry)) if !has_ended_for_good(inner, entry) => {
                return entry_known(inner, login, entry);
            }
            (Source::Login, Some(_)) => passed = true,
            (Source::Workload, _) => match provider.workload.as_ref().map(workload::is_here) {
                Some(Ok(true)) if has_answer(inner, login) => return of_good(&source.name(), entry, passed),
                Some(Ok(true)) => return to_obtain(inner, provider, login, source, passed),
                Some(Err(error)) => return Outlook::failed(&error),
                _ => {}
            },
            (Source::Command, _) if has_answer(inner, login) => {
                return of_good(&source.name(), entry, passed);
            }
            (Source::Command, _) => return to_obtain(inner, provider, login, source, passed),
            (Source::App, _) if inner.config.app_key_reference().is_some_and(Value::is_object) => {
                if let Some(outlook) = app_known(inner, login, entry, passed) {
                    return outlook;
                }
            }
            _ => {}
        }
    }
    Outlook::none(if passed { State::NeedsLogin } else { State::LoggedOut })
}

fn entry_known(inner: &Inner, login: &LoginId, entry: &Entry) -> Outlook {
    let left = entry.expires_at.map_or(i64::MAX, |end| end.saturating_sub(inner.clock.now()));
    let look = cache(inner).last_look(login, entry.revision).cloned();
    match look.map(|look| look.outcome) {
        Some(Err(error)) if is_about_the_store(&error) => Outlook::failed(&error),
        _ if entry.needs_login.is_some() => Outlook::good(State::NeedsLogin, "login"),
        None => Outlook::good(State::Stored, "login"),
        _ if left > margin(inner, login, entry) => Outlook::good(State::Valid, "login"),
        _ => of_stale(inner, login, Some(entry)),
    }
}

/// A source that is asked when it is needed: what is known of it without asking.
fn to_obtain(inner: &Inner, provider: &Provider, login: &LoginId, source: &Source, passed: bool) -> Outlook {
    let described = provider.command.as_ref().filter(|_| *source == Source::Command);
    let missing = described.and_then(|source| command::find(&source.program).err());
    match inner.shared.backoff.last_error(login).or(missing) {
        Some(error) => Outlook::failed(&error),
        None => Outlook::good(if passed { State::NeedsLogin } else { State::Ready }, &source.name()),
    }
}

fn has_answer(inner: &Inner, login: &LoginId) -> bool {
    let there = inner.shared.obtained.answers.get(login);
    there.is_some_and(|tokens| tokens.is_fresh(inner.clock.now(), 0))
}

/// The name of the source that is being asked.
fn asked(provider: &Provider, login: &LoginId) -> String {
    let mut sources = provider.sources_of(login);
    sources.find(|source| **source == Source::Command).unwrap_or(&Source::Workload).name()
}

fn is_asking(inner: &Inner, login: &LoginId) -> bool {
    inner.shared.obtained.flights.is_running(login)
}

/// Whether the app's key can be read is not known before somebody has looked.
fn app_known(inner: &Inner, login: &LoginId, entry: Option<&Entry>, passed: bool) -> Option<Outlook> {
    let revision = entry.map_or(0, |entry| entry.revision);
    match cache(inner).last_look(login, revision).map(|look| look.outcome.clone()) {
        None => Some(Outlook::good(State::Stored, "app")),
        Some(Ok(source)) if source == "app" => Some(of_good(&source, entry, passed)),
        Some(Err(error)) if is_about_the_store(&error) => Some(Outlook::failed(&error)),
        Some(_) => None,
    }
}

/// A credential is there. That the login was refused, or passed over for another source, is for the person to
/// mend.
fn of_good(source: &str, entry: Option<&Entry>, passed: bool) -> Outlook {
    let refused = source == "login" && entry.is_some_and(|entry| entry.needs_login.is_some());
    Outlook::good(if passed || refused { State::NeedsLogin } else { State::Valid }, source)
}

/// A refresh is due. Once the token has ended, one that fails is what a `get` answers.
fn of_stale(inner: &Inner, login: &LoginId, entry: Option<&Entry>) -> Outlook {
    let has_ended = entry.and_then(|entry| entry.expires_at).is_some_and(|end| end <= inner.clock.now());
    match inner.shared.backoff.last_error(login).filter(|_| has_ended) {
        Some(error) => Outlook::failed(&error),
        None => Outlook::good(State::Expiring, "login"),
    }
}

fn of_error(error: &Error) -> Outlook {
    match error.code() {
        Code::NotLoggedIn => Outlook::none(State::LoggedOut),
        Code::LoginExpired => Outlook::none(State::NeedsLogin),
        _ => Outlook::failed(error),
    }
}

fn is_about_the_store(error: &Error) -> bool {
    !matches!(error.code(), Code::NotLoggedIn | Code::LoginExpired)
}

/// What a look brought, as it is remembered.
pub(super) fn look(inner: &Inner, login: &LoginId, found: &Result<Found>) -> Look {
    let outcome = match found {
        Ok(Found::Good { credential, .. }) => Ok(credential.source.clone()),
        Ok(Found::Stale { .. }) => Ok("login".to_owned()),
        Ok(Found::ToObtain { source, .. }) => Ok(source.name()),
        Err(error) => Err(error.clone()),
    };
    let revision = || inner.store.index().ok()?.logins.get(login).map(|entry| entry.revision);
    // Only a failure is about one revision.
    Look { revision: outcome.as_ref().err().and_then(|_| revision()).unwrap_or(0), outcome }
}

fn has_ended_for_good(inner: &Inner, entry: &Entry) -> bool {
    entry.needs_login.is_some() && entry.expires_at.is_some_and(|end| end <= inner.clock.now())
}

fn cache(inner: &Inner) -> std::sync::MutexGuard<'_, super::CredentialCache> {
    inner.cache.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`Broker::get`] takes it, as far as the life that the token was made for is known.
fn margin(inner: &Inner, login: &LoginId, entry: &Entry) -> i64 {
    Validity::Margin(inner.config.refresh.margin).seconds(cache(inner).lifetime(login, entry.revision))
}

fn described(login: &LoginId, name: &str, entry: Option<&Entry>, outlook: Outlook) -> LoginStatus {
    LoginStatus {
        login: login.clone(),
        provider: login.provider().to_owned(),
        account: login.account().map(str::to_owned),
        name: name.to_owned(),
        state: outlook.state,
        method: entry.map(|entry| entry.method.clone()),
        kind: entry.map(|entry| entry.kind),
        source: outlook.source,
        store: entry.map(|entry| entry.backend.kind()),
        lender: None,
        gateway_only: false,
        base_url: None,
        identity: entry.and_then(|entry| entry.identity.clone()),
        organization: entry.and_then(|entry| entry.organization.clone()),
        scopes: entry.map(|entry| entry.scopes.clone()).unwrap_or_default(),
        expires_at: entry.and_then(|entry| entry.expires_at),
        revision: entry.map_or(0, |entry| entry.revision),
        error: outlook.error,
        needs_login: entry.and_then(|entry| entry.needs_login.clone()),
    }
}
