//! Credentials that are obtained anew when they are needed, and never by a login: what a command prints, and
//! what an identity token of this machine is exchanged for.
//!
//! Guarantees: one run at a time for a login, in this process by single flight and, of a command, across
//! processes by the login's lock; behind the lock it is looked again, so that nobody runs what somebody else
//! has just run; one that failed is shared with those who waited, and left alone for a while; no command is
//! run that nobody waits for.
//!
//! | file | subject |
//! |---|---|
//! | `answers` | what they have brought, in this process's memory or sealed in the store |
//! | `attempt` | one run of a command: lock, look again, run, keep |
//! | `exchange` | one exchange of an identity token |
//! | `waiting` | what a person is told of a program that takes its time |

mod answers;
mod attempt;
mod exchange;
mod waiting;

use std::sync::Arc;

pub(super) use answers::{Answers, answer};
pub(super) use attempt::Cancels;
pub(super) use waiting::told;

use super::Broker;
use super::refresh::{Goal, SingleFlight, broke_off};
use crate::credential::Validity;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::provider::Source;
use crate::secret::Secret;

/// What outlives a change of the settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Obtained {
    /// What was brought, of this process.
    pub answers: Arc<Answers>,
    /// Runs under way.
    pub flights: Arc<SingleFlight>,
    /// Who has to hear that nobody waits any more.
    pub cancels: Arc<Cancels>,
}

/// The source that a credential was obtained from, if it was.
pub(super) fn source_of(credential: &Credential) -> Option<Source> {
    [Source::Command, Source::Workload].into_iter().find(|source| source.name() == credential.source)
}

impl Broker {
    /// Joins the run under way, or begins one.
    ///
    /// # Errors
    /// What the run says; `cancelled`.
    pub(super) async fn obtain(&self, login: &LoginId, source: &Source, goal: Goal) -> Result<Credential> {
        let mut last = None;
        // One that somebody else began may bring what this caller was refused.
        for _ in 0..2 {
            let work = self.obtaining(login, source, &goal);
            let after = self.after();
            let flight = self.0.shared.obtained.flights.join_or_start(login, work, after);
            let joined = flight.joined;
            let outcome = flight.outcome().await.unwrap_or_else(|| Err(broke_off()));
            match outcome {
                Ok(credential) if joined && goal.rejects(&credential) => last = Some(credential),
                outcome => return outcome,
            }
        }
        last.ok_or_else(broke_off)
    }

    fn obtaining(
        &self,
        login: &LoginId,
        source: &Source,
        goal: &Goal,
    ) -> impl Future<Output = Result<Credential>> + use<> {
        let (broker, login, source, goal) = (self.clone(), login.clone(), source.clone(), goal.clone());
        async move {
            broker.tell_all().await;
            broker.obtain_once(&login, &source, &goal).await
        }
    }

    /// What a caller gets of a source that has to be asked; the next source is none of this one's failures'
    /// business.
    pub(super) async fn obtain_fresh(
        &self,
        login: &LoginId,
        source: &Source,
        validity: Validity,
        seen: Option<Secret>,
    ) -> Result<Credential> {
        let seen = seen.unwrap_or_else(|| Secret::new(""));
        let credential = self.obtain(login, source, Goal::Fresh { validity, seen }).await?;
        self.remember(&credential, true).await;
        Ok(credential)
    }

    /// Ends every command under way: nobody waits any more.
    pub fn cancel_commands(&self) {
        self.0.shared.obtained.cancels.all();
    }
}
