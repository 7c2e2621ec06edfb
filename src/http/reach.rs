//! The way to a server, step by step, so that a person learns which one fails.
//!
//! Guarantees: each step has a time limit of its own; the first that fails is the last that is tried; the
//! steps up to the proxy are walked here, the rest by the client that every other request uses. Sends no
//! secret but a proxy's own, and that to the proxy.

use std::error::Error as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hyper_util::client::proxy::matcher::Intercept;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::transport_error::{
    no_secure_connection, proxy_refused, proxy_wants_password, tls_trouble, trouble,
};
use super::{Http, Trust, date, proxies};
use crate::error::{Code, Error, Result};
use crate::loopback::is_loopback;
use crate::protocol::{Reach, ReachStep, Step};

/// Longest time for one step.
pub const STEP_TIME: Duration = Duration::from_secs(5);
/// Clocks that differ by more than this many seconds make tokens look fresh that are not.
const SKEW: i64 = 60;
/// Longest head of a proxy's answer that is read, in bytes.
const MAX_HEAD: usize = 8 << 10;

/// Walks to the server of `url`, which gets a HEAD request for it. `now` is this machine's time, Unix
/// seconds.
pub async fn reach(trust: &Trust, url: &Url, now: i64) -> Reach {
    // A client gives half of its time to the connection.
    let http = &Http::new(2 * STEP_TIME, trust.clone());
    let proxy = proxy_for(url);
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut walk = Walk {
        began: Instant::now(),
        reach: Reach {
            server: url.origin().ascii_serialization(),
            logins: Vec::new(),
            proxy: proxy.as_ref().and_then(|proxy| Some(proxy.uri().authority()?.to_string())),
            steps: Vec::new(),
        },
    };
    if let Some(stream) = walk.connect(url, &host, proxy.as_ref()).await {
        let tunnelled = match proxy.as_ref().filter(|proxy| proxy.uri().scheme_str() == Some("http")) {
            Some(proxy) => walk.step(Step::Proxy, tunnel(stream, url, &host, proxy)).await.is_some(),
            None => {
                drop(stream);
                true
            }
        };
        if tunnelled {
            walk.ask(http, url, &host, now).await;
        }
    }
    walk.reach
}

/// The proxy that requests to `url` go through.
fn proxy_for(url: &Url) -> Option<Intercept> {
    if is_loopback(url) && url.scheme() == "http" {
        return None;
    }
    proxies().intercept(&url.as_str().parse().ok()?)
}

struct Walk {
    began: Instant,
    reach: Reach,
}

impl Walk {
    /// Takes a step; `None` if it fails.
    async fn step<T>(&mut self, step: Step, work: impl Future<Output = Result<T>>) -> Option<T> {
        let done = tokio::time::timeout(STEP_TIME, work).await.unwrap_or_else(|_| Err(too_slow(step)));
        self.took(step, done.as_ref().err().cloned());
        done.ok()
    }

    fn took(&mut self, step: Step, error: Option<Error>) {
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began = Instant::now();
        self.reach.steps.push(ReachStep { step, ms, error });
    }

    async fn connect(&mut self, url: &Url, host: &str, proxy: Option<&Intercept>) -> Option<TcpStream> {
        let (name, port) = match proxy {
            Some(proxy) => (proxy.uri().host()?.to_owned(), proxy.uri().port_u16().unwrap_or(80)),
            None => (host.to_owned(), url.port_or_known_default()?),
        };
        let who = if proxy.is_some() { format!("the proxy {name}") } else { name.clone() };
        let name = name.trim_matches(['[', ']']).to_owned();
        let addresses = self.step(Step::Name, resolve(&name, port, &who)).await?;
        self.step(Step::Connect, dial(&addresses, &who)).await
    }

    /// TLS, an answer, and its clock, by the client that every other request uses.
    async fn ask(&mut self, http: &Http, url: &Url, host: &str, now: i64) {
        let is_tls = url.scheme() == "https";
        let request = match http.request(reqwest::Method::HEAD, url.clone()) {
            Ok(request) => request,
            Err(trouble) => return self.took(Step::Tls, Some(trouble.error)),
        };
        let error = match request.send().await {
            Ok(answer) => {
                if is_tls {
                    self.took(Step::Tls, None);
                }
                self.took(Step::Answer, None);
                if let Some(date) = date(answer.headers()) {
                    self.took(Step::Clock, differing(host, date - now));
                }
                return;
            }
            Err(error) => error,
        };
        let told = trouble(host, &error);
        let failed_in_tls = is_tls && (tls_trouble(error.source()).is_some() || !told.sent);
        if is_tls && !failed_in_tls {
            self.took(Step::Tls, None);
        }
        let is_named = error.is_timeout() || tls_trouble(error.source()).is_some();
        // The connection stood a moment ago.
        let why = if failed_in_tls && !is_named { no_secure_connection(host) } else { told.error };
        self.took(if failed_in_tls { Step::Tls } else { Step::Answer }, Some(why));
    }
}

async fn resolve(name: &str, port: u16, who: &str) -> Result<Vec<SocketAddr>> {
    let found: Vec<_> = match tokio::net::lookup_host((name, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() {
        return Err(Error::new(Code::Network, format!("The name of {who} cannot be resolved."))
            .with_hint("Check the name, the network (Wi-Fi, VPN) and its name server."));
    }
    Ok(found)
}

async fn dial(addresses: &[SocketAddr], who: &str) -> Result<TcpStream> {
    let limit = STEP_TIME / u32::try_from(addresses.len()).unwrap_or(u32::MAX).clamp(1, 3);
    for address in addresses {
        if let Ok(Ok(stream)) = tokio::time::timeout(limit, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(Error::new(Code::Network, format!("No connection to {who} can be made."))
        .with_hint("Check the network, a firewall, and `HTTPS_PROXY` if you need a proxy."))
}

/// RFC 9110, 9.3.6.
async fn tunnel(mut stream: TcpStream, url: &Url, host: &str, proxy: &Intercept) -> Result<()> {
    let refused = || proxy_refused(host);
    let target = format!("{host}:{}", url.port_or_known_default().unwrap_or(443));
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(secret) = proxy.basic_auth() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(secret.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let sent = stream.write_all(&request).await;
    zeroize::Zeroize::zeroize(&mut request);
    sent.map_err(|_| refused())?;
    let mut head = Vec::new();
    let mut part = [0; 512];
    while !head.contains(&b'\n') && head.len() < MAX_HEAD {
        match stream.read(&mut part).await {
            Ok(length @ 1..) => head.extend_from_slice(&part[..length]),
            _ => break,
        }
    }
    let status =
        String::from_utf8_lossy(&head).split_whitespace().nth(1).and_then(|text| text.parse::<u16>().ok());
    match status {
        Some(200..=299) => Ok(()),
        Some(407) => Err(proxy_wants_password()),
        _ => Err(refused()),
    }
}

fn too_slow(step: Step) -> Error {
    let what = match step {
        Step::Name => "The name server did not answer in time.",
        Step::Connect => "No connection stood in time.",
        Step::Proxy => "The proxy did not answer in time.",
        Step::Tls | Step::Answer | Step::Clock => "No answer came in time.",
    };
    Error::new(Code::Timeout, what)
        .with_hint("Check the network, a firewall, and `HTTPS_PROXY` if you need a proxy.")
}

fn differing(host: &str, skew: i64) -> Option<Error> {
    (skew.abs() > SKEW).then(|| {
        let which = if skew > 0 { "behind" } else { "ahead of" };
        Error::new(Code::BadResponse, format!("Your clock is {} s {which} that of {host}.", skew.abs()))
            .with_hint("Set the clock (NTP); in WSL, `wsl --shutdown` does it.")
    })
}
