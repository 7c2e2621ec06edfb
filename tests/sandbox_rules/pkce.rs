//! URLs and PKCE pairs as these tests write them, by hand: nothing of the product is used to judge the
//! sandbox.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

/// The verifier of RFC 7636, appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// Its S256 challenge.
pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// `url` with parameters; one that is empty is left out.
pub fn with_query(url: &str, params: &[(&str, &str)]) -> String {
    let mut url = Url::parse(url).unwrap();
    let given = params.iter().filter(|(_, value)| !value.is_empty());
    url.query_pairs_mut().extend_pairs(given);
    url.into()
}

/// A parameter of a URL's query.
pub fn param(url: &str, name: &str) -> Option<String> {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(key, _)| key == name)?;
    Some(found.1.into_owned())
}

/// `params` with one set to another value; empty takes it away.
pub fn but<'a>(params: &[(&'a str, &'a str)], name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut changed: Vec<_> = params.iter().copied().filter(|(key, _)| *key != name).collect();
    changed.push((name, value));
    changed
}
