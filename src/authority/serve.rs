//! The running service: sockets, time limits, access log, metrics, and an end that finishes what is under way.
//!
//! Guarantees: the access log holds address, method, route, status and time, never a query, header or body.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::net::TcpListener;
use warp::Filter;
use warp::http::{HeaderMap, Method, StatusCode};
use warp::path::FullPath;

use super::exchange::{self, Request, Response};
use super::metrics::Metrics;
use super::route::{self, Route};
use super::seal::Sealer;
use super::{Authority, Settings, secret_source};
use crate::bounded_server::{self, Limits, Stop};
use crate::clock::Clock;
use crate::error::{Code, Error, Result};

/// Largest body that an endpoint takes, in bytes: a registration is under 8 KiB, a token request under 16 KiB.
const MAX_BODY: usize = 32 * 1024;
/// Time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// What a public server bears. A connection lives longer than the slowest upstream answer.
const LIMITS: Limits = Limits {
    connections: 1024,
    header_bytes: 16 * 1024,
    header_time: Duration::from_secs(10),
    connection_time: Duration::from_secs(60),
    keep_alive: true,
};

/// A server that is bound and not yet serving.
pub struct Bound {
    authority: Arc<Authority>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    address: SocketAddr,
    access_log: bool,
}

/// Binds, and finds the secret: in the environment, in `secret_file`, or for loopback use in `own_secret`.
///
/// # Errors
/// `config_invalid` for a public address without a public URL or secret, `port_in_use` if it cannot listen, and
/// those of [`secret_source::find`].
pub async fn bind(
    settings: &Settings,
    secret_file: Option<&Path>,
    own_secret: &Path,
    clock: Clock,
) -> Result<Bound> {
    let loopback = settings.listen.ip().is_loopback();
    if !loopback && settings.public_url.is_none() {
        return Err(Error::new(Code::ConfigInvalid, "An address that others can reach needs a public URL.")
            .with_hint(
                "Pass `--public-url https://HOST` as clients reach this server, or listen on 127.0.0.1.",
            ));
    }
    let only_here = loopback && settings.public_url.is_none();
    let secrets = secret_source::find(secret_file, only_here.then_some(own_secret))?;
    let sealer = Sealer::new(&secrets.current, secrets.previous.as_ref())?;
    let listener = listen(settings.listen).await?;
    let address = listener.local_addr().map_err(|_| cannot_listen(settings.listen))?;
    let issuer = settings.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let authority = Arc::new(Authority::new(settings, &issuer, sealer, clock)?);
    let metrics_listener = match settings.metrics {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    Ok(Bound { authority, listener, metrics_listener, address, access_log: settings.access_log })
}

impl Bound {
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
        self.authority.issuer()
    }

    /// Serves until `end` resolves, then finishes the requests under way.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        let metrics = Arc::new(Metrics::default());
        let (stop, stopped) = Stop::new();
        let access_log = self.access_log;
        let service = Service { authority: self.authority, metrics: Arc::clone(&metrics), access_log };
        let main = bounded_server::serve(
            self.listener,
            move |peer| service.clone().filter(peer),
            LIMITS,
            stopped.clone(),
        );
        let side = async {
            if let Some(listener) = self.metrics_listener {
                bounded_server::serve(
                    listener,
                    move |_| metrics_filter(Arc::clone(&metrics)),
                    LIMITS,
                    stopped,
                )
                .await;
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

#[derive(Clone)]
struct Service {
    authority: Arc<Authority>,
    metrics: Arc<Metrics>,
    access_log: bool,
}

impl Service {
    fn filter(
        self,
        peer: SocketAddr,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
        let query = warp::query::raw().or(warp::any().map(String::new)).unify();
        warp::method()
            .and(warp::path::full())
            .and(query)
            .and(warp::header::headers_cloned())
            .and(warp::body::stream())
            .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap, body| {
                let service = self.clone();
                async move {
                    let head = Head { method, path, query, headers, peer };
                    service.answer(head, body).await
                }
            })
            .recover(|_| async {
                Ok::<_, Infallible>(exchange::text(StatusCode::BAD_REQUEST, "Bad request."))
            })
            .unify()
    }

    async fn answer<B: warp::Buf>(
        self,
        head: Head,
        body: impl warp::Stream<Item = std::result::Result<B, warp::Error>>,
    ) -> Response {
        let start = Instant::now();
        let route = route::find(&self.authority, head.path.as_str());
        let (method, peer) = (head.method.clone(), head.peer);
        let whole = match method == Method::POST {
            true => tokio::time::timeout(BODY_TIME, read_body(body)).await,
            // Nothing else has a body that counts.
            false => Ok(Some(Vec::new())),
        };
        let response = match whole {
            Ok(Some(body)) => route::answer(&self.authority, route, &head.with(body)).await,
            Ok(None) => {
                exchange::text(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large or was cut off.")
            }
            Err(_) => exchange::text(StatusCode::REQUEST_TIMEOUT, "The body did not come in time."),
        };
        self.metrics.count(route.name(), response.status().as_u16(), start.elapsed());
        if self.access_log {
            log_access(peer, &method, route, response.status(), start.elapsed());
        }
        response
    }
}

struct Head {
    method: Method,
    path: FullPath,
    query: String,
    headers: HeaderMap,
    peer: SocketAddr,
}

impl Head {
    fn with(self, body: Vec<u8>) -> Request {
        Request {
            method: self.method,
            path: self.path.as_str().to_owned(),
            query: self.query,
            headers: self.headers,
            peer: Some(self.peer.ip()),
            body,
        }
    }
}

async fn read_body<B: warp::Buf>(
    body: impl warp::Stream<Item = std::result::Result<B, warp::Error>>,
) -> Option<Vec<u8>> {
    let mut body = pin!(body);
    let mut whole = Vec::new();
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.ok()?;
        if whole.len() + chunk.remaining() > MAX_BODY {
            return None;
        }
        while chunk.has_remaining() {
            let part = chunk.chunk();
            whole.extend_from_slice(part);
            let length = part.len();
            chunk.advance(length);
        }
    }
    Some(whole)
}

fn metrics_filter(
    metrics: Arc<Metrics>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    warp::path::full().map(move |path: FullPath| match path.as_str() {
        "/metrics" => exchange::text(StatusCode::OK, metrics.render().trim_end()),
        _ => exchange::text(StatusCode::NOT_FOUND, "There is nothing here but /metrics."),
    })
}

/// One line an answer on standard error, which is a service's log.
fn log_access(peer: SocketAddr, method: &Method, route: Route, status: StatusCode, took: Duration) {
    let (ip, name) = (peer.ip(), route.name());
    let now = Clock::System.now();
    let _ = writeln!(
        std::io::stderr(),
        "{now} {ip} {method} {name} {} {:.1}ms",
        status.as_u16(),
        took.as_secs_f64() * 1000.0
    );
}
