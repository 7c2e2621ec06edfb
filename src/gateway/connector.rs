//! Connections to providers' APIs, by this program's rules for HTTP: TLS, proxies, certificates, time to
//! connect.
//!
//! Guarantees: a connection stands within [`client::CONNECT_TIMEOUT`], TLS and proxy included, or there is
//! none; one whose other side has died is noticed within a minute, however long a stream is silent. Knows no
//! request.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::Error;
use crate::http as client;

/// A silent connection is asked this often whether it is still there, this many times (Linux: in all this
/// long).
const PROBE: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Straight to this machine, or by HTTPS.
#[derive(Clone)]
pub enum Connector {
    /// Plain `http:`, which leads to this machine only and to no proxy.
    Direct(HttpConnector),
    /// HTTPS, through the proxy that the environment names.
    Secure(HttpsConnector<ThroughProxy>),
}

impl Connector {
    /// For plain `http:`.
    pub fn direct() -> Self {
        Self::Direct(tcp())
    }

    /// For HTTPS that offers these protocols (ALPN), best first.
    ///
    /// # Errors
    /// As for [`client::Trust::tls`].
    pub fn secure(trust: &client::Trust, protocols: &[&str]) -> Result<Self, Error> {
        let config = trust.tls(protocols)?;
        let mut to_proxy = config.clone();
        to_proxy.alpn_protocols.clear();
        let proxies = Arc::new(client::proxies());
        let through = ThroughProxy { tcp: tcp(), to_proxy: Arc::new(to_proxy), proxies };
        Ok(Self::Secure(HttpsConnector::from((through, config))))
    }
}

fn tcp() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    // Pieces of a request are small and must not wait for each other.
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(client::CONNECT_TIMEOUT));
    connector.set_keepalive(Some(PROBE));
    connector.set_keepalive_interval(Some(PROBE));
    connector.set_keepalive_retries(Some(PROBES));
    connector
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Io>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Self::Direct(direct) => direct.poll_ready(cx).map_err(Into::into),
            Self::Secure(secure) => secure.poll_ready(cx),
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Self::Direct(direct) => {
                let connecting = direct.call(uri);
                Box::pin(async {
                    let stream = connecting.await?;
                    Ok(MaybeHttpsStream::Http(MaybeHttpsStream::Http(stream)))
                })
            }
            Self::Secure(secure) => {
                let connecting = secure.call(uri);
                Box::pin(async {
                    let limited = tokio::time::timeout(client::CONNECT_TIMEOUT, connecting);
                    limited.await.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
                })
            }
        }
    }
}

/// TCP, or a tunnel through a proxy, which may be spoken to by TLS itself.
type Io = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection to a host, through the proxy that the environment names for it.
#[derive(Clone)]
pub struct ThroughProxy {
    tcp: HttpConnector,
    to_proxy: Arc<ClientConfig>,
    proxies: Arc<Matcher>,
}

impl Service<Uri> for ThroughProxy {
    type Response = Io;
    type Error = BoxError;
    type Future = Connecting<Io>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&uri) else {
            let connecting = self.tcp.call(uri);
            return Box::pin(async { Ok(MaybeHttpsStream::Http(connecting.await?)) });
        };
        let to_proxy = HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.to_proxy)));
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connecting = tunnel.call(uri);
        Box::pin(async { connecting.await.map_err(Into::into) })
    }
}
