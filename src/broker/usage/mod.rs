//! How much of what a login may use is used: told by the provider's own address, or by its answers on their
//! way through the gateway.
//!
//! Guarantees: nothing is asked by itself, and a provider at most once a minute for a login, by however many
//! processes; no token is refreshed for it; a failure is none of the login, and leaves the last good figures
//! with their age; what nobody said is not there.

mod figures;
mod headers;
mod record;
mod show;
mod when;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Broker;
use super::sources::{Found, variable};
use crate::credential::{Kind, Validity};
use crate::error::{Code, Error, Result};
use crate::http::Reply;
use crate::login_id::LoginId;
use crate::oauth;
use crate::protocol::{Credential, LoginStatus, Usage, UsageSource};
use crate::provider::{Provider, UsageQuery};
use crate::secret::Secret;
use crate::store::{self, FiguresLock};
use crate::tasks;
use figures::{Figures, Silence};
use record::Record;

/// Seconds within which a provider is not asked again.
const PAUSE: i64 = 60;
/// Longest wait for mere figures.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Seconds between two writings of what passes the gateway.
const WRITE_PAUSE: i64 = 15;

/// What one process knows of usage.
#[derive(Debug, Default)]
pub(super) struct UsageBook {
    asking: Mutex<HashMap<LoginId, Arc<tokio::sync::Mutex<()>>>>,
    seen: Mutex<BTreeMap<LoginId, Record>>,
}

impl Broker {
    /// What is known of a login's usage; the provider is asked where it has an address for that and was not
    /// asked within the last minute.
    ///
    /// # Errors
    /// Those of a `get` that needs no refresh: `not_logged_in`, `login_expired`, the store's. What goes wrong
    /// with the figures is in [`Usage::error`].
    pub async fn usage(&self, login: &LoginId) -> Result<Usage> {
        let provider = self.provider_of(login).await?;
        let status = self.status(Some(login)).await?.into_iter().next();
        let status = status.filter(|status| status.source.is_some()).ok_or_else(|| not_logged_in(login))?;
        let whose = whose_status(&status);
        let turn = {
            let mut asking = self.0.shared.usage.asking.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(asking.entry(login.clone()).or_default())
        };
        let _turn = turn.lock().await;
        let _others = if provider.usage.is_some() { self.lock_figures(login).await } else { None };
        let now = self.0.clock.now();
        let last = self.last_record(login).await.filter(|record| record.whose == whose);
        let Some(query) = &provider.usage else {
            return Ok(show::usage(login, UsageSource::Headers, last, None, now));
        };
        let was_asked = |record: &Record| (0..PAUSE).contains(&(now - record.asked_at));
        if last.as_ref().is_some_and(was_asked) {
            return Ok(show::usage(login, UsageSource::Endpoint, last, None, now));
        }
        // Noted before it is asked: a process that ends meanwhile has asked all the same.
        let mut record = last.unwrap_or_else(|| Record::of(whose));
        record.asked_at = now;
        self.keep_record(login, record.clone(), true).await;
        match self.ask(&provider, query, login).await.map(|body| figures::read(query, &body)) {
            Ok(Ok(Figures { credit, windows })) => {
                record = Record { credit, windows, at: Some(now), error: None, ..record };
            }
            // What was told before is of a plan that is over.
            Ok(Err(Silence::NoPlan)) => {
                record = Record {
                    asked_at: now,
                    error: Some(no_plan(&provider.name)),
                    ..Record::of(record.whose)
                };
            }
            Ok(Err(Silence::NoFigures)) => record.error = Some(no_figures(&provider.name)),
            Err(error) => record.error = Some(error),
        }
        if let Some(error) = &record.error {
            tracing::info!(%login, error = %error.code(), "no figures of usage: {error}");
        }
        self.keep_record(login, record.clone(), true).await;
        Ok(show::usage(login, UsageSource::Endpoint, Some(record), None, now))
    }

    /// Notes what an API's answer said of a login's limits.
    pub fn note_limits(&self, credential: &Credential, headers: &BTreeMap<String, String>) {
        let now = self.0.clock.now();
        let has_endpoint = self
            .0
            .config
            .provider(credential.login.provider())
            .is_ok_and(|provider| provider.usage.is_some());
        let windows = headers::windows(headers, now);
        if windows.is_empty() || has_endpoint {
            return;
        }
        let record = Record { at: Some(now), windows, ..Record::of(whose_credential(credential)) };
        let is_due = {
            let mut seen = self.0.shared.usage.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let written_at = seen.get(&credential.login).map_or(0, |last| last.asked_at);
            let is_due = !(0..WRITE_PAUSE).contains(&(now - written_at));
            let asked_at = if is_due { now } else { written_at };
            seen.insert(credential.login.clone(), Record { asked_at, ..record.clone() });
            is_due
        };
        if is_due {
            let (broker, login) = (self.clone(), credential.login.clone());
            tasks::spawn(async move { broker.keep_record(&login, record, false).await });
        }
    }

    /// Waits for other processes that ask about this login just now, whose answer is as good. Where there can
    /// be no lock, or one is held for too long, it is asked without.
    async fn lock_figures(&self, login: &LoginId) -> Option<FiguresLock> {
        let end = Instant::now() + TIMEOUT + TIMEOUT;
        while Instant::now() < end {
            let name = login.clone();
            match self.blocking(move |inner| inner.store.try_lock_figures(&name)).await {
                Ok(Ok(Some(lock))) => return Some(lock),
                Ok(Ok(None)) => tokio::time::sleep(store::pause()).await,
                Ok(Err(error)) | Err(error) => {
                    tracing::debug!(%login, error = %error.code(), "asks without a lock: {error}");
                    return None;
                }
            }
        }
        None
    }

    /// The newer one of what this process has seen and what another has written.
    async fn last_record(&self, login: &LoginId) -> Option<Record> {
        let seen =
            self.0.shared.usage.seen.lock().unwrap_or_else(PoisonError::into_inner).get(login).cloned();
        let name = login.clone();
        let written = self.blocking(move |inner| record::read(&inner.store, &name)).await.ok().flatten();
        let newest = |record: &Record| record.at.max(Some(record.asked_at));
        match (seen, written) {
            (Some(seen), Some(written)) if newest(&written) > newest(&seen) => Some(written),
            (seen, written) => seen.or(written),
        }
    }

    async fn keep_record(&self, login: &LoginId, record: Record, in_memory: bool) {
        if in_memory {
            let mut seen = self.0.shared.usage.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.insert(login.clone(), record.clone());
        }
        let name = login.clone();
        let _ = self.blocking(move |inner| record::write(&inner.store, &name, &record)).await;
    }

    /// The answer of a provider's address.
    async fn ask(&self, provider: &Provider, query: &UsageQuery, login: &LoginId) -> Result<Value> {
        let headers = self.usage_headers(provider, query, login).await?;
        let request = self.0.http.get(query.url.clone()).map_err(|trouble| trouble.error)?;
        let request = request.header(reqwest::header::ACCEPT, "application/json").timeout(TIMEOUT);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(name, value.expose()));
        let reply = self.0.http.send(request).await.map_err(|trouble| trouble.error)?;
        read(&provider.name, &reply)
    }

    /// The API's own headers, or those that the description gives with the token it names.
    async fn usage_headers(
        &self,
        provider: &Provider,
        query: &UsageQuery,
        login: &LoginId,
    ) -> Result<BTreeMap<String, Secret>> {
        if query.headers.is_empty() {
            return Ok(self.usable(login).await?.headers);
        }
        let name = login.clone();
        let stored = self.blocking(move |inner| inner.store.read(&name)).await?.ok().flatten();
        let token = match stored.map(|stored| stored.tokens) {
            Some(tokens) => {
                // It makes other tokens: it goes where its login was made and nowhere else (rule 20).
                oauth::check_origin(&tokens, &query.url, provider).map_err(oauth::Failure::into_error)?;
                tokens.base_token.unwrap_or(tokens.access_token)
            }
            None => self.usable(login).await?.token,
        };
        Ok(query.filled_headers(&token, &provider.options))
    }

    /// The credential as it is: nobody's token is refreshed to draw a number.
    async fn usable(&self, login: &LoginId) -> Result<Credential> {
        match self.look(login, Validity::AtLeast(0), false).await? {
            Found::Good { credential, .. } => Ok(*credential),
            Found::Stale { .. } | Found::ToObtain { .. } => Err(Error::new(
                Code::LoginExpired,
                "The token has expired, and no new one is fetched for the usage alone.",
            )
            .with_hint("The next request of a plugin renews it.")),
        }
    }
}

/// An answer of JSON, or what is wrong with it.
fn read(name: &str, reply: &Reply) -> Result<Value> {
    let status = reply.status.as_u16();
    let error =
        |code, message: String| Err(Error::new(code, message).with_hint("It says nothing of the login."));
    match status {
        200..=299 => {}
        401 | 403 | 404 => {
            let message = format!("{name} does not tell the usage of this login (HTTP {status}).");
            return error(Code::ProviderRefused, message);
        }
        429 => return error(Code::RateLimited, format!("{name} wants to be asked for usage less often.")),
        _ => return error(Code::ProviderError, format!("{name} could not tell the usage (HTTP {status}).")),
    }
    serde_json::from_slice::<Value>(&reply.body).ok().filter(Value::is_object).ok_or_else(|| no_figures(name))
}

fn no_figures(name: &str) -> Error {
    let message = format!("The answer of {name} holds no usage.");
    Error::new(Code::BadResponse, message).with_hint("It says nothing of the login.")
}

fn no_plan(name: &str) -> Error {
    let message = format!("{name} tells the usage of a plan, and this login has none now.");
    Error::new(Code::ProviderRefused, message).with_hint("It is paid by use, or the plan has ended.")
}

fn not_logged_in(login: &LoginId) -> Error {
    Error::new(Code::NotLoggedIn, format!("There is no token of `{login}` to ask with."))
        .with_hint(format!("Log in with `:ConvLogin {login}`."))
}

/// Whose figures they are: those of a key that was replaced are nobody's any more.
fn whose_status(status: &LoginStatus) -> String {
    let source = status.source.as_deref().unwrap_or_default();
    let key = source.strip_prefix("env:").and_then(variable).map(|key| key.fingerprint());
    whose(source, status.identity.as_deref(), status.kind, status.revision, key)
}

fn whose_credential(credential: &Credential) -> String {
    let is_stored = credential.source == "login";
    let kind = is_stored.then_some(credential.kind);
    let identity = credential.identity.as_deref().filter(|_| is_stored);
    let revision = if is_stored { credential.revision } else { 0 };
    let is_variable = credential.source.starts_with("env:");
    let key = is_variable.then(|| credential.token.fingerprint());
    whose(&credential.source, identity, kind, revision, key)
}

/// `key` is the fingerprint of one that each process may have another of.
fn whose(
    source: &str,
    identity: Option<&str>,
    kind: Option<Kind>,
    revision: u64,
    key: Option<String>,
) -> String {
    match (source, kind, key) {
        // An access token's revision grows with each refresh.
        ("login", Some(Kind::ApiKey), _) => format!("login {} {revision}", identity.unwrap_or_default()),
        ("login", ..) => format!("login {}", identity.unwrap_or_default()),
        (source, _, Some(key)) => format!("{source} {key}"),
        (source, _, None) => source.to_owned(),
    }
}
