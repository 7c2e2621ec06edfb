//! Who may come in: the key, the `Host`, and no web page (rule 23).
//!
//! Guarantees: the key is compared in constant time, wherever the client puts it, and is taken out; what a
//! browser sends for a page is refused before the key is looked at. Knows no login.

use std::fmt;
use std::net::SocketAddr;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, ORIGIN, TRANSFER_ENCODING};
use http::{Method, Request, Uri, Version};

use subtle::ConstantTimeEq as _;

use super::headers::KEY_PLACES;
use crate::random::url_text;
use crate::secret::Secret;

/// Bytes of chance in a key: 256 bits.
const KEY_BYTES: usize = 32;

/// What a client must show. New for each editor and process.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Secret);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A new one: `conv-` and 256 random bits, base64url.
    pub fn random() -> Self {
        Self(Secret::new(format!("conv-{}", url_text::<KEY_BYTES>())))
    }

    /// One that was made elsewhere (by the editor, which outlives its backend).
    pub fn from_text(text: Secret) -> Option<Self> {
        let is_key = text.expose().strip_prefix("conv-").is_some_and(|random| {
            random.len() >= 43
                && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        });
        is_key.then_some(Self(text))
    }

    /// The text, for whoever is to use it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    fn is(&self, text: &str) -> bool {
        self.0.expose().as_bytes().ct_eq(text.as_bytes()).into()
    }
}

/// The `Host` that a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// The address that is listened on, by number or as `localhost`.
    Of(SocketAddr),
    /// A name of this machine with any port: the port is forwarded.
    Loopback,
    /// Any: behind a unix socket no name leads here.
    Any,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The target is no path: CONNECT, an absolute form, `*`.
    Form,
    /// A method that gives back what it was sent.
    Method,
    /// `Host` is missing, stands twice, or is another.
    Host,
    /// It comes from a web page.
    Origin,
    /// No key, or a wrong one.
    Key,
    /// Two lengths, or a length beside chunks (RFC 9112, 6.3).
    Framing,
}

/// Looks at a request and takes the key out of its query; the headers' places are left behind by
/// [`super::headers::for_upstream`].
///
/// # Errors
/// Why it is refused.
pub fn admit<B>(request: &mut Request<B>, key: Option<&Key>, hosts: Hosts) -> Result<(), Refused> {
    check_form(request)?;
    check_host(request.headers(), request.version(), hosts)?;
    if request.headers().contains_key(ORIGIN) {
        return Err(Refused::Origin);
    }
    let Some(key) = key else { return Ok(()) };
    let in_query = take_from_query(request.uri_mut(), key);
    if in_query || in_headers(request.headers(), key) { Ok(()) } else { Err(Refused::Key) }
}

fn check_form<B>(request: &Request<B>) -> Result<(), Refused> {
    let (uri, headers) = (request.uri(), request.headers());
    if request.method() == Method::CONNECT || uri.authority().is_some() || !uri.path().starts_with('/') {
        return Err(Refused::Form);
    }
    if request.method() == Method::TRACE {
        return Err(Refused::Method);
    }
    let lengths = headers.get_all(CONTENT_LENGTH).into_iter().count();
    if lengths > 1 || (lengths == 1 && headers.contains_key(TRANSFER_ENCODING)) {
        return Err(Refused::Framing);
    }
    Ok(())
}

fn check_host(headers: &HeaderMap, version: Version, hosts: Hosts) -> Result<(), Refused> {
    let mut lines = headers.get_all(HOST).into_iter();
    let host = match (lines.next(), lines.next()) {
        (Some(host), None) => host.to_str().map_err(|_| Refused::Host)?,
        // HTTP/1.0 has no `Host`; no browser speaks it.
        (None, None) if version == Version::HTTP_10 => return Ok(()),
        _ => return Err(Refused::Host),
    };
    let (name, port) = split_port(host);
    // In whatever case (RFC 9110, 4.2.3).
    let is_loopback = name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]");
    let is_right = match hosts {
        Hosts::Any => true,
        Hosts::Loopback => is_loopback,
        Hosts::Of(address) => {
            (is_loopback || address.ip().to_string() == name) && port.unwrap_or(80) == address.port()
        }
    };
    if is_right { Ok(()) } else { Err(Refused::Host) }
}

/// `[::1]:80` is `[::1]` and 80.
fn split_port(host: &str) -> (&str, Option<u16>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok().or(Some(0))),
        _ => (host, None),
    }
}

fn in_headers(headers: &HeaderMap, key: &Key) -> bool {
    // All are compared, so that the time tells nothing of where it was.
    let places = headers.iter().filter(|(name, _)| KEY_PLACES.contains(name));
    places.fold(false, |found, (name, value)| {
        let text = value.to_str().unwrap_or_default();
        found | key.is(if name == AUTHORIZATION { bearer(text) } else { text.trim() })
    })
}

/// What follows the scheme, whatever its case (RFC 9110, 11.1).
fn bearer(value: &str) -> &str {
    match value.trim().split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ => value.trim(),
    }
}

/// Takes `key=OUR KEY` out of the query and leaves everything else as it stands.
fn take_from_query(uri: &mut Uri, key: &Key) -> bool {
    let Some(query) = uri.query() else { return false };
    let is_ours = |pair: &str| pair.strip_prefix("key=").is_some_and(|value| key.is(value));
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    if kept.len() == query.split('&').count() {
        return false;
    }
    let path = uri.path();
    let text = if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    match text.parse() {
        Ok(without) => {
            *uri = without;
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:4000";

    fn hosts() -> Hosts {
        Hosts::Of(HERE.parse().unwrap())
    }

    fn request(target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_key_is_taken_in_every_place_that_clients_put_it() {
        let key = Key::random();
        let text = key.expose();
        for (name, value) in [
            ("authorization", format!("Bearer {text}")),
            ("authorization", format!("bearer  {text}")),
            ("authorization", text.to_owned()),
            ("x-api-key", text.to_owned()),
            ("api-key", text.to_owned()),
            ("x-goog-api-key", text.to_owned()),
        ] {
            let mut request = request("/x/y", &[("host", HERE), (name, &value)]);
            assert_eq!(admit(&mut request, Some(&key), hosts()), Ok(()), "{name}");
        }
        for (target, left) in [
            (format!("/x/y?key={text}"), "/x/y"),
            (format!("/x/y?a=1&key={text}&b=%20"), "/x/y?a=1&b=%20"),
            (format!("/x/y?key=other&key={text}"), "/x/y?key=other"),
        ] {
            let mut request = request(&target, &[("host", HERE)]);
            assert_eq!(admit(&mut request, Some(&key), hosts()), Ok(()));
            assert_eq!(request.uri().to_string(), left);
        }
    }

    #[test]
    fn without_the_key_nobody_comes_in() {
        let key = Key::random();
        let half = &key.expose()[..20];
        for (target, headers) in [
            ("/x/y".to_owned(), vec![]),
            ("/x/y".to_owned(), vec![("authorization", "Bearer conv-wrong".to_owned())]),
            ("/x/y".to_owned(), vec![("authorization", format!("Bearer {half}"))]),
            ("/x/y".to_owned(), vec![("authorization", format!("Basic {}", key.expose()))]),
            ("/x/y".to_owned(), vec![("cookie", key.expose().to_owned())]),
            (format!("/x/{}", key.expose()), vec![]),
            ("/x/y?key=".to_owned(), vec![("x-api-key", String::new())]),
        ] {
            let mut all = vec![("host", HERE)];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            assert_eq!(
                admit(&mut request(&target, &all), Some(&key), hosts()),
                Err(Refused::Key),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn another_host_is_a_rebound_name_and_an_origin_a_web_page() {
        let key = Key::random();
        let bearer = format!("Bearer {}", key.expose());
        for host in [
            "evil.example:4000",
            "127.0.0.1:4001",
            "127.0.0.1",
            "localhost.evil.example:4000",
            "127.0.0.1:x",
            "",
        ] {
            let mut request = request("/x/y", &[("host", host), ("authorization", &bearer)]);
            assert_eq!(admit(&mut request, Some(&key), hosts()), Err(Refused::Host), "{host}");
        }
        for host in ["localhost:4000", "LocalHost:4000", "127.0.0.1:4000", "[::1]:4000"] {
            let mut request = request("/x/y", &[("host", host), ("authorization", &bearer)]);
            assert_eq!(admit(&mut request, Some(&key), hosts()), Ok(()), "{host}");
        }
        let mut twice =
            request("/x/y", &[("host", HERE), ("host", "evil.example"), ("authorization", &bearer)]);
        assert_eq!(admit(&mut twice, Some(&key), hosts()), Err(Refused::Host));
        let mut none = request("/x/y", &[("authorization", &bearer)]);
        assert_eq!(admit(&mut none, Some(&key), hosts()), Err(Refused::Host));
        for origin in ["https://evil.example", "null", "http://127.0.0.1:4000"] {
            let mut page = request("/x/y", &[("host", HERE), ("origin", origin), ("authorization", &bearer)]);
            assert_eq!(admit(&mut page, Some(&key), hosts()), Err(Refused::Origin), "{origin}");
        }
    }

    #[test]
    fn only_a_path_of_our_own_is_a_target() {
        let key = Key::random();
        for (method, target, why) in [
            ("GET", "http://evil.example/x", Refused::Form),
            ("CONNECT", "evil.example:443", Refused::Form),
            ("OPTIONS", "*", Refused::Form),
            ("TRACE", "/x/y", Refused::Method),
        ] {
            let mut request = request(target, &[("host", HERE), ("x-api-key", key.expose())]);
            *request.method_mut() = method.parse().unwrap();
            assert_eq!(admit(&mut request, Some(&key), hosts()), Err(why), "{method} {target}");
        }
        let mut both =
            request("/x/y", &[("host", HERE), ("content-length", "3"), ("transfer-encoding", "chunked")]);
        assert_eq!(admit(&mut both, Some(&key), hosts()), Err(Refused::Framing));
    }

    #[test]
    fn a_key_has_256_bits_and_another_text_is_none() {
        let (one, two) = (Key::random(), Key::random());
        assert_ne!(one, two);
        assert_eq!(one.expose().len(), 5 + 43);
        assert_eq!(Key::from_text(Secret::new(one.expose())), Some(one));
        for text in ["", "conv-", "conv-short", &format!("conv-{}", "ä".repeat(30)), &"x".repeat(48)] {
            assert_eq!(Key::from_text(Secret::new(text)), None, "{text}");
        }
    }
}
