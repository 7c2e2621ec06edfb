//! From the path of a request to the address it is sent on to.
//!
//! Guarantees: what comes out lies under the login's own base URL, whatever was asked for: no other host, and
//! no way up by `..`, encoded or not. Knows no credential.

use std::fmt;

use http::{Uri, uri};
use url::{Position, Url};

use crate::login_id::LoginId;
use crate::loopback::is_loopback;

/// Times that percent-encoding is taken off when a way up is looked for: servers in between may do so more
/// than once.
const DECODINGS: usize = 3;

/// What a request asks for: a login, and what is meant of its API. Its `Debug` shows the login alone: some
/// programs put their key into the query.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The first segment of the path.
    pub login: LoginId,
    /// The rest of it, beginning with `/`, as it was written; empty if there is none.
    pub rest: String,
    /// The query, without `?`, as it was written.
    pub query: Option<String>,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({}, …)", self.login)
    }
}

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadTarget {
    /// The path does not begin with a login.
    NoLogin,
    /// It leads upward, or holds what no path holds.
    Path,
    /// The login's base URL and the path make no address.
    Address,
}

impl Target {
    /// Reads `/LOGIN/REST`.
    ///
    /// # Errors
    /// [`BadTarget::NoLogin`], [`BadTarget::Path`].
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, BadTarget> {
        let inner = path.strip_prefix('/').ok_or(BadTarget::NoLogin)?;
        let (first, rest) = match inner.find('/') {
            Some(at) => inner.split_at(at),
            None => (inner, ""),
        };
        let login = first.replace("%40", "@").parse().map_err(|_| BadTarget::NoLogin)?;
        if leads_up(rest) {
            return Err(BadTarget::Path);
        }
        Ok(Self { login, rest: rest.to_owned(), query: query.map(str::to_owned) })
    }

    /// The address under a base URL. A version that a client appends though the base has it already is
    /// dropped.
    ///
    /// # Errors
    /// [`BadTarget::Address`].
    pub fn under(&self, base: &Base) -> Result<Uri, BadTarget> {
        let rest = without_doubled_version(&self.rest, base.version());
        let mut text = String::with_capacity(base.path.len() + rest.len() + 64);
        text.extend([base.path.as_str(), rest]);
        if text.is_empty() {
            text.push('/');
        }
        if let Some(query) = &self.query {
            text.extend(["?", query]);
        }
        let mut parts = uri::Parts::default();
        parts.scheme = Some(base.scheme.clone());
        parts.authority = Some(base.authority.clone());
        parts.path_and_query = Some(text.parse().map_err(|_| BadTarget::Address)?);
        Uri::from_parts(parts).map_err(|_| BadTarget::Address)
    }
}

/// Where the API of a login is, taken apart once.
#[derive(Debug)]
pub struct Base {
    scheme: uri::Scheme,
    authority: uri::Authority,
    /// Without a slash at its end.
    path: String,
}

impl Base {
    /// Reads a base URL.
    ///
    /// # Errors
    /// [`BadTarget::Address`] for one with more than a host, a port and a path, and for plain `http:` to
    /// another machine.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let url = Url::parse(text).map_err(|_| BadTarget::Address)?;
        let is_kept = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !is_kept || !is_plain {
            return Err(BadTarget::Address);
        }
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Self {
            scheme: url.scheme().parse().map_err(|_| BadTarget::Address)?,
            authority: authority.parse().map_err(|_| BadTarget::Address)?,
            path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether it is reached without TLS, and so by HTTP/1.1.
    pub fn is_plain(&self) -> bool {
        self.scheme == uri::Scheme::HTTP
    }

    /// The version that ends its path.
    fn version(&self) -> Option<&str> {
        self.path.rsplit('/').next().filter(|segment| is_version(segment))
    }
}

/// `/v1/v1/x` becomes `/v1/x`; with a base that ends in `v1`, `/v1/x` becomes `/x`.
fn without_doubled_version<'a>(rest: &'a str, of_base: Option<&str>) -> &'a str {
    let (first, after) = first_segment(rest);
    if of_base.is_some_and(|version| version == first) {
        return without_doubled_version(after, of_base);
    }
    let (second, _) = first_segment(after);
    if of_base.is_none() && is_version(first) && first == second {
        return without_doubled_version(after, of_base);
    }
    rest
}

/// `/a/b` is `a` and `/b`.
fn first_segment(rest: &str) -> (&str, &str) {
    let inner = rest.strip_prefix('/').unwrap_or(rest);
    inner.find('/').map_or((inner, ""), |at| inner.split_at(at))
}

/// `v1`, `v1beta`, `v2` …
fn is_version(segment: &str) -> bool {
    let Some(number) = segment.strip_prefix('v') else { return false };
    number.starts_with(|first: char| first.is_ascii_digit())
        && number.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a path has a dot segment, a backslash or a control character, as written or under its encodings.
fn leads_up(path: &str) -> bool {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..=DECODINGS {
        let dotted =
            bytes.split(|byte| matches!(byte, b'/' | b';')).any(|segment| matches!(segment, b"." | b".."));
        if dotted || bytes.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
            return true;
        }
        if !bytes.contains(&b'%') {
            return false;
        }
        bytes = decode(&bytes);
    }
    false
}

/// Takes percent-encoding off once; what is no encoding stays.
fn decode(bytes: &[u8]) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| (*byte as char).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%').then(|| Some((digit(bytes.get(at + 1))?, digit(bytes.get(at + 2))?)));
        match pair.flatten().and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(base: &str, path: &str) -> Result<String, BadTarget> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        let base = Base::parse(base)?;
        Target::parse(path, query)?.under(&base).map(|uri| uri.to_string())
    }

    /// Gemini's clients do so, where no header is set.
    #[test]
    fn debug_shows_no_key_of_the_query() {
        let target = Target::parse("/google/models", Some("key=sk-planted")).unwrap();
        assert_eq!(format!("{target:?}"), "Target(google, …)");
    }

    #[test]
    fn the_rest_of_the_path_goes_to_the_base_url() {
        let openrouter = "https://openrouter.ai/api/v1";
        for (path, expected) in [
            ("/openrouter/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
            ("/openrouter/v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
            ("/openrouter/v1/v1/models", "https://openrouter.ai/api/v1/models"),
            ("/openrouter", "https://openrouter.ai/api/v1"),
            ("/openrouter@work/models?a=b%20c&a=", "https://openrouter.ai/api/v1/models?a=b%20c&a="),
            ("/openrouter%40work/models", "https://openrouter.ai/api/v1/models"),
            ("/openrouter/v1beta/x", "https://openrouter.ai/api/v1/v1beta/x"),
        ] {
            assert_eq!(address(openrouter, path).as_deref(), Ok(expected), "{path}");
        }
        let anthropic = "https://api.anthropic.com";
        for (path, expected) in [
            ("/anthropic/v1/messages?beta=true", "https://api.anthropic.com/v1/messages?beta=true"),
            ("/anthropic/v1/v1/messages", "https://api.anthropic.com/v1/messages"),
            ("/anthropic/", "https://api.anthropic.com/"),
        ] {
            assert_eq!(address(anthropic, path).as_deref(), Ok(expected), "{path}");
        }
    }

    #[test]
    fn nothing_leads_out_of_the_base_url() {
        let base = "https://api.example/v1";
        for path in [
            "/x/../admin",
            "/x/a/../../admin",
            "/x/%2e%2e/admin",
            "/x/.%2E/admin",
            "/x/%252e%252e/admin",
            "/x/..%2fadmin",
            "/x/a%2f..%2f..%2fadmin",
            "/x/..%5cadmin",
            "/x/..\\admin",
            "/x/..;/admin",
            "/x/./admin",
            "/x/a%00b",
            "/x/a%0d%0ab",
        ] {
            assert_eq!(address(base, path), Err(BadTarget::Path), "{path}");
        }
        for path in ["//evil.example/x", "/", "", "x", "/X/y", "/a b/y", "/x@y@z/y", "/%2e%2e/x"] {
            assert_eq!(address(base, path), Err(BadTarget::NoLogin), "{path}");
        }
        for path in ["/x//evil.example/a", "/x/@evil.example/a", "/x/:80/a", "/x/a...b/c..d"] {
            let found = address(base, path).unwrap();
            assert!(found.starts_with("https://api.example/v1/"), "{path}: {found}");
        }
    }

    #[test]
    fn a_base_url_without_a_path_keeps_its_host() {
        assert_eq!(address("https://api.example", "/x@.evil.example/a"), Err(BadTarget::NoLogin));
        assert_eq!(address("https://api.example", "/x").as_deref(), Ok("https://api.example/"));
    }
}
