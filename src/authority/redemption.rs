//! The exchange of a code at OpenRouter, which goes on when the connection that asked for it breaks.
//!
//! Guarantees: OpenRouter's code works once, so an exchange that was sent is never cancelled. If nobody was
//! there to take its key, whoever comes within a minute with the same code gets it, and has proved by then
//! that the code is theirs; after that it is gone. Bounded in number; nothing of it is written anywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::upstream::{Upstream, UpstreamError};
use crate::secret::Secret;
use crate::tasks;

/// How long a key waits for a client whose connection broke.
const KEEP: Duration = Duration::from_secs(60);
/// Most exchanges that nobody waits for: each was paid for with a consent.
const MAX_LEFT: usize = 1000;

type Exchange = JoinHandle<Result<Secret, UpstreamError>>;
/// Exchanges that nobody waits for at the moment, by the digest of the code.
type Left = Arc<Mutex<HashMap<[u8; 32], LeftBehind>>>;

/// One that its client has left.
struct LeftBehind {
    since: Instant,
    exchange: Exchange,
}

/// The exchanges of one instance.
#[derive(Default)]
pub struct Redemptions {
    left: Left,
}

impl Redemptions {
    /// The key for OpenRouter's `code`, by a new exchange or by one that was left behind.
    ///
    /// # Errors
    /// An [`UpstreamError`].
    pub async fn redeem(
        &self,
        upstream: &Upstream,
        code: &str,
        verifier: &str,
    ) -> Result<Secret, UpstreamError> {
        let name: [u8; 32] = Sha256::digest(code.as_bytes()).into();
        let exchange = self.take(&name).unwrap_or_else(|| {
            let (upstream, code, verifier) = (upstream.clone(), code.to_owned(), Secret::new(verifier));
            tasks::spawn(async move { upstream.exchange(&code, verifier.expose()).await })
        });
        let mut wait = Wait { left: Arc::clone(&self.left), name, exchange: Some(exchange) };
        wait.end().await
    }

    fn take(&self, name: &[u8; 32]) -> Option<Exchange> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.retain(|_, one| one.since.elapsed() < KEEP);
        left.remove(name).map(|one| one.exchange)
    }
}

/// Somebody who waits for an exchange, and leaves it behind when dropped before its end.
struct Wait {
    left: Left,
    name: [u8; 32],
    exchange: Option<Exchange>,
}

impl Wait {
    async fn end(&mut self) -> Result<Secret, UpstreamError> {
        let Some(exchange) = &mut self.exchange else {
            return Err(UpstreamError::Unavailable(None));
        };
        let ended = exchange.await;
        self.exchange = None;
        ended.unwrap_or(Err(UpstreamError::Unavailable(None)))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        tracing::info!("a client went away before it had its key");
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if left.len() < MAX_LEFT {
            left.insert(self.name, LeftBehind { since: Instant::now(), exchange });
        }
    }
}
