//! Requests to a provider's API, on connections that are kept and shared.
//!
//! Guarantees: no redirect is followed, nothing is decoded, no header is added but `Host`; there is a limit
//! for a connection to stand and none for an answer, which may stream for hours.

use std::error::Error as _;
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error as ClientError;
use hyper_util::rt::TokioTimer;

use super::connector::Connector;
use super::replay::Attempt;
use crate::error::Error;
use crate::http::{Trust, passed_on_error};
use crate::tasks;

/// Time that a connection without a request is kept, in seconds: shorter than any vendor keeps it, so that a
/// request seldom meets one that is being closed (nginx's default is 75).
const IDLE: Duration = Duration::from_secs(50);

type Client = hyper_util::client::legacy::Client<Connector, Attempt>;

/// Clients, each set up when first used.
pub struct Upstream {
    trust: Trust,
    client: OnceLock<Client>,
    /// For upgrades, which HTTP/2 has none of.
    http1: OnceLock<Client>,
    /// For plain `http:`.
    direct: OnceLock<Client>,
}

impl Upstream {
    /// Servers whose certificates this trusts. Nothing is set up yet.
    pub fn new(trust: Trust) -> Self {
        Self { trust, client: OnceLock::new(), http1: OnceLock::new(), direct: OnceLock::new() }
    }

    /// Sends a request and returns once the head of the answer is there, with the connection still at hand
    /// for an upgrade.
    ///
    /// # Errors
    /// `network`, `timeout`.
    pub async fn send(&self, request: Request<Attempt>, upgrade: bool) -> Result<Response<Incoming>, Error> {
        let is_plain = request.uri().scheme() == Some(&http::uri::Scheme::HTTP);
        let client = self.client_for(is_plain, upgrade)?;
        let authority = request.uri().authority().cloned();
        client.request(request).await.map_err(|error| {
            let host = authority.as_ref().map_or("the provider", |authority| authority.host());
            passed_on_error(host, &error, is_timeout(&error))
        })
    }

    fn client_for(&self, is_plain: bool, upgrade: bool) -> Result<&Client, Error> {
        let (place, protocols): (_, &[&str]) = match (is_plain, upgrade) {
            (true, _) => (&self.direct, &[]),
            (false, true) => (&self.http1, &["http/1.1"]),
            (false, false) => (&self.client, &["h2", "http/1.1"]),
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let connector =
            if is_plain { Connector::direct() } else { Connector::secure(&self.trust, protocols)? };
        Ok(place.get_or_init(|| keeping_connections(connector)))
    }
}

fn keeping_connections(connector: Connector) -> Client {
    hyper_util::client::legacy::Client::builder(tasks::Executor)
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector)
}

/// Whether no connection stood in time.
fn is_timeout(error: &ClientError) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if inner.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        cause = inner.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::IDLE;

    #[test]
    fn the_readme_says_how_long_a_connection_is_kept() {
        let readme = include_str!("../../README.md");
        assert!(readme.contains(&format!("which closes {} s after its last request", IDLE.as_secs())));
    }
}
