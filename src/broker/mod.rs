//! "A fresh credential for this login": sources, memory, one refresh at a time, refresh ahead of time, logout.
//!
//! Guarantees (DESIGN part 3, rules 1 to 7): freshness is judged by the wall clock at the moment of use; one login is
//! refreshed by one process at a time, which reads the store again first; what a refresh brought is durable before it
//! is handed out; a failed refresh deletes nothing; a refresh once begun is finished whoever stops waiting; a slow
//! provider or keyring holds up no other login. Knows no editor and no terminal.

mod event;
mod flight;
mod handed_out;
mod logout;
mod refresh;
mod schedule;
mod source;
mod status;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;

pub use event::{Event, Level, Notice};
pub use logout::{Logout, Revoked};
pub use source::token_now;
pub use status::{LoginStatus, State};

use crate::clock::Clock;
use crate::config::Config;
use crate::credential::{Credential, Validity};
use crate::error::{Code, Error, Result};
use crate::http::Http;
use crate::login_id::LoginId;
use crate::secret::Secret;
use crate::store::Store;
use flight::{Flights, Goal};
use handed_out::Memory;
use source::Found;

/// Longest time that an exit waits for refreshes under way: their answers may be the only copy of a rotated token.
pub const FINISH_TIME: Duration = Duration::from_secs(15);
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
    memory: Mutex<Memory>,
    flights: Flights,
    events: broadcast::Sender<Event>,
}

impl Broker {
    /// A broker; nothing is touched yet.
    pub fn new(config: Config, store: Store, http: Http, clock: Clock) -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        Self(Arc::new(Inner {
            config,
            store,
            http,
            clock,
            memory: Mutex::default(),
            flights: Flights::default(),
            events,
        }))
    }

    /// A credential that is good for more than `min_validity` seconds (the settings' margin if not given), or the
    /// newest one there is if even a new one ends sooner.
    ///
    /// # Errors
    /// `not_logged_in` if no source yields one; `login_expired` if the stored login can no longer be refreshed and no
    /// other source yields one; the store's errors; those of a refresh that failed for now.
    pub async fn get(&self, login: &LoginId, min_validity: Option<i64>) -> Result<Credential> {
        let validity = Validity::new(min_validity, self.0.config.refresh.margin);
        if let Some(credential) = self.remembered(login, validity) {
            return Ok(credential);
        }
        let name = login.clone();
        let stamp = self.0.store.stamp();
        let found = self
            .blocking(move |inner| source::find(&inner.config, &inner.store, &inner.clock, &name, validity));
        match found.await?? {
            Found::Good { credential, refused } => {
                if let Some(refused) = refused {
                    self.tell_source_changed(login, &credential, &refused);
                }
                self.memory().used(&credential, stamp);
                Ok(*credential)
            }
            Found::Stale { token } => self.refreshed(login, Goal::Fresh { validity, seen: token }).await,
        }
    }

    /// What to do after the API answered 401 to `rejected`: a newer credential if there is one already, else the same
    /// login refreshed once (rule 5).
    ///
    /// # Errors
    /// As for [`Broker::get`]; `provider_refused` if the refused token is one that cannot be refreshed.
    pub async fn invalidate(&self, login: &LoginId, rejected: &Secret) -> Result<Credential> {
        self.memory().forget(login);
        let newest = self.get(login, Some(0)).await?;
        if newest.token != *rejected {
            return Ok(newest);
        }
        if newest.source != "login" || newest.kind == crate::credential::Kind::ApiKey {
            return Err(key_refused(&newest));
        }
        self.memory().forget(login);
        self.refreshed(login, Goal::Other { rejected: rejected.clone() }).await
    }

    async fn refreshed(&self, login: &LoginId, goal: Goal) -> Result<Credential> {
        match self.fly(login, goal).await {
            Ok(credential) => {
                self.memory().used(&credential, self.0.store.stamp());
                Ok(credential)
            }
            // For good: the next source is used, and that is told (DESIGN 2.7). A passing failure never switches.
            Err(error) if error.code() == Code::LoginExpired => self.next_source(login, error).await,
            Err(error) => Err(error),
        }
    }

    async fn next_source(&self, login: &LoginId, expired: Error) -> Result<Credential> {
        let (name, stamp) = (login.clone(), self.0.store.stamp());
        let found =
            self.blocking(move |inner| source::after_login(&inner.config, &inner.store, &name)).await??;
        let Some(credential) = found else { return Err(expired) };
        self.tell_source_changed(login, &credential, &expired);
        self.memory().used(&credential, stamp);
        Ok(credential)
    }

    /// What this process has handed out, as long as it is good and nobody has written the index since.
    fn remembered(&self, login: &LoginId, validity: Validity) -> Option<Credential> {
        let stamp = self.0.store.stamp();
        let credential = self.memory().current(login, stamp)?;
        let fresh = credential.is_fresh(self.0.clock.now(), validity.seconds(credential.lifetime));
        if fresh {
            self.memory().used(&credential, stamp);
        }
        fresh.then_some(credential)
    }

    /// Events from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// Waits for refreshes under way, for at most [`FINISH_TIME`].
    pub async fn finish_in_flight(&self) {
        let _ = tokio::time::timeout(FINISH_TIME, self.0.flights.all_landed()).await;
    }

    fn tell_source_changed(&self, login: &LoginId, credential: &Credential, refused: &Error) {
        if !self.memory().tell_once(login, refused.message()) {
            return;
        }
        let message = format!("{} {} is used instead.", refused.message(), spell(&credential.source));
        let hint = format!("Log in again with `:ConvLogin {login}` to use the login.");
        let error = Error::new(refused.code(), message).with_hint(hint);
        self.tell(Event::Notice(Notice { level: Level::Warn, error, login: Some(login.clone()) }));
    }

    fn tell(&self, event: Event) {
        // Nobody listens on the command line: no fault.
        let _ = self.0.events.send(event);
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what blocks (files, D-Bus) where it holds up nobody.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|_| {
            Error::new(Code::StoreUnreadable, "Reading the store failed unexpectedly.")
                .with_hint("The log file tells where; try again.")
        })
    }
}

fn spell(source: &str) -> String {
    match source.strip_prefix("env:") {
        Some(variable) => format!("`{variable}` of the environment"),
        None if source == "app" => "The Convocations app's key".to_owned(),
        None => "The stored login".to_owned(),
    }
}

fn key_refused(credential: &Credential) -> Error {
    Error::new(
        Code::ProviderRefused,
        format!("The provider refuses the key of {}.", credential.login.provider()),
    )
    .with_hint(match credential.source.strip_prefix("env:") {
        Some(variable) => format!("Correct or unset `{variable}`."),
        None => format!("Log in again with `:ConvLogin {}`.", credential.login),
    })
}
