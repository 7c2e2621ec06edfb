//! Which redirect URIs a client may name, and when a requested one is the registered one.
//!
//! Guarantees: only https, or http to a loopback host (RFC 8252, 7.3); compared as text, save that a loopback
//! redirect may use any port. Knows nothing of clients or HTTP.

use url::{Host, Url};

/// Longest redirect URI, in bytes: what is sealed from it has to fit into a 4 KiB cookie.
pub const MAX_LEN: usize = 1024;

/// Why a redirect URI is not allowed, in words for `error_description`.
pub type Refusal = &'static str;

/// Checks a redirect URI that a client wants to register.
///
/// # Errors
/// One sentence for `error_description`.
pub fn check(text: &str) -> Result<Url, Refusal> {
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
        _ => Err("A redirect URI must be https, or http to a loopback host."),
    }
}

/// Whether the host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether `requested` is `registered`: the same text, or for loopback the same but for the port (RFC 8252, 7.3).
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
