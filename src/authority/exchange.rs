//! One HTTP exchange as the handlers see it: a plain request value in, a response value out.
//!
//! Guarantees: every response carries the headers that its kind needs (`no-store`, `nosniff`, CORS for what a
//! browser's MCP client calls, a policy without scripts or framing for pages). Knows nothing of what the
//! endpoints mean.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;

use serde::Serialize;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::hyper::body::Bytes;

/// A response whose body is whole: none of ours is large.
pub type Response = warp::http::Response<Bytes>;

/// A request, read to its end.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The query without `?`; empty if there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Who connected, as far as the rate limit is concerned.
    pub peer: Option<IpAddr>,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A header's text, if it is there once and readable.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All cookies, by name and value.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        let lines = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
    }

    /// Whether the body says it is of this media type, parameters aside.
    pub fn is_type(&self, media_type: &str) -> bool {
        let sent = self.header(header::CONTENT_TYPE).unwrap_or_default();
        sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }
}

/// Parameters of a query or a form, each at most once (RFC 6749, 3.1) but for `resource` (RFC 8707, 2).
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text; `None` if a name comes twice that may not.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text).into_owned().collect();
        let mut seen = HashSet::with_capacity(pairs.len());
        let once = pairs.iter().all(|(name, _)| name == RESOURCE || seen.insert(name));
        once.then_some(Self(pairs))
    }

    /// Reads a flat JSON object of strings.
    pub fn from_json(body: &[u8]) -> Option<Self> {
        let map: std::collections::BTreeMap<String, String> = serde_json::from_slice(body).ok()?;
        Some(Self(map.into_iter().collect()))
    }

    /// A parameter's value; an empty one counts as absent (RFC 6749, 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All resources that are named (RFC 8707, 2).
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(|(key, value)| key == RESOURCE && !value.is_empty());
        named.map(|(_, value)| value.as_str())
    }
}

/// The one parameter that may come several times.
const RESOURCE: &str = "resource";

/// An error as clients read it (RFC 6749, 4.1.2.1 and 5.2; RFC 7591, 3.2.2; RFC 8707, 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthError {
    status: StatusCode,
    /// The code of the RFC.
    pub error: &'static str,
    /// One sentence for people, in the characters that `error_description` may have.
    pub description: Cow<'static, str>,
}

impl OAuthError {
    /// An error that the client made.
    pub fn new(error: &'static str, description: impl Into<Cow<'static, str>>) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, error, description)
    }

    /// An error with another status than 400.
    pub fn with_status(
        status: StatusCode,
        error: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, error, description: description.into() }
    }

    /// `invalid_request`.
    pub fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    /// The answer that says so.
    pub fn response(&self) -> Response {
        let body = serde_json::json!({ "error": self.error, "error_description": self.description });
        json(self.status, &body)
    }
}

/// A JSON response, never cached, readable by a page of any origin: the endpoints that answer so use no
/// cookies.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec());
    let mut response = base(status, "application/json", text.into());
    allow_any_origin(response.headers_mut());
    response
}

/// A JSON document that was made beforehand and may be kept for a little while: it changes only when the
/// operator changes the server.
pub fn document(text: &Bytes) -> Response {
    let mut response = base(StatusCode::OK, "application/json", text.clone());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    allow_any_origin(headers);
    response
}

/// What the forms of a page may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// There are none.
    None,
    /// They are our own, and every redirect behind them is followed. Browsers hold the whole chain of
    /// redirects to `form-action`, and nobody here knows where OpenRouter and the client send a person on: to
    /// a sign-in at another host, or to an application by a scheme of its own. With the directive, that
    /// person would stay on the page with nothing happening. Nothing is lost: no text of others gets onto the
    /// page unescaped.
    Redirected,
}

/// An HTML page that may load nothing, run nothing and be framed by nobody.
pub fn page(status: StatusCode, html: String, forms: Forms) -> Response {
    const POLICY: &str =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    const WITHOUT_FORMS: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let mut response = base(status, "text/html; charset=utf-8", html.into());
    let headers = response.headers_mut();
    let policy = if forms == Forms::None { WITHOUT_FORMS } else { POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// A redirect by GET. 303, so that a posted form is not posted on.
pub fn redirect(location: &str) -> Response {
    let mut response = base(StatusCode::SEE_OTHER, "text/plain", Bytes::new());
    set(response.headers_mut(), header::LOCATION, location);
    response
}

/// Plain text for the operator.
pub fn text(status: StatusCode, body: &str) -> Response {
    base(status, "text/plain; charset=utf-8", format!("{body}\n").into())
}

/// Plain text that a page's script may read too: an MCP client in a browser tells "not here" from "not
/// allowed" by the status.
pub fn public_text(status: StatusCode, body: &str) -> Response {
    let mut response = text(status, body);
    allow_any_origin(response.headers_mut());
    response
}

/// The answer to a preflight (Fetch standard), and the `Allow` list of a resource.
pub fn options(allowed: &str) -> Response {
    let mut response = base(StatusCode::NO_CONTENT, "text/plain", Bytes::new());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    set(headers, header::ALLOW, allowed);
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, allowed);
    set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, mcp-protocol-version");
    set(headers, header::ACCESS_CONTROL_MAX_AGE, "600");
    allow_any_origin(headers);
    response
}

/// 405 with the methods that would do.
pub fn method_not_allowed(allowed: &str) -> Response {
    let mut response = public_text(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.");
    set(response.headers_mut(), header::ALLOW, allowed);
    response
}

/// Sets a header whose value this program made.
pub fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        headers.insert(name, value);
    }
}

/// Adds a cookie.
pub fn add_cookie(response: &mut Response, cookie: &str) {
    if let Ok(value) = cookie.parse() {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn base(status: StatusCode, content_type: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn allow_any_origin(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let exposed = HeaderValue::from_static("www-authenticate, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_twice_is_refused() {
        assert!(Params::parse(b"a=1&b=2&a=1").is_none());
        let params = Params::parse(b"a=1%202&b=").unwrap();
        assert_eq!((params.get("a"), params.get("b")), (Some("1 2"), None));
    }

    #[test]
    fn only_a_resource_may_come_again() {
        let params = Params::parse(b"resource=a&resource=b&x=1&resource=").unwrap();
        assert_eq!(params.resources().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn thousands_of_parameters_are_read_in_one_pass() {
        let many: String = (0..8000).map(|at| format!("{at}&")).collect();
        assert!(Params::parse(many.as_bytes()).is_some());
        assert!(Params::parse(format!("{many}7").as_bytes()).is_none());
    }
}
