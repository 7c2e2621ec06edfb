//! The ends of a login's patience: the person cancels, or nobody finishes in time.
//!
//! Guarantees: a cancel is noticed at the next await; the time limit holds by the wall clock too, which goes
//! on while a machine sleeps.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};

/// How often the wall clock is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The person's cancel. The sender's end counts as one: whoever started the login is gone.
#[derive(Debug, Clone)]
pub(super) struct CancelToken(watch::Receiver<bool>);

impl CancelToken {
    /// A cancel and the means to give it.
    pub fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Returns when the login is to end.
    pub async fn given(&mut self) {
        drop(self.0.wait_for(|given| *given).await);
    }

    /// Runs `work`, unless the login is cancelled first.
    ///
    /// # Errors
    /// What `work` says, or `cancelled`.
    pub async fn guard<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = self.given() => Err(cancelled()),
            result = work => result,
        }
    }
}

/// What a cancelled login ends with.
pub(super) fn cancelled() -> Error {
    Error::new(Code::Cancelled, "The login was cancelled.")
}

/// When a login gives up waiting.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    clock: Clock,
    at: Instant,
    half: Instant,
    /// The same by the wall clock, Unix seconds.
    pub expires_at: i64,
}

impl Deadline {
    /// `seconds` from now.
    pub fn after(seconds: u64, clock: &Clock) -> Self {
        let (now, length) = (Instant::now(), Duration::from_secs(seconds));
        Self {
            clock: clock.clone(),
            at: now + length,
            half: now + length / 2,
            expires_at: clock.now().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX)),
        }
    }

    /// Returns when half of the time is over.
    pub async fn half(&self) {
        tokio::time::sleep_until(self.half).await;
    }

    /// Returns when the time is up by either clock.
    pub async fn passed(&self) {
        loop {
            let left = self.expires_at.saturating_sub(self.clock.now());
            if left <= 0 || Instant::now() >= self.at {
                return;
            }
            let by_wall = Duration::from_secs(left.unsigned_abs());
            tokio::time::sleep_until(self.at.min(Instant::now() + LOOK.min(by_wall))).await;
        }
    }
}
