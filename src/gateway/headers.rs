//! Which headers travel on, and which are for one hop only (RFC 9110, 7.6.1).
//!
//! Guarantees: all others stay as they were, in value, number and order; the client's own credential never
//! travels.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

use crate::protocol::Credential;

/// For one hop, whether `Connection` names them or not. No constant: it would be made anew for each header
/// that is held against it.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Places where clients put a key: OpenAI's and most, Anthropic's, Azure's, Google's.
pub static KEY_PLACES: [HeaderName; 4] = [
    http::header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The headers of a request as they travel on, but for the credential. `Expect` is answered here (RFC 9110,
/// 10.1.1), and trailers are understood here, so both are said anew for the next hop.
pub fn for_upstream(received: &HeaderMap) -> HeaderMap {
    let takes_trailers = has_token(received, &TE, "trailers");
    let is_ours = |name: &HeaderName| name == HOST || name == EXPECT || KEY_PLACES.contains(name);
    let mut headers = end_to_end(received, is_ours);
    if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    headers
}

/// Names in `Connection` what is said to the next hop alone (RFC 9110, 10.1.4), where that speaks HTTP/1.1
/// for certain: HTTP/2 has no `Connection`, and hyper takes out what it names.
pub fn name_hops(headers: &mut HeaderMap) {
    if headers.contains_key(TE) {
        headers.append(CONNECTION, HeaderValue::from_static("TE"));
    }
}

/// The headers of an answer as they travel back. A length beside chunks is not the body's (RFC 9112, 6.3).
pub fn for_client(received: HeaderMap) -> HeaderMap {
    let has_hops = received.keys().any(|name| HOP_BY_HOP.contains(name));
    let is_chunked = received.contains_key(TRANSFER_ENCODING);
    if has_hops { end_to_end(&received, |name| is_chunked && name == CONTENT_LENGTH) } else { received }
}

/// Puts in what the API wants of this login, and replaces what the client sent under these names, except
/// where both can stand: a list of betas is a list of both.
pub fn add_credential(headers: &mut HeaderMap, credential: &Credential) {
    for (name, value) in &credential.headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else { continue };
        let value = match headers.get(&name).filter(|_| is_list(&name)) {
            Some(sent) => joined(sent, value.expose()),
            None if headers.contains_key(&name) && is_version(&name) => continue,
            None => HeaderValue::from_str(value.expose()).ok(),
        };
        let Some(mut value) = value else { continue };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}

/// Headers whose values are lists that a client and a login both have a say in (Anthropic's and OpenAI's
/// betas).
fn is_list(name: &HeaderName) -> bool {
    matches!(name.as_str(), "anthropic-beta" | "openai-beta")
}

/// The version of an API is the client's choice: it reads the answer.
fn is_version(name: &HeaderName) -> bool {
    name.as_str() == "anthropic-version"
}

fn joined(sent: &HeaderValue, ours: &str) -> Option<HeaderValue> {
    let sent = sent.to_str().ok()?;
    let missing =
        ours.split(',').map(str::trim).filter(|word| !sent.split(',').any(|one| one.trim() == *word));
    let all: Vec<&str> = std::iter::once(sent).chain(missing).collect();
    HeaderValue::from_str(&all.join(",")).ok()
}

/// In their order, which taking some out of a map would change.
fn end_to_end(received: &HeaderMap, is_left_out: impl Fn(&HeaderName) -> bool) -> HeaderMap {
    let named: Vec<HeaderName> = tokens(received, &CONNECTION)
        .filter_map(|name| HeaderName::try_from(name).ok())
        // Framing and identity of a message are not a sender's to take away on the next hop.
        .filter(|name| name != CONTENT_LENGTH && name != HOST)
        .collect();
    let mut headers = HeaderMap::with_capacity(received.len() + 4);
    for (name, value) in received {
        if !HOP_BY_HOP.contains(name) && !named.contains(name) && !is_left_out(name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}

/// The members of a header that is a list, in all its lines.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Whether such a list has this member, in whatever case; what follows `;` is its parameter.
pub fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name)
        .any(|one| one.split(';').next().is_some_and(|one| one.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Kind, Share};
    use crate::secret::Secret;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in lines.iter().map(line) {
            headers.append(name, value);
        }
        headers
    }

    fn credential(headers: &[(&str, &str)]) -> Credential {
        Credential {
            token: Secret::new("t"),
            kind: Kind::Oauth,
            share: Share::Any,
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value))).collect(),
            base_url: None,
            expires_at: None,
            use_until: None,
            source: "login".to_owned(),
            login: "anthropic".parse().unwrap(),
            identity: None,
            scopes: Vec::new(),
            revision: 1,
            lifetime: None,
        }
    }

    #[test]
    fn what_is_for_one_hop_stays_behind() {
        let received = map(&[
            ("connection", "keep-alive, X-Mine"),
            ("connection", "close, content-length"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip, trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("host", "127.0.0.1:1"),
            ("x-mine", "1"),
            ("content-length", "3"),
            ("x-request-id", "7"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ]);
        let expected = map(&[
            ("content-length", "3"),
            ("x-request-id", "7"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("te", "trailers"),
        ]);
        assert_eq!(for_upstream(&received), expected);
    }

    #[test]
    fn several_cookies_come_back_as_they_were() {
        let received = map(&[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("connection", "x-hop"),
            ("x-hop", "1"),
            ("retry-after", "3"),
        ]);
        let expected = map(&[("set-cookie", "a=1"), ("set-cookie", "b=2"), ("retry-after", "3")]);
        assert_eq!(for_client(received), expected);
    }

    #[test]
    fn the_clients_own_credential_never_travels() {
        let received = map(&[
            ("authorization", "Bearer sk-own"),
            ("x-api-key", "own"),
            ("api-key", "own"),
            ("x-goog-api-key", "own"),
        ]);
        let mut headers = for_upstream(&received);
        assert!(headers.is_empty());
        add_credential(&mut headers, &credential(&[("authorization", "Bearer t")]));
        assert_eq!(headers.get("authorization").unwrap(), "Bearer t");
        assert!(headers.get("authorization").unwrap().is_sensitive());
    }

    #[test]
    fn betas_of_both_are_kept_and_the_version_is_the_clients() {
        let ours = credential(&[("anthropic-beta", "oauth-1"), ("anthropic-version", "2023-06-01")]);
        let mut headers = map(&[("anthropic-beta", "tools-2, oauth-1"), ("anthropic-version", "2024-01-01")]);
        add_credential(&mut headers, &ours);
        assert_eq!(
            headers,
            map(&[("anthropic-beta", "tools-2, oauth-1"), ("anthropic-version", "2024-01-01")])
        );
        let mut headers = map(&[("anthropic-beta", "tools-2")]);
        add_credential(&mut headers, &ours);
        assert_eq!(
            headers,
            map(&[("anthropic-beta", "tools-2,oauth-1"), ("anthropic-version", "2023-06-01")])
        );
    }
}
