//! HTTP as this program does it: TLS by rustls on ring, no redirect followed, bodies of bounded size, time limits.
//!
//! Guarantees: what goes to this machine passes no proxy; nothing of a URL's path or query, a header or a body goes into an error; an error tells whether the
//! request can have reached the other side, because a refresh token that was sent may be spent (rule 4).

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};

use crate::config::HttpConfig;
use crate::error::{Code, Error};

/// Longest answer of a token endpoint that is read, in bytes. Real ones are under 20 KiB.
const MAX_BODY: usize = 1 << 20;
/// Longest time for a connection to stand, so that a dead address is told from a slow provider.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client that is set up when first used. Cheap to clone. Its `Debug` tells no proxy, which may have a password.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({:?}, …)", self.0.timeout)
    }
}

struct Inner {
    timeout: Duration,
    client: OnceLock<Option<Client>>,
    /// The same without a proxy.
    direct: OnceLock<Option<Client>>,
}

/// A whole answer. Its `Debug` shows the status alone.
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// How long the other side asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The other side's clock, Unix seconds.
    pub date: Option<i64>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({}, …)", self.status)
    }
}

/// The head of an answer whose body is left unread. Its `Debug` shows the status alone.
pub struct Head {
    /// HTTP status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({}, …)", self.status)
    }
}

/// Why there is no whole answer.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// For the person.
    pub error: Error,
    /// Whether the request can have reached the other side.
    pub sent: bool,
}

impl Http {
    /// A client with the person's time limit; nothing is set up yet.
    pub fn new(config: &HttpConfig) -> Self {
        let timeout = Duration::from_secs(config.timeout);
        Self(Arc::new(Inner { timeout, client: OnceLock::new(), direct: OnceLock::new() }))
    }

    /// The client.
    ///
    /// # Errors
    /// `network` if TLS cannot be set up, which a wrong `SSL_CERT_FILE` brings about.
    pub fn client(&self) -> Result<Client, Trouble> {
        self.set_up(&self.0.client, builder)
    }

    /// The client for plain `http:`, which leads to this machine only: to a proxy it would carry its secrets in the
    /// clear.
    fn direct(&self) -> Result<Client, Trouble> {
        self.set_up(&self.0.direct, || builder().no_proxy())
    }

    fn set_up(
        &self,
        client: &OnceLock<Option<Client>>,
        builder: impl FnOnce() -> reqwest::ClientBuilder,
    ) -> Result<Client, Trouble> {
        // Half of the whole at most: what is cut off by the other limit counts as sent.
        let to_connect = CONNECT_TIMEOUT.min(self.0.timeout / 2);
        let build = || builder().timeout(self.0.timeout).connect_timeout(to_connect).build().ok();
        client.get_or_init(build).clone().ok_or_else(|| Trouble { error: no_client(), sent: false })
    }

    /// Sends a request made with [`Http::client`] and reads the answer to its end, whatever its status.
    ///
    /// # Errors
    /// `network`, `timeout` or `bad_response` (too large).
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply, Trouble> {
        self.logged(request, async |response, host| {
            let (status, headers) = (response.status(), response.headers().clone());
            let body = read_body(response, MAX_BODY).await.map_err(|error| cut(&host, error))?;
            Ok(Reply { status, retry_after: retry_after(&headers), date: date(&headers), headers, body })
        })
        .await
    }

    /// Sends a request and reads the head of the answer alone.
    ///
    /// # Errors
    /// `network` or `timeout`.
    pub async fn head(&self, request: RequestBuilder) -> Result<Head, Trouble> {
        self.logged(request, async |response, _| {
            Ok(Head { status: response.status(), headers: response.headers().clone() })
        })
        .await
    }

    /// Sends a request and reads its answer; both stand in the log, without query, headers and bodies.
    async fn logged<T>(
        &self,
        request: RequestBuilder,
        read: impl AsyncFnOnce(reqwest::Response, String) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (client, request) = request.build_split();
        let request = request.map_err(|_| Trouble {
            error: Error::new(Code::BadResponse, "A request could not be put together.")
                .with_hint("A stored value holds characters that HTTP does not allow; log in again."),
            sent: false,
        })?;
        let client = if request.url().scheme() == "http" { self.direct()? } else { client };
        let host = request.url().host_str().unwrap_or("the provider").to_owned();
        let endpoint = format!("{host}{}", request.url().path());
        let began = Instant::now();
        tracing::debug!(%endpoint, method = %request.method(), "request");
        let result = match client.execute(request).await {
            Ok(response) => {
                let ms = began.elapsed().as_millis();
                tracing::debug!(%endpoint, status = response.status().as_u16(), ms, "answered");
                read(response, host).await
            }
            Err(error) => Err(trouble(&host, &error)),
        };
        if let Err(trouble) = &result {
            let ms = began.elapsed().as_millis();
            tracing::debug!(%endpoint, error = %trouble.error.code(), sent = trouble.sent, ms, "no answer");
        }
        result
    }
}

/// A client builder with this program's rules: its own name, no redirects (a token in a body must not travel on).
pub fn builder() -> reqwest::ClientBuilder {
    plain_builder().http1_only().user_agent(concat!("convocations/", env!("CARGO_PKG_VERSION")))
}

/// The same for requests of others that are passed on: nothing said of this program, and HTTP/2 where the server has it.
pub fn plain_builder() -> reqwest::ClientBuilder {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT)
}

/// TLS cannot be set up.
pub fn no_client() -> Error {
    Error::new(Code::Network, "The HTTPS client cannot be set up.")
        .with_hint("Check the file that `SSL_CERT_FILE` names, and the proxy variables.")
}

/// What a person is told of a request that brought no answer.
pub fn transport_error(host: &str, error: &reqwest::Error) -> Error {
    trouble(host, error).error
}

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// Why there is no whole body.
pub async fn read_body(mut response: reqwest::Response, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| if error.is_timeout() { BodyError::Slow } else { BodyError::Cut };
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > max {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The connection broke.
    Cut,
    /// The time was up.
    Slow,
    /// It is longer than allowed.
    TooLarge,
}

/// How long an answer asks to wait: `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), or Anthropic's
/// `Retry-After-Ms`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(milliseconds) = text(headers, "retry-after-ms").and_then(|text| text.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let text = text(headers, RETRY_AFTER.as_str())?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

/// The other side's clock, Unix seconds.
pub fn date(headers: &HeaderMap) -> Option<i64> {
    let at = httpdate::parse_http_date(text(headers, DATE.as_str())?).ok()?;
    i64::try_from(at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

fn trouble(host: &str, error: &reqwest::Error) -> Trouble {
    let sent = !error.is_connect() && !error.is_builder() && !error.is_request_never_sent();
    let error = if error.is_timeout() {
        timed_out(host)
    } else if let Some(tls) = tls_trouble(error) {
        match tls {
            rustls::Error::InvalidCertificate(_) => {
                Error::new(Code::Network, format!("The certificate of {host} is not trusted."))
                    .with_hint("A proxy in between needs its CA in the file that `SSL_CERT_FILE` names.")
            }
            _ => Error::new(Code::Network, format!("No secure connection to {host} could be made."))
                .with_hint("Something in between may answer in its place; check proxy and network."),
        }
    } else if sent {
        Error::new(Code::Network, format!("The connection to {host} broke before the answer came."))
            .with_hint("Check the network and try again.")
    } else {
        Error::new(Code::Network, format!("{host} could not be reached."))
            .with_hint("Check the network, and `HTTPS_PROXY` if you need a proxy.")
    };
    Trouble { error, sent }
}

fn cut(host: &str, error: BodyError) -> Trouble {
    let error = match error {
        BodyError::Cut => Error::new(Code::Network, format!("The answer of {host} broke off."))
            .with_hint("Check the network and try again."),
        BodyError::Slow => timed_out(host),
        BodyError::TooLarge => {
            Error::new(Code::BadResponse, format!("The answer of {host} is far too long."))
                .with_hint("Something in between may answer in its place; check proxy and network.")
        }
    };
    Trouble { error, sent: true }
}

fn timed_out(host: &str) -> Error {
    Error::new(Code::Timeout, format!("{host} did not answer in time."))
        .with_hint("Try again; `http.timeout` in config.toml sets the limit.")
}

/// reqwest has no name for it: TLS troubles are somewhere in the chain of causes.
fn tls_trouble(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = as_tls(inner) {
            return Some(tls);
        }
        cause = inner.source();
    }
    None
}

/// An I/O error's source is that of the error inside of it, so what is inside has to be looked at by itself.
fn as_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => as_tls(inner),
        None => error.downcast_ref(),
    }
}

trait NeverSent {
    fn is_request_never_sent(&self) -> bool;
}

impl NeverSent for reqwest::Error {
    /// hyper gives a request back whole when a pooled connection was closed before it was written.
    fn is_request_never_sent(&self) -> bool {
        let mut cause = self.source();
        while let Some(inner) = cause {
            if let Some(hyper) = inner.downcast_ref::<warp::hyper::Error>() {
                return hyper.is_canceled();
            }
            cause = inner.source();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(reqwest::header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn retry_after_comes_in_three_forms() {
        assert_eq!(retry_after(&headers("retry-after", " 7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("retry-after-ms", "1500")), Some(Duration::from_millis(1500)));
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        let wait = retry_after(&headers("retry-after", &later)).unwrap();
        assert!((50..=60).contains(&wait.as_secs()), "{wait:?}");
        assert_eq!(
            retry_after(&headers("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")),
            Some(Duration::ZERO)
        );
        assert_eq!(retry_after(&headers("retry-after", "soon")), None);
    }
}
