//! Single flight within the process: one refresh of a login at a time, joined by all who want it, and finished
//! whoever stops waiting. Also remembers which providers are left alone for a while after a passing failure.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Broker;
use crate::credential::{Tokens, Validity};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::Failure;
use crate::protocol::Credential;
use crate::secret::Secret;

/// First and longest time that a failing provider is left alone between calls.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// The longest where the provider is not even reached: nobody is spared by more, and the network may be back.
const UNREACHED: Duration = Duration::from_secs(5);
/// Bounds of what a provider may ask for (CLIProxyAPI clamps Anthropic's to the same).
pub(super) const RETRY_AFTER: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// When a refresh has reached what it is for.
#[derive(Debug, Clone)]
pub(super) enum Goal {
    /// A token that is good for long enough; or, where the provider gives none that is, any newer one than `seen`:
    /// somebody else has just fetched it.
    Fresh { validity: Validity, seen: Secret },
    /// Any token that is good but this one, which the API refused.
    Other { rejected: Secret },
}

impl Goal {
    /// Whether nothing needs to be asked of the provider.
    pub fn is_met(&self, tokens: &Tokens, now: i64) -> bool {
        match self {
            Self::Fresh { validity, seen } => {
                let newer = tokens.access_token != *seen && tokens.is_fresh(now, 0);
                newer || tokens.is_fresh(now, validity.seconds(tokens.lifetime()))
            }
            Self::Other { rejected } => tokens.access_token != *rejected && tokens.is_fresh(now, 0),
        }
    }

    fn rejects(&self, credential: &Credential) -> bool {
        matches!(self, Self::Other { rejected } if credential.token == *rejected)
    }

    /// Whether the old token may be handed out when no new one can be had: while it lives, unless the API refuses it.
    pub fn may_use_old(&self, tokens: &Tokens, now: i64) -> bool {
        matches!(self, Self::Fresh { .. }) && tokens.is_fresh(now, 0)
    }
}

type Outcome = Option<Result<Credential>>;

/// Refreshes under way, and providers at rest.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: Mutex<HashMap<LoginId, watch::Receiver<Outcome>>>,
    resting: Mutex<HashMap<LoginId, Rest>>,
}

#[derive(Debug, Clone)]
struct Rest {
    until: Instant,
    pause: Duration,
    /// The end of the token that is used meanwhile, Unix seconds: the rest ends with it, unless the provider asked for
    /// it.
    used_until: Option<i64>,
    error: Error,
}

impl Flights {
    /// Whether a login is being refreshed by this process.
    pub fn is_flying(&self, login: &LoginId) -> bool {
        self.under_way().contains_key(login)
    }

    /// Waits until nothing is under way.
    pub async fn all_landed(&self) {
        loop {
            let next = self.under_way().values().next().cloned();
            let Some(mut flight) = next else { return };
            // An error means that the flight ended without an answer: as good.
            let _ = flight.wait_for(Option::is_some).await;
            tokio::task::yield_now().await;
        }
    }

    /// Why the last refresh of a login failed, until one succeeds.
    pub fn last_error(&self, login: &LoginId) -> Option<Error> {
        self.resting().get(login).map(|rest| rest.error.clone())
    }

    /// The error to answer with while a login's provider is left alone.
    pub fn resting_error(&self, login: &LoginId, now: i64) -> Option<Error> {
        let resting = self.resting();
        let rest = resting.get(login).filter(|rest| Instant::now() < rest.until)?;
        rest.used_until.is_none_or(|end| now < end).then(|| rest.error.clone())
    }

    /// Notes how a refresh went, and until when the old token is used if it failed.
    pub fn note(&self, login: &LoginId, result: &Result<Tokens, Failure>, used_until: Option<i64>) {
        let mut resting = self.resting();
        match result {
            Ok(_) | Err(Failure::Refused(_)) => drop(resting.remove(login)),
            Err(failure) => {
                let (retry_after, longest) = match failure {
                    Failure::Transient { retry_after, sent, error } => {
                        let unreached = !sent && error.code() == Code::Network;
                        (*retry_after, if unreached { UNREACHED } else { BACKOFF.1 })
                    }
                    _ => (None, BACKOFF.1),
                };
                let before = resting.get(login).map_or(Duration::ZERO, |rest| rest.pause);
                let pause = match retry_after {
                    Some(wait) => wait.clamp(RETRY_AFTER.0, RETRY_AFTER.1),
                    None => (before * 2).clamp(BACKOFF.0, longest),
                };
                let error = failure.error().clone().with_retry_after(Some(pause));
                let used_until = used_until.filter(|_| retry_after.is_none());
                resting
                    .insert(login.clone(), Rest { until: Instant::now() + pause, pause, used_until, error });
            }
        }
    }

    /// Forgets that a login's provider is left alone: the person has just logged in, or out.
    pub fn wake(&self, login: &LoginId) {
        self.resting().remove(login);
    }

    /// [`Flights::wake`] for all: the settings have changed.
    pub fn wake_all(&self) {
        self.resting().clear();
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<LoginId, watch::Receiver<Outcome>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> MutexGuard<'_, HashMap<LoginId, Rest>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    pub(super) fn wake(&self, login: &LoginId) {
        self.0.flights.wake(login);
    }

    /// Joins the refresh under way, or begins one.
    pub(super) async fn fly(&self, login: &LoginId, goal: Goal) -> Result<Credential> {
        // A flight that somebody else began may land short of this goal: then one more of our own.
        let mut short = None;
        for _ in 0..2 {
            let (mut flight, joined) = self.join(login, &goal);
            let outcome = match flight.wait_for(Option::is_some).await {
                Ok(outcome) => outcome.clone(),
                Err(_) => None,
            };
            match outcome.unwrap_or_else(|| Err(broke_off())) {
                Ok(credential) if joined && self.falls_short(&goal, &credential) => short = Some(credential),
                result => return result,
            }
        }
        match short.filter(|credential| !goal.rejects(credential)) {
            // As new as it gets: a clock here or there is wrong.
            Some(credential) => Ok(credential),
            None => Err(self.0.flights.last_error(login).unwrap_or_else(broke_off)),
        }
    }

    fn falls_short(&self, goal: &Goal, credential: &Credential) -> bool {
        goal.rejects(credential) || !credential.is_fresh(self.0.clock.now(), 0)
    }

    fn join(&self, login: &LoginId, goal: &Goal) -> (watch::Receiver<Outcome>, bool) {
        let mut under_way = self.0.flights.under_way();
        if let Some(flight) = under_way.get(login) {
            return (flight.clone(), true);
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(login.clone(), receiver.clone());
        drop(under_way);
        let landing = Landing { broker: self.clone(), login: login.clone() };
        let goal = goal.clone();
        tokio::spawn(async move {
            landing.broker.tell_all().await;
            let outcome = landing.broker.refresh(&landing.login, &goal).await;
            let broker = landing.broker.clone();
            drop(landing);
            sender.send_replace(Some(outcome));
            broker.tell_all().await;
        });
        (receiver, false)
    }
}

/// Takes a flight off the list however its task ends, by a panic too.
struct Landing {
    broker: Broker,
    login: LoginId,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.broker.0.flights.under_way().remove(&self.login);
    }
}

/// A refresh whose task ended without an answer.
pub(super) fn broke_off() -> Error {
    Error::new(Code::ProviderError, "The refresh ended unexpectedly.")
        .with_hint("The log file tells where; try again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds that a login's provider is left alone, failure after failure.
    fn pauses(failure: impl Fn() -> Failure) -> Vec<u64> {
        let (flights, login) = (Flights::default(), "anthropic".parse().unwrap());
        let fail = |_| {
            flights.note(&login, &Err(failure()), None);
            assert!(flights.resting_error(&login, 0).is_some());
            flights.resting()[&login].pause.as_secs()
        };
        let found = (0..8).map(fail).collect();
        flights.note(&login, &Ok(Tokens::api_key(Secret::new("new"), 0)), None);
        assert!(flights.resting_error(&login, 0).is_none(), "a success ends it");
        found
    }

    fn failed(code: Code, retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure::Transient { error: Error::new(code, "It failed."), retry_after, sent: false }
    }

    #[test]
    fn a_failing_provider_is_left_alone_for_longer_and_longer_but_not_for_long() {
        assert_eq!(pauses(|| failed(Code::ProviderError, None)), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pauses(|| failed(Code::Network, None)), [1, 2, 4, 5, 5, 5, 5, 5]);
        let wrong = || Failure::Configuration(Error::new(Code::ProviderRefused, "A setting."));
        assert_eq!(pauses(wrong), [1, 2, 4, 8, 16, 30, 30, 30]);
        for (asked, bounded) in [(0, 5), (60, 60), (u64::MAX, 300)] {
            assert_eq!(pauses(|| failed(Code::RateLimited, Some(asked))), [bounded; 8]);
        }
    }

    #[test]
    fn a_rest_that_nobody_asked_for_ends_with_the_token_used_meanwhile() {
        let (flights, login) = (Flights::default(), "anthropic".parse().unwrap());
        for (retry_after, rests) in [(None, false), (Some(60), true)] {
            flights.note(&login, &Err(failed(Code::ProviderError, retry_after)), Some(100));
            assert!(flights.resting_error(&login, 99).is_some());
            assert_eq!(flights.resting_error(&login, 100).is_some(), rests);
        }
    }
}
