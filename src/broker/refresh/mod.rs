//! Refreshing: asked for or ahead of time, once for all who want it, across processes.
//!
//! | file | subject |
//! |---|---|
//! | `goal` | what a refresh is for, and when it is reached |
//! | `single_flight` | one at a time in this process |
//! | `attempt` | one refresh: lock, read again, ask, store, hand out |
//! | `backoff` | providers that are left alone after a failure |
//! | `last_failure` | how the last one failed, for whoever holds the lock next |
//! | `persist` | what it brought becomes durable |
//! | `ahead` | before anybody has to wait for it |

mod ahead;
mod attempt;
mod backoff;
mod goal;
mod last_failure;
mod persist;
mod single_flight;

pub(super) use backoff::Backoff;
pub(super) use goal::Goal;
pub(super) use last_failure::{FailureRecord, now as record_time};
pub(super) use persist::PendingWrites;
pub(super) use single_flight::SingleFlight;

use super::Broker;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::Credential;

impl Broker {
    /// Joins the refresh under way, or begins one.
    pub(super) async fn refresh(&self, login: &LoginId, goal: Goal) -> Result<Credential> {
        // One that somebody else began may end short of this goal: then one more of our own.
        let mut short = None;
        for _ in 0..2 {
            let flight = self.0.shared.flights.join_or_start(login, self.work(login, &goal), self.after());
            let joined = flight.joined;
            match flight.outcome().await.unwrap_or_else(|| Err(broke_off())) {
                Ok(credential) if joined && self.falls_short(&goal, &credential) => short = Some(credential),
                result => return result,
            }
        }
        match short.filter(|credential| !goal.rejects(credential)) {
            // As new as it gets: a clock here or there is wrong.
            Some(credential) => Ok(credential),
            None => Err(self.0.shared.backoff.last_error(login).unwrap_or_else(broke_off)),
        }
    }

    fn work(&self, login: &LoginId, goal: &Goal) -> impl Future<Output = Result<Credential>> + use<> {
        let (broker, login, goal) = (self.clone(), login.clone(), goal.clone());
        async move {
            broker.tell_all().await;
            broker.attempt(&login, &goal).await
        }
    }

    pub(super) fn after(&self) -> impl Future<Output = ()> + use<> {
        let broker = self.clone();
        async move { broker.tell_all().await }
    }

    fn falls_short(&self, goal: &Goal, credential: &Credential) -> bool {
        goal.rejects(credential) || !credential.is_fresh(self.0.clock.now(), 0)
    }
}

/// A refresh whose task ended without an answer.
pub(super) fn broke_off() -> Error {
    Error::new(Code::ProviderError, "The refresh ended unexpectedly.")
        .with_hint("The log file tells where; try again.")
}
