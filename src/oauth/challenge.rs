//! `WWW-Authenticate` of a protected resource (RFC 9110, 11.6.1; RFC 6750, 3; RFC 9728, 5.1).
//!
//! Guarantees: never panics, takes any text; only the `Bearer` challenge is looked at.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a `Bearer` challenge says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// Where the resource describes itself.
    pub resource_metadata: Option<String>,
    /// What a token needs.
    pub scopes: Vec<String>,
}

/// The `Bearer` challenge of an answer, if it has one.
pub(super) fn of(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    texts.into_iter().find_map(read)
}

/// The `Bearer` challenge of a header, if it has one.
pub(super) fn read(text: &str) -> Option<Challenge> {
    let mut challenge: Option<Challenge> = None;
    for part in parts(text) {
        let (scheme, param) = match part.split_once(' ') {
            // `scheme name=value`, and not `name = value`.
            Some((scheme, rest)) if !scheme.contains('=') && !rest.trim_start().starts_with('=') => {
                (Some(scheme), rest.trim_start())
            }
            _ if part.contains('=') => (None, part),
            _ => (Some(part), ""),
        };
        match scheme {
            Some(scheme) if scheme.eq_ignore_ascii_case("bearer") => challenge = Some(Challenge::default()),
            Some(_) if challenge.is_some() => break,
            _ => {}
        }
        if let (Some(challenge), Some((name, value))) = (&mut challenge, param.split_once('=')) {
            challenge.put(name.trim(), &unquoted(value.trim()));
        }
    }
    challenge
}

impl Challenge {
    fn put(&mut self, name: &str, value: &str) {
        match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => self.resource_metadata = Some(value.to_owned()),
            "scope" => self.scopes = value.split_ascii_whitespace().map(str::to_owned).collect(),
            _ => {}
        }
    }
}

/// The text at its commas, those within quotes excepted.
fn parts(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let at_comma = |c: char| {
        let cut = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        cut
    };
    text.split(at_comma).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::new();
    let mut chars = inner.strip_suffix('"').unwrap_or(inner).chars();
    while let Some(c) = chars.next() {
        text.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(url: Option<&str>, scopes: &[&str]) -> Option<Challenge> {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Some(Challenge { resource_metadata: url.map(str::to_owned), scopes })
    }

    #[test]
    fn the_bearer_challenge_is_found_in_every_spelling() {
        let url = "https://x.example/.well-known/oauth-protected-resource";
        for text in [
            format!("Bearer resource_metadata=\"{url}\", scope=\"a b\""),
            format!("bearer  scope=\"a b\",resource_metadata={url}"),
            format!(
                "Basic realm=\"x, Bearer y=z\", Bearer realm=\"r\", scope=\"a b\", resource_metadata=\"{url}\""
            ),
            format!("BEARER Resource_Metadata = \"{url}\" , scope = \"a b\", Digest scope=\"other\""),
        ] {
            assert_eq!(read(&text), challenge(Some(url), &["a", "b"]), "{text}");
        }
        assert_eq!(read("Bearer"), challenge(None, &[]));
        assert_eq!(read("Bearer scope=\"a\\\"b\""), challenge(None, &["a\"b"]));
    }

    #[test]
    fn anything_else_is_none_or_empty() {
        for text in [
            "",
            ",",
            "=",
            "Basic realm=\"x\"",
            "\"Bearer\"",
            "Negotiate abc==",
            "Bearertoken x=y",
            "Bearer =,=,\\",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        for text in ["Bearer \"", "Bearer scope=\"", "Bearer , ,"] {
            assert_eq!(read(text), challenge(None, &[]), "{text}");
        }
    }
}
