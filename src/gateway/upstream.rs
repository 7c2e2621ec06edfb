//! Requests to a provider's API by this program's rules for HTTP: TLS, proxies, certificates, time to
//! connect.
//!
//! Guarantees: no redirect is followed, nothing is decoded, nothing said of this program; there is a limit
//! for a connection to stand and none for an answer, which may stream for hours. Connections are kept and
//! shared.

use std::sync::OnceLock;
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use reqwest::{Client, ClientBuilder, Url};

use crate::error::Error;
use crate::http::{self as client, plain_builder};

/// Time that a connection without a request is kept, in seconds: shorter than any vendor keeps it, so that a
/// request seldom meets one that is being closed (nginx's default is 75).
const IDLE: Duration = Duration::from_secs(50);

/// Clients, each set up when first used.
#[derive(Default)]
pub struct Upstream {
    client: OnceLock<Option<Client>>,
    /// For upgrades, which HTTP/2 has none of.
    http1: OnceLock<Option<Client>>,
    /// For plain `http:`, which leads to this machine only and to no proxy.
    direct: OnceLock<Option<Client>>,
}

impl Upstream {
    /// Sends a request and returns once the head of the answer is there, with the connection still at hand
    /// for an upgrade.
    ///
    /// # Errors
    /// `network`, `timeout`.
    pub async fn send(
        &self,
        parts: &Parts,
        url: Url,
        headers: HeaderMap,
        body: reqwest::Body,
        upgrade: bool,
    ) -> Result<reqwest::Response, Error> {
        let host = url.host_str().unwrap_or("the provider").to_owned();
        let client = self.client_for(&url, upgrade).ok_or_else(client::no_client)?;
        let mut request = reqwest::Request::new(parts.method.clone(), url);
        *request.headers_mut() = headers;
        *request.body_mut() = Some(body);
        client.execute(request).await.map_err(|error| client::transport_error(&host, &error))
    }

    fn client_for(&self, url: &Url, upgrade: bool) -> Option<&Client> {
        let set_up = |place: fn(&Self) -> &OnceLock<Option<Client>>,
                      build: fn(ClientBuilder) -> ClientBuilder| {
            let made = || client::build(|| build(plain_builder().pool_idle_timeout(IDLE))).ok();
            place(self).get_or_init(made).as_ref()
        };
        match (url.scheme() == "http", upgrade) {
            (true, _) => set_up(|this| &this.direct, |builder| builder.no_proxy().http1_only()),
            (false, true) => set_up(|this| &this.http1, ClientBuilder::http1_only),
            (false, false) => set_up(|this| &this.client, |builder| builder),
        }
    }
}
