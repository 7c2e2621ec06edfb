//! Text that must not wander: tokens, codes, verifiers, keys.
//!
//! Guarantees: no `Display`, a `Debug` that shows nothing of the content, equality in constant time, memory
//! wiped on drop, and no `Serialize`: what leaves the process goes through [`Secret::expose`], which is easy
//! to search for.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::random::url_text;

/// A string that is shown nowhere and wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over a string; the caller's copies are the caller's to wipe.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// 256 random bits, as text that may stand in a URL.
    pub fn random() -> Self {
        Self::new(url_text::<32>())
    }

    /// The content. Each call is a place where a secret leaves its type: keep them few.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A short name for this very secret which tells nothing about it: the first 16 hex digits of its
    /// SHA-256.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// For `#[serde(serialize_with = "expose")]` on the few fields that are meant to leave: the store's sealed
/// value and the answer to the one who asked for a token.
pub fn expose<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// [`expose`] for a secret that may be absent.
pub fn expose_opt<S: serde::Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => serializer.serialize_some(secret.expose()),
        None => serializer.serialize_none(),
    }
}

/// [`expose`] for the values of headers.
pub fn expose_headers<S: serde::Serializer>(
    headers: &BTreeMap<String, Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.iter().map(|(name, value)| (name, value.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::left_behind;

    #[test]
    fn debug_shows_nothing() {
        let shown = format!("{:?} {:#?}", Secret::new("sk-planted"), Some(Secret::new("sk-planted")));
        assert!(!shown.contains("planted"), "{shown}");
    }

    #[test]
    fn fingerprint_is_stable_and_short() {
        assert_eq!(Secret::new("abc").fingerprint(), "ba7816bf8f01cfea");
        assert_ne!(Secret::new("abc").fingerprint(), Secret::new("abd").fingerprint());
    }

    /// Rule 18: wiped when dropped, and so is what holds it.
    #[test]
    fn nothing_is_left_in_memory() {
        const TEXT: &str = "sk-planted-0123456789";
        assert_eq!(left_behind(TEXT, || drop(String::from(TEXT))), 1, "it would be seen");
        assert_eq!(left_behind(TEXT, || drop((Secret::new(TEXT), Secret::new(TEXT).clone()))), 0);
        let stored = format!(r#"{{"access_token":"{TEXT}","refresh_token":"{TEXT}","obtained_at":1}}"#);
        let read = || drop(serde_json::from_str::<crate::credential::Tokens>(&stored).unwrap());
        assert_eq!(left_behind(TEXT, read), 0, "tokens that were read from the store");
    }
}
