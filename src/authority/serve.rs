//! The running service: sockets, time limits, and an end that finishes what is under way.
//!
//! Guarantees: a public address needs a public URL and a secret that the operator chose. Without a public URL
//! the server is one person's: programs of other users of the machine are closed unread on Linux. One could
//! consent for itself, and plant the cookie it got by a page on another port of this host (RFC 6265, 8.5).
//! Knows nothing of what the endpoints mean.

use std::convert::Infallible;
use std::future::ready;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, Limited};
use tokio::net::TcpListener;
use warp::http::{self, Method, StatusCode};
use warp::hyper::body::{Bytes, Incoming};
use warp::hyper::service::service_fn;

use super::access::{Answered, Metrics};
use super::exchange::{self, Request};
use super::route;
use super::seal::Sealer;
use super::server::AuthorizationServer;
use super::{Settings, secret_source};
use crate::bounded_server::{self, Bounds, Client, Limits, Stop};
use crate::clock::Clock;
use crate::descriptors;
use crate::error::{Code, Error, Result};

/// Largest body that an endpoint takes, in bytes: a registration is under 8 KiB, a token request under 16
/// KiB.
const MAX_BODY: usize = 32 * 1024;
/// Time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// What a public server bears. The grace is longer than the slowest upstream answer.
const LIMITS: Limits = Limits {
    bounds: Bounds { connections: 1024, per_address: Some(128), own_user_only: false },
    header_bytes: 16 * 1024,
    header_time: Duration::from_secs(10),
    connection_time: Duration::from_secs(60),
    grace: Duration::from_secs(30),
    keep_alive: true,
};

/// The authorization server, bound and not yet serving.
pub struct Authority {
    server: Arc<AuthorizationServer>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    address: SocketAddr,
    access_log: bool,
    is_personal: bool,
    warning: Option<&'static str>,
}

impl Authority {
    /// Binds, and finds the secret: in the environment, in the operator's file, or for loopback use in a file
    /// of its own.
    ///
    /// # Errors
    /// `config_invalid` for a public address without a public URL or secret, `port_in_use` if it cannot
    /// listen, and those of the secret's file.
    pub async fn bind(settings: &Settings, clock: Clock) -> Result<Self> {
        let loopback = settings.listen.ip().is_loopback();
        if !loopback && settings.public_url.is_none() {
            return Err(Error::new(
                Code::ConfigInvalid,
                "An address that others can reach needs a public URL.",
            )
            .with_hint(
                "Pass `--public-url https://HOST` as clients reach this server, or listen on 127.0.0.1.",
            ));
        }
        let is_personal = loopback && settings.public_url.is_none();
        let own = is_personal.then_some(settings.own_secret.as_path());
        let secrets = secret_source::find(settings.secret_file.as_deref(), own)?;
        let sealer = Sealer::new(&secrets.current, secrets.previous.as_ref())?;
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr().map_err(|_| cannot_listen(settings.listen))?;
        let issuer = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
        let server = Arc::new(AuthorizationServer::new(settings, &issuer, sealer, clock)?);
        let metrics_listener = match settings.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let (access_log, warning) = (settings.access_log, secrets.warning);
        Ok(Self { server, listener, metrics_listener, address, access_log, is_personal, warning })
    }

    /// Where it listens: the port is known only now if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the metrics are, if they were asked for.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listener.as_ref()?.local_addr().ok()
    }

    /// What clients call it.
    pub fn issuer(&self) -> &str {
        self.server.issuer()
    }

    /// What the operator should change, if anything.
    pub fn warning(&self) -> Option<&'static str> {
        self.warning
    }

    /// Serves until `end` resolves, then finishes the requests under way.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        descriptors::raise();
        let metrics = Arc::new(Metrics::default());
        let (stop, stopped) = Stop::new();
        // Behind a proxy one address is everybody.
        let per_address = LIMITS.bounds.per_address.filter(|_| !self.server.trust_forwarded_for);
        let bounds = Bounds { per_address, own_user_only: self.is_personal, ..LIMITS.bounds };
        let handler =
            Handler { server: self.server, metrics: Arc::clone(&metrics), access_log: self.access_log };
        let main = bounded_server::serve(
            vec![self.listener],
            move |client: Client| {
                let handler = handler.clone();
                service_fn(move |request| handler.clone().answer(request, client.ip()))
            },
            Limits { bounds, ..LIMITS },
            stopped.clone(),
        );
        let side = async {
            if let Some(listener) = self.metrics_listener {
                let make = move |_| {
                    let metrics = Arc::clone(&metrics);
                    service_fn(move |request| ready(show_metrics(&metrics, &request)))
                };
                bounded_server::serve(vec![listener], make, LIMITS, stopped).await;
            }
        };
        let both = async { tokio::join!(main, side) };
        let mut both = pin!(both);
        tokio::select! {
            _ = both.as_mut() => {}
            () = end => {
                stop.stop();
                both.await;
            }
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|_| cannot_listen(address))
}

fn cannot_listen(address: SocketAddr) -> Error {
    Error::new(Code::PortInUse, format!("The address {address} cannot be listened on."))
        .with_hint("Another program may have it; choose another with `--listen`.")
}

/// A whole answer; there is always one.
type Answer = std::result::Result<http::Response<Full<Bytes>>, Infallible>;

/// What answers the requests of all connections.
#[derive(Clone)]
struct Handler {
    server: Arc<AuthorizationServer>,
    metrics: Arc<Metrics>,
    access_log: bool,
}

impl Handler {
    async fn answer(self, request: http::Request<Incoming>, peer: Option<IpAddr>) -> Answer {
        let start = Instant::now();
        let (head, body) = request.into_parts();
        let method = head.method.clone();
        let route = route::find(&self.server, head.uri.path());
        let response = match read_body(&method, body).await {
            Ok(body) => {
                let request = Request {
                    method: head.method,
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    peer,
                    body,
                };
                route::answer(&self.server, route, &request).await
            }
            Err((status, words)) => exchange::public_text(status, words),
        };
        let answered = Answered { peer, method, route, status: response.status(), took: start.elapsed() };
        self.metrics.count(&answered);
        if self.access_log {
            answered.log();
        }
        Ok(response.map(Full::new))
    }
}

/// The body of a POST; nothing else has one that counts.
async fn read_body(
    method: &Method,
    body: Incoming,
) -> std::result::Result<Bytes, (StatusCode, &'static str)> {
    if method != Method::POST {
        return Ok(Bytes::new());
    }
    match tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(_)) => Err((StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or was cut off.")),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "The body did not come in time.")),
    }
}

/// What a metrics listener answers.
fn show_metrics(metrics: &Metrics, request: &http::Request<Incoming>) -> Answer {
    let response = match request.uri().path() {
        "/metrics" => exchange::text(StatusCode::OK, metrics.render().trim_end()),
        _ => exchange::text(StatusCode::NOT_FOUND, "There is nothing here but /metrics."),
    };
    Ok(response.map(Full::new))
}
