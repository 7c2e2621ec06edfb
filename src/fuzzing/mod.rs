//! What the fuzzers feed: one function for each way in, which takes any bytes and panics where a promise is
//! broken.
//!
//! Here for cargo-fuzz (`tests/fuzz/`) and for the tests below, which put variations of the same seeds to the
//! same functions; no part of the program or of what others may use.

#[cfg(test)]
mod mutate;
#[cfg(test)]
mod tests;

use url::Url;

use crate::authority::redirect_uri_matches;
pub use crate::command::fuzz::printed;
pub use crate::config::fuzz::config;
pub use crate::editor::fuzz::rpc;
pub use crate::login::fuzz::{callback, pasted};
use crate::login_id::LoginId;
pub use crate::oauth::fuzz::{answer, document, header};
use crate::provider::check_url;
pub use crate::store::fuzz::{index, tokens};
use crate::text::is_hidden;

/// A way in.
pub type Target = fn(&[u8]);

/// Every way in, by the name of its target and of its folder in `tests/fuzz/corpus`.
pub const TARGETS: &[(&str, Target)] = &[
    ("answer", answer),
    ("callback", callback),
    ("config", config),
    ("document", document),
    ("header", header),
    ("index", index),
    ("pasted", pasted),
    ("printed", printed),
    ("rpc", rpc),
    ("tokens", tokens),
    ("urls", urls),
];

/// A text as an address, as a redirect of somebody's client, and as a login's name.
pub fn urls(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(url) = check_url("x", &text) {
        let local = matches!(url.host_str(), Some("localhost" | "[::1]")) || is_loopback_v4(&url);
        assert!(url.scheme() == "https" || url.scheme() == "http" && local, "{url}");
        assert!(url.username().is_empty() && url.password().is_none(), "a name in an address");
        assert!(!text.contains(|c: char| is_hidden(c) || c.is_whitespace()), "an address of two lines");
    }
    let registered = "http://127.0.0.1:3000/callback";
    if redirect_uri_matches(registered, &text) {
        let rest = text.strip_prefix("http://127.0.0.1").and_then(|rest| rest.strip_suffix("/callback"));
        let port = rest.map(|rest| rest.strip_prefix(':').unwrap_or(rest));
        assert!(port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())), "{text}");
    }
    if let Ok(login) = text.parse::<LoginId>() {
        assert_eq!(login.as_str(), text);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-@".contains(&byte))
        );
    }
}

fn is_loopback_v4(url: &Url) -> bool {
    matches!(url.host(), Some(url::Host::Ipv4(address)) if address.is_loopback())
}
