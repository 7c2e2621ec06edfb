//! One HTTP exchange as the handlers see it: a plain request value in, a response value out.
//!
//! Guarantees: every response carries the headers that its kind needs (`no-store`, `nosniff`, CORS for what a
//! browser's MCP client calls, a policy without scripts or framing for pages); text put into pages is escaped.
//! Knows nothing of what the endpoints mean.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

/// A response whose body is whole: none of ours is large.
pub type Response = warp::http::Response<String>;

/// A request, read to its end. Its `Debug` shows method and path alone.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent, percent-encoding and all.
    pub path: String,
    /// The query without `?`; empty if there is none.
    pub query: String,
    /// All headers.
    pub headers: HeaderMap,
    /// Who connected, as far as the rate limit is concerned.
    pub peer: Option<IpAddr>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, …)", self.method, self.path)
    }
}

impl Request {
    /// A header's text, if it is there once and readable.
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        pairs
            .flat_map(|text| text.split(';'))
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
    }

    /// Whether the body says it is of this media type, parameters aside.
    pub fn is_type(&self, media_type: &str) -> bool {
        let sent = self.header(header::CONTENT_TYPE).unwrap_or_default();
        sent.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media_type)
    }
}

/// Parameters of a query or a form, each at most once (RFC 6749, 3.1).
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `application/x-www-form-urlencoded` text; `None` if a name comes twice.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let pairs: Vec<(String, String)> = url::form_urlencoded::parse(text).into_owned().collect();
        let twice = pairs
            .iter()
            .enumerate()
            .any(|(at, (name, _))| pairs[..at].iter().any(|(other, _)| other == name));
        (!twice).then_some(Self(pairs))
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
}

/// A JSON response, never cached, readable by a page of any origin: the endpoints that answer so use no cookies.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned());
    let mut response = base(status, "application/json", text);
    allow_any_origin(response.headers_mut());
    response
}

/// A JSON document that was made beforehand and may be kept for a little while: it changes only when the operator
/// changes the server.
pub fn document(text: &str) -> Response {
    let mut response = base(StatusCode::OK, "application/json", text.to_owned());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    allow_any_origin(headers);
    response
}

/// An error in the form of RFC 6749, 5.2 (and RFC 7591, 3.2.2).
pub fn oauth_error(status: StatusCode, error: &str, description: &str) -> Response {
    json(status, &serde_json::json!({ "error": error, "error_description": description }))
}

/// An HTML page that may load nothing, run nothing, be framed by nobody, and post to `form_targets` only.
pub fn page(status: StatusCode, html: String, form_targets: &[&str]) -> Response {
    let targets = if form_targets.is_empty() { "'none'".to_owned() } else { form_targets.join(" ") };
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action {targets}; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = base(status, "text/html; charset=utf-8", html);
    let headers = response.headers_mut();
    set(headers, header::CONTENT_SECURITY_POLICY, &policy);
    set(headers, header::X_FRAME_OPTIONS, "DENY");
    response
}

/// A redirect by GET. 303, so that a posted form is not posted on.
pub fn redirect(location: &str) -> Response {
    let mut response = base(StatusCode::SEE_OTHER, "text/plain", String::new());
    set(response.headers_mut(), header::LOCATION, location);
    response
}

/// Plain text for `/healthz` and for people who guess at paths.
pub fn text(status: StatusCode, body: &str) -> Response {
    base(status, "text/plain; charset=utf-8", format!("{body}\n"))
}

/// The answer to a preflight (Fetch standard), and the `Allow` list of a resource.
pub fn options(allowed: &str) -> Response {
    let mut response = base(StatusCode::NO_CONTENT, "text/plain", String::new());
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
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "This address does not take that method.");
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

/// Escapes text for HTML, and shows control characters as blanks.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            control if control.is_control() => escaped.push(' '),
            // Invisible characters that turn the reading direction around make one host look like another.
            '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' => {}
            other => escaped.push(other),
        }
    }
    escaped
}

fn base(status: StatusCode, content_type: &'static str, body: String) -> Response {
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
    fn markup_and_direction_tricks_are_escaped() {
        assert_eq!(escape("<b onload='x'>&\u{202E}\n"), "&lt;b onload=&#39;x&#39;&gt;&amp; ");
    }
}
