//! Which redirect URIs a client may name, and when a requested one is the registered one.
//!
//! Guarantees: only https, or http to a loopback host (RFC 8252, 7.3); compared as text, save that a loopback
//! redirect may use any port. Knows nothing of clients or HTTP.

use url::Url;

use crate::loopback::is_loopback;

/// Longest redirect URI, in bytes: what is sealed from it has to fit into a 4 KiB cookie.
pub const MAX_LEN: usize = 1024;

/// Checks a redirect URI that a client wants to register.
///
/// # Errors
/// One sentence for `error_description`.
pub fn check(text: &str) -> Result<Url, &'static str> {
    if text.len() > MAX_LEN {
        return Err("A redirect URI is too long.");
    }
    let url = Url::parse(text).map_err(|_| "A redirect URI is not a URL.")?;
    if url.fragment().is_some() {
        return Err("A redirect URI must not have a fragment.");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("A redirect URI must not carry a user name.");
    }
    match url.scheme() {
        "https" if url.host().is_some() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err("A redirect URI may use http only for a loopback host."),
        // Any application on the computer may claim a scheme (RFC 8252, 7.1 and 8.6), and the page could not
        // say whose it is.
        _ => Err("A redirect URI must be https, or http to a loopback host."),
    }
}

/// The ones of a client's redirect URIs that are allowed: of a list with an application's own scheme in it,
/// the others still work (RFC 7591, 3.2.1: a server may register less than it was asked for, and says so).
///
/// # Errors
/// One sentence for `error_description` if none is left, or more than `most`.
pub fn allowed(uris: Vec<String>, most: usize) -> Result<Vec<String>, &'static str> {
    let mut why = "At least one redirect URI is needed.";
    let mut kept = uris;
    kept.retain(|uri| check(uri).map_err(|words| why = words).is_ok());
    match kept.len() {
        0 => Err(why),
        count if count > most => Err("These are too many redirect URIs."),
        _ => Ok(kept),
    }
}

/// Whether `requested` is `registered`: the same text, or for loopback the same but for the port (RFC 8252,
/// 7.3).
pub fn matches(registered: &str, requested: &str) -> bool {
    registered == requested || same_but_for_port(registered, requested)
}

fn same_but_for_port(registered: &str, requested: &str) -> bool {
    let (Ok(mut one), Ok(mut other)) = (check(registered), check(requested)) else {
        return false;
    };
    if one.scheme() != "http" || other.scheme() != "http" {
        return false;
    }
    // The comparison is of normalised URLs here, so the requested text must be in normal form itself: no
    // percent-encoding or case tricks ride on the freedom of the port.
    if other.as_str() != requested {
        return false;
    }
    one.set_port(None).is_ok() && other.set_port(None).is_ok() && one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_https_and_loopback() {
        for good in [
            "https://app.example/cb",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb?x=1",
            "http://[::1]:9/",
            "http://127.9.9.9:1/",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        let long = format!("https://app.example/{}", "x".repeat(MAX_LEN));
        for bad in [
            "http://app.example/cb",
            "http://localhost.evil.example/",
            "javascript:alert(1)",
            "data:text/html,x",
            "app://cb",
            "https://u:p@app.example/",
            "https://app.example/#f",
            "/cb",
            "",
            "http://10.0.0.1/",
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_allowed_is_dropped() {
        let uris = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let mixed = uris(&["cursor://anysphere/cb", "http://127.0.0.1/", "https://vscode.dev/redirect"]);
        assert_eq!(allowed(mixed.clone(), 2), Ok(mixed[1..].to_vec()));
        assert!(allowed(mixed, 1).is_err(), "too many are left");
        assert!(allowed(uris(&["cursor://anysphere/cb"]), 9).unwrap_err().contains("https"));
        assert!(allowed(Vec::new(), 9).is_err());
    }

    #[test]
    fn matches_exactly_save_for_the_loopback_port() {
        assert!(matches("https://a.example/cb", "https://a.example/cb"));
        assert!(!matches("https://a.example/cb", "https://a.example/cb/"));
        assert!(!matches("https://a.example/cb", "https://a.example:8443/cb"));
        assert!(!matches("https://a.example/cb", "https://a.example/cb?x=1"));
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:52731/cb"));
        assert!(matches("http://localhost:1/cb", "http://localhost:2/cb"));
        assert!(!matches("http://localhost:1/cb", "http://127.0.0.1:1/cb"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:1/cb/../x"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:1/%63b"));
        assert!(!matches("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"));
    }
}
