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
}
