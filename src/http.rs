//! HTTP as this program does it: TLS by rustls on ring, no redirect followed, bodies of bounded size, time
//! limits.
//!
//! Guarantees: what goes to this machine passes no proxy; nothing of a URL's path or query, a header or a
//! body goes into an error; an error tells whether the request can have reached the other side, because a
//! refresh token that was sent may be spent (rule 4). The log has hosts and paths, no query, header or body.

mod certificate;
mod reach;
mod tls;
mod transport_error;
mod trust;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, StatusCode};
use url::Url;

pub use self::reach::reach;
pub use self::transport_error::{BodyError, TransportError, passed_on_error};
use self::transport_error::{cut, trouble};
pub use self::trust::{Authorities, Trust};
use crate::error::{Code, Error};

/// Longest answer of a token endpoint that is read, in bytes. Real ones are under 20 KiB.
const MAX_BODY: usize = 1 << 20;
/// Longest time for a connection to stand, so that a dead address is told from a slow provider.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request of the same login: TLS keeps what it last read until
/// the end of the connection, and a refresh on one that the server is about to close may be lost (rule 4).
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// A client that is set up when first used. Cheap to clone. Its `Debug` tells no proxy, which may have a
/// password.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Http({:?}, …)", self.0.timeout)
    }
}

struct Inner {
    timeout: Duration,
    trust: Trust,
    client: OnceLock<Client>,
    /// The same without a proxy.
    direct: OnceLock<Client>,
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

impl Http {
    /// A client that gives each request this long; nothing is set up yet.
    pub fn new(timeout: Duration, trust: Trust) -> Self {
        Self(Arc::new(Inner { timeout, trust, client: OnceLock::new(), direct: OnceLock::new() }))
    }

    /// Whom it trusts.
    pub fn trust(&self) -> &Trust {
        &self.0.trust
    }

    /// A request.
    ///
    /// # Errors
    /// `network` if TLS is needed and cannot be set up, which a wrong `http.ca_file` or `SSL_CERT_FILE`
    /// brings about; it is tried again at the next request.
    pub fn request(&self, method: Method, url: Url) -> Result<RequestBuilder, TransportError> {
        let client = match url.scheme() {
            "http" => self.direct()?,
            _ => self.set_up(&self.0.client, |builder| self.0.trust.build(builder))?,
        };
        Ok(client.request(method, url))
    }

    /// A GET.
    ///
    /// # Errors
    /// As for [`Http::request`].
    pub fn get(&self, url: Url) -> Result<RequestBuilder, TransportError> {
        self.request(Method::GET, url)
    }

    /// A POST.
    ///
    /// # Errors
    /// As for [`Http::request`].
    pub fn post(&self, url: Url) -> Result<RequestBuilder, TransportError> {
        self.request(Method::POST, url)
    }

    /// The client for plain `http:`, which leads to this machine only: to a proxy it would carry its secrets
    /// in the clear. It trusts nobody's certificate, so that none need be there.
    fn direct(&self) -> Result<Client, TransportError> {
        let build = |builder: ClientBuilder| {
            let nobody = tls::trusting_nobody().map_err(|_| trust::no_client())?;
            builder.no_proxy().tls_backend_preconfigured(nobody).build().map_err(|_| trust::no_client())
        };
        self.set_up(&self.0.direct, build)
    }

    fn set_up(
        &self,
        client: &OnceLock<Client>,
        build: impl Fn(ClientBuilder) -> Result<Client, Error>,
    ) -> Result<Client, TransportError> {
        // Half of the whole at most: what is cut off by the other limit counts as sent.
        let to_connect = CONNECT_TIMEOUT.min(self.0.timeout / 2);
        let limited = || builder().timeout(self.0.timeout).connect_timeout(to_connect);
        if let Some(client) = client.get() {
            return Ok(client.clone());
        }
        let made = build(limited()).map_err(|error| TransportError { error, sent: false })?;
        Ok(client.get_or_init(|| made).clone())
    }

    /// Sends a request of this client's and reads the answer to its end, whatever its status.
    ///
    /// # Errors
    /// `network`, `timeout` or `bad_response` (too large).
    pub async fn send(&self, request: RequestBuilder) -> Result<Reply, TransportError> {
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
    pub async fn head(&self, request: RequestBuilder) -> Result<Head, TransportError> {
        self.logged(request, async |response, _| {
            Ok(Head { status: response.status(), headers: response.headers().clone() })
        })
        .await
    }

    /// Sends a request and reads its answer; both stand in the log, without query, headers and bodies.
    async fn logged<T>(
        &self,
        request: RequestBuilder,
        read: impl AsyncFnOnce(reqwest::Response, String) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let (client, request) = request.build_split();
        let request = request.map_err(|_| TransportError {
            error: Error::new(Code::BadResponse, "A request could not be put together.")
                .with_hint("A stored value holds characters that HTTP does not allow; log in again."),
            sent: false,
        })?;
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

/// The proxies that the environment names, as reqwest reads them.
pub fn proxies() -> Matcher {
    Matcher::from_env()
}

/// A client builder with this program's rules: its own name, no redirects (a token in a body must not travel
/// on).
pub fn builder() -> ClientBuilder {
    let name = concat!("convocations/", env!("CARGO_PKG_VERSION"));
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).user_agent(name);
    builder.http1_only().connect_timeout(CONNECT_TIMEOUT).pool_idle_timeout(KEEP_ALIVE)
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
