//! "A fresh credential for this login": sources, memory, one refresh at a time, refresh ahead of time,
//! logout.
//!
//! Guarantees (rules 1 to 7): freshness is judged by the wall clock at the moment of use; one login is
//! refreshed by one process at a time, which reads the store again first; what a refresh brought is durable
//! before it is handed out; a failed refresh deletes nothing; a refresh once begun is finished whoever stops
//! waiting; a slow provider or keyring holds up no other login. Knows no editor and no terminal.

mod borrowed;
mod cache;
mod client;
mod events;
mod lent;
mod logout;
mod news;
mod obtained;
mod order;
mod providers;
mod refresh;
mod sources;
mod status;
mod usage;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

pub use events::Event;
pub use providers::providers;
pub use sources::{hides_identity, token_now};

use crate::clock::Clock;
use crate::config::Config;
use crate::credential::{Kind, Validity};
use crate::error::{Code, Error, Result};
use crate::http::Http;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::provider::{Provider, Source};
use crate::remote::Agent;
use crate::secret::Secret;
use crate::services::Services;
use crate::store::Store;
use crate::tasks;
use cache::{CredentialCache, Look};
use lent::Asked;
use obtained::Obtained;
use order::Order;
use refresh::{Backoff, Goal, PendingWrites, SingleFlight};
use sources::{Found, Passed};

/// Longest time that an exit waits for refreshes under way: their answers may be the only copy of a rotated
/// token.
pub const FINISH_TIME: Duration = Duration::from_secs(15);
/// Before all states are looked at because one has changed: whoever asked is to have the answer first.
const AFTER_ANSWER: Duration = Duration::from_millis(20);
/// Events that a slow listener may fall behind by.
const EVENTS: usize = 256;

/// Hands out credentials. Cheap to clone; needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    store: Store,
    http: Http,
    clock: Clock,
    agent: Option<Agent>,
    cache: Mutex<CredentialCache>,
    shared: Shared,
    /// One read of a login's secret at a time: a keyring that hangs takes one thread for each login and no
    /// more.
    reading: Mutex<HashMap<LoginId, Arc<tokio::sync::Mutex<()>>>>,
    telling: tokio::sync::Mutex<()>,
    events: broadcast::Sender<Event>,
}

/// What outlives a change of the settings.
#[derive(Debug, Clone, Default)]
struct Shared {
    flights: Arc<SingleFlight>,
    backoff: Arc<Backoff>,
    pending: Arc<PendingWrites>,
    usage: Arc<usage::UsageBook>,
    order: Arc<Order>,
    obtained: Obtained,
}

impl Broker {
    /// A broker; nothing is touched yet.
    pub fn new(services: Services) -> Self {
        Self::with(services, Shared::default())
    }

    /// A broker of other settings in this one's place: refreshes under way, and what the store has not taken
    /// yet, are its own from now on.
    #[must_use]
    pub fn reconfigured(&self, services: Services) -> Self {
        let shared = self.0.shared.clone();
        // What failed may have failed by the settings.
        shared.backoff.clear_all();
        Self::with(services, shared)
    }

    fn with(services: Services, shared: Shared) -> Self {
        let Services { config, store, http, clock, agent } = services;
        let (events, _) = broadcast::channel(EVENTS);
        Self(Arc::new(Inner {
            config,
            store,
            http,
            clock,
            agent,
            shared,
            cache: Mutex::default(),
            reading: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
            events,
        }))
    }

    /// A credential that is good for more than `min_validity` seconds (the settings' margin if not given), or
    /// the newest one there is if even a new one ends sooner.
    ///
    /// # Errors
    /// `not_logged_in` if no source yields one; `login_expired` if the stored login can no longer be
    /// refreshed and no other source yields one; the store's errors; those of a refresh that failed for now;
    /// those of the machine that lends it.
    pub async fn get(&self, login: &LoginId, min_validity: Option<i64>) -> Result<Credential> {
        let validity = Validity::new(min_validity, self.0.config.refresh.margin);
        if let Some(credential) = self.remembered(login, validity) {
            return Ok(credential);
        }
        if let Some(agent) = self.lender(login).await? {
            return self.borrow(agent, login, min_validity, None, Asked::Now).await;
        }
        match self.look_alone(login, validity).await? {
            Found::Good { credential, passed } => {
                if let Some(passed) = passed {
                    self.tell_source_changed(&credential, &passed);
                }
                Ok(*credential)
            }
            Found::Stale { token } => {
                self.refreshed(login, validity, Goal::Fresh { validity, seen: token }).await
            }
            Found::ToObtain { source, seen, passed } => {
                let credential = self.obtain_fresh(login, &source, validity, seen).await?;
                if let Some(passed) = passed {
                    self.tell_source_changed(&credential, &passed);
                }
                Ok(credential)
            }
        }
    }

    /// What to do after the API answered 401 to `rejected`: a newer credential if there is one already, else
    /// the same login refreshed once (rule 5).
    ///
    /// # Errors
    /// As for [`Broker::get`]; `provider_refused` if the refused token is one that cannot be refreshed.
    pub async fn invalidate(&self, login: &LoginId, rejected: &Secret) -> Result<Credential> {
        self.forget(login);
        if let Some(agent) = self.lender(login).await? {
            return self.borrow(agent, login, None, Some(rejected.clone()), Asked::Now).await;
        }
        let answers = &self.0.shared.obtained.answers;
        let runs = answers.runs(login);
        let newest = self.get(login, Some(0)).await?;
        if newest.token != *rejected {
            return Ok(newest);
        }
        if let Some(source) = obtained::source_of(&newest) {
            let is_new = answers.runs(login) != runs || answers.is_useless(login, rejected);
            return if is_new {
                Err(key_refused(&newest))
            } else {
                self.asked_again(login, &source, rejected).await
            };
        }
        if newest.source != "login" || newest.kind == Kind::ApiKey {
            return Err(key_refused(&newest));
        }
        self.forget(login);
        self.refreshed(login, Validity::AtLeast(0), Goal::Other { rejected: rejected.clone() }).await
    }

    /// The source is asked once more, and what it gives then is believed.
    async fn asked_again(&self, login: &LoginId, source: &Source, rejected: &Secret) -> Result<Credential> {
        let goal = Goal::Other { rejected: rejected.clone() };
        let newer = self.obtain(login, source, goal).await?;
        if newer.token == *rejected {
            self.0.shared.obtained.answers.note_useless(login, rejected);
            return Err(key_refused(&newer));
        }
        self.remember(&newer, true).await;
        Ok(newer)
    }

    async fn refreshed(&self, login: &LoginId, validity: Validity, goal: Goal) -> Result<Credential> {
        let rejected = match &goal {
            Goal::Other { rejected } => Some(rejected.clone()),
            Goal::Fresh { .. } => None,
        };
        let expired = match self.refresh(login, goal).await {
            Ok(credential) => {
                self.remember(&credential, true).await;
                return Ok(credential);
            }
            // For good: the next source is used, and that is told. A passing failure never switches.
            Err(error) if error.code() == Code::LoginExpired => error,
            Err(error) => return Err(error),
        };
        match self.look(login, validity, true).await? {
            // As the API refused it, and not refreshed.
            Found::Good { credential, .. } if rejected.as_ref() == Some(&credential.token) => Err(expired),
            Found::Good { credential, passed } => {
                if let Some(passed) = passed {
                    self.tell_source_changed(&credential, &passed);
                }
                Ok(*credential)
            }
            Found::Stale { .. } => Err(expired),
            Found::ToObtain { source, seen, passed } => {
                let credential = self.obtain_fresh(login, &source, validity, seen).await?;
                if let Some(passed) = passed {
                    self.tell_source_changed(&credential, &passed);
                }
                Ok(credential)
            }
        }
    }

    /// What this process has handed out, as long as it is good and nobody has written the index since.
    fn remembered(&self, login: &LoginId, validity: Validity) -> Option<Credential> {
        let (stamp, now) = (self.0.store.stamp(), self.0.clock.now());
        let is_good =
            |credential: &Credential| credential.is_fresh(now, validity.seconds(credential.lifetime));
        self.cache().ask(login, stamp, is_good)
    }

    /// [`Broker::look`] for one caller at a time: those behind the first find its answer in memory.
    async fn look_alone(&self, login: &LoginId, validity: Validity) -> Result<Found> {
        let reader = {
            let mut reading = self.0.reading.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(reading.entry(login.clone()).or_default())
        };
        let _alone = reader.lock().await;
        match self.remembered(login, validity) {
            Some(credential) => Ok(Found::Good { credential: Box::new(credential), passed: None }),
            None => self.look(login, validity, true).await,
        }
    }

    /// Goes through the sources, and remembers what is there.
    async fn look(&self, login: &LoginId, validity: Validity, used: bool) -> Result<Found> {
        let number = self.0.shared.order.next_look();
        let (name, stamp) = (login.clone(), self.0.store.stamp());
        let look = move |inner: &Inner| {
            let found = sources::find(
                &inner.config,
                &inner.store,
                &inner.clock,
                &inner.shared.obtained.answers,
                &name,
                validity,
            );
            let look = status::look(inner, &name, &found);
            (found, look)
        };
        let (found, look) = self.blocking(look).await?;
        if let Ok(Found::Good { credential, .. }) = &found {
            let (source, revision) = (&credential.source, credential.revision);
            tracing::debug!(%login, source, revision, "read");
            self.cache().keep(credential, Some(stamp), used);
        }
        self.note_look(login, number, look);
        found
    }

    /// Shows what a look brought from now on (rule 22): that a keyring is locked by now, say, or unlocked
    /// again.
    fn note_look(&self, login: &LoginId, number: u64, look: Look) {
        if let Err(error) = &look.outcome {
            tracing::debug!(%login, error = %error.code(), "no credential: {error}");
        }
        if self.cache().note_look(login, number, look) && self.0.events.receiver_count() > 0 {
            let broker = self.clone();
            tasks::spawn(async move {
                tokio::time::sleep(AFTER_ANSWER).await;
                broker.tell_all().await;
            });
        }
    }

    /// Remembers a stored login's credential that was not just read, if the index still says the same.
    async fn remember(&self, credential: &Credential, used: bool) {
        let (login, stamp) = (credential.login.clone(), self.0.store.stamp());
        let index = self.blocking(move |inner| inner.store.index()).await;
        let revision =
            index.ok().and_then(Result::ok).and_then(|index| Some(index.logins.get(&login)?.revision));
        let is_newest = revision == Some(credential.revision);
        self.cache().keep(credential, is_newest.then_some(stamp), used);
    }

    /// The provider as it is for a stored login, which may be of an organization with a server of its own.
    async fn provider_of(&self, login: &LoginId) -> Result<Arc<Provider>> {
        let name = login.clone();
        let organization = move |inner: &Inner| {
            let index = inner.store.index().ok()?;
            index.logins.get(&name)?.organization.clone()
        };
        let organization = self.blocking(organization).await?;
        self.0.config.provider_in(login.provider(), organization.as_deref())
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Waits for refreshes under way, for at most [`FINISH_TIME`], and for what they brought to be stored.
    /// Commands under way are ended.
    pub async fn finish_in_flight(&self) {
        self.cancel_commands();
        let all_done = async {
            self.0.shared.obtained.flights.all_done().await;
            self.0.shared.flights.all_done().await;
        };
        let _ = tokio::time::timeout(FINISH_TIME, all_done).await;
        self.write_at_last().await;
    }

    /// Nothing that was held or seen of a login counts any more.
    fn forget(&self, login: &LoginId) {
        self.cache().forget(login, self.0.shared.order.next_look());
    }

    fn cache(&self) -> MutexGuard<'_, CredentialCache> {
        self.0.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what blocks (files, D-Bus) where it holds up nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        self.0.store.run(move |_| work(&inner)).await
    }
}

fn key_refused(credential: &Credential) -> Error {
    Error::new(
        Code::ProviderRefused,
        format!("The provider refuses the key of {}.", credential.login.provider()),
    )
    .with_hint(match credential.source.strip_prefix("env:") {
        Some(variable) => format!("Correct or unset `{variable}`."),
        None if credential.source == Source::Command.name() => {
            "Correct what its command reads: it was run again, and gave the same.".to_owned()
        }
        None if credential.source == Source::Workload.name() => {
            "See what the provider lets this machine's identity do.".to_owned()
        }
        None => format!("Log in again with `:ConvLogin {}`.", credential.login),
    })
}
