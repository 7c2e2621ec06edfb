//! One refresh of a login at a time within the process, joined by all who want it, and finished whoever stops
//! waiting.
//!
//! Guarantees: work begun runs in a task of its own; a login is free again before those who wait hear of the
//! end, also when the work panics. Knows nothing of what a refresh is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::Result;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::tasks;

type Outcome = Option<Result<Credential>>;

/// The refreshes under way.
#[derive(Debug, Default)]
pub(in crate::broker) struct SingleFlight(Mutex<HashMap<LoginId, watch::Receiver<Outcome>>>);

/// One of them, for somebody who waits for it.
pub(in crate::broker) struct Flight {
    outcome: watch::Receiver<Outcome>,
    /// Whether somebody else has begun it, for a goal of their own.
    pub joined: bool,
}

impl Flight {
    /// How it ended; `None` if its task ended without an answer.
    pub async fn outcome(mut self) -> Outcome {
        self.outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
    }
}

impl SingleFlight {
    /// Whether a login is being refreshed by this process.
    pub fn is_running(&self, login: &LoginId) -> bool {
        self.running().contains_key(login)
    }

    /// Waits until nothing is under way.
    pub async fn all_done(&self) {
        loop {
            let next = self.running().values().next().cloned();
            let Some(mut outcome) = next else { return };
            // An error means that it ended without an answer: as good.
            let _ = outcome.wait_for(Option::is_some).await;
            tokio::task::yield_now().await;
        }
    }

    /// Joins the login's refresh under way, or starts `work`; `after` runs once the outcome is known.
    pub(in crate::broker) fn join_or_start(
        self: &Arc<Self>,
        login: &LoginId,
        work: impl Future<Output = Result<Credential>> + Send + 'static,
        after: impl Future<Output = ()> + Send + 'static,
    ) -> Flight {
        let mut running = self.running();
        if let Some(outcome) = running.get(login) {
            return Flight { outcome: outcome.clone(), joined: true };
        }
        let (sender, outcome) = watch::channel(None);
        running.insert(login.clone(), outcome.clone());
        drop(running);
        let guard = Guard { all: Arc::clone(self), login: login.clone() };
        tasks::spawn(async move {
            let outcome = work.await;
            drop(guard);
            sender.send_replace(Some(outcome));
            after.await;
        });
        Flight { outcome, joined: false }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<LoginId, watch::Receiver<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a refresh off the list however its task ends, by a panic too.
struct Guard {
    all: Arc<SingleFlight>,
    login: LoginId,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.all.running().remove(&self.login);
    }
}
