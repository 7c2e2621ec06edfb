//! Whether an address is this machine.
//!
//! Guarantees: pure; no name is looked up.

use url::{Host, Url};

/// Whether a URL's host is this machine: `localhost`, 127.0.0.0/8 or `[::1]`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL's host may lead to this machine by any habit of resolvers and systems: names below
/// `localhost` (RFC 6761, 6.3) and the unspecified address too. For refusing, where [`is_loopback`] is for
/// allowing.
pub fn may_be_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        let loopback = |text: &str| is_loopback(&Url::parse(text).unwrap());
        for own in ["http://localhost:1/", "http://127.9.9.9/", "http://[::1]/", "https://LOCALHOST/"] {
            assert!(loopback(own), "{own}");
        }
        for other in
            ["http://localhost.evil.example/", "http://127.0.0.1.example/", "http://0.0.0.0/", "data:x"]
        {
            assert!(!loopback(other), "{other}");
        }
    }

    #[test]
    fn what_may_be_this_machine_is_more() {
        let loopback = |text: &str| may_be_loopback(&Url::parse(text).unwrap());
        for own in ["http://a.localhost/", "http://0.0.0.0/", "http://[::]/", "http://127.0.0.1/", "data:x"] {
            assert!(loopback(own), "{own}");
        }
        assert!(!loopback("https://localhost.example/") && !loopback("https://10.0.0.1/"));
    }
}
