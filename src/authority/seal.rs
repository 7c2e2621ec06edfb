//! Sealed values: what other servers keep in a database, this one hands out encrypted.
//!
//! Guarantees: a value opens only under the current or the previous secret, only as the kind it was sealed
//! as, only before its end, and only if not one bit of it changed. Nothing about a value is kept anywhere, so
//! any number of instances share nothing but the secret. Knows nothing of HTTP or OAuth.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// Bytes of an XChaCha20 nonce: 192 bits, so that random ones do not meet.
const NONCE_LEN: usize = 24;

/// Shortest secret that is accepted, in bytes: 32 random hex digits are 128 bits.
pub const MIN_SECRET_LEN: usize = 32;

/// Longest sealed text that is looked at, in bytes: a URL with more in it is refused by many proxies anyway.
pub const MAX_SEALED_LEN: usize = 6144;

/// What a sealed value is. A value sealed as one kind never opens as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealKind {
    /// A client id that carries its own registration.
    Client,
    /// An authorization request that waits for the person's consent.
    Consent,
    /// A consented request that waits for the upstream callback.
    Flow,
    /// An authorization code.
    AuthorizationCode,
}

impl SealKind {
    /// The additional data that ties a value to its kind and to this format's version.
    fn associated_data(self) -> &'static [u8] {
        match self {
            Self::Client => b"convocations:authority:v1:client",
            Self::Consent => b"convocations:authority:v1:consent",
            Self::Flow => b"convocations:authority:v1:flow",
            Self::AuthorizationCode => b"convocations:authority:v1:authorization-code",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    /// Unix seconds after which the value is void; absent for a registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    value: T,
}

/// Seals under the current secret and opens under the current or the previous one.
#[derive(Clone)]
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Option<XChaCha20Poly1305>,
}

impl Sealer {
    /// A sealer for a secret and, while secrets are being rotated, the one before.
    ///
    /// # Errors
    /// `config_invalid` if a secret is shorter than [`MIN_SECRET_LEN`] bytes.
    pub fn new(current: &Secret, previous: Option<&Secret>) -> Result<Self> {
        Ok(Self { current: cipher(current)?, previous: previous.map(cipher).transpose()? })
    }

    /// Seals `value`, void after `expires_at` (Unix seconds) if given.
    ///
    /// # Errors
    /// `provider_error` if the value cannot be encoded, which no value of this program's makes happen.
    pub fn seal<T: Serialize>(&self, kind: SealKind, value: &T, expires_at: Option<i64>) -> Result<String> {
        let plain = serde_json::to_vec(&Envelope { exp: expires_at, value }).map_err(|_| unsealable())?;
        let nonce: [u8; NONCE_LEN] = rand::random();
        let payload = Payload { msg: &plain, aad: kind.associated_data() };
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload).map_err(|_| unsealable())?;
        Ok(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what [`Sealer::seal`] made of the same kind; `None` for anything else: foreign, changed, of
    /// another kind, of an unknown secret, or past its end at `now` (Unix seconds). Why is not told, on
    /// purpose.
    pub fn open<T: DeserializeOwned>(&self, kind: SealKind, text: &str, now: i64) -> Option<T> {
        if text.len() > MAX_SEALED_LEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let plain = std::iter::once(&self.current)
            .chain(self.previous.as_ref())
            .find_map(|cipher| decrypt(cipher, kind, &bytes))?;
        let envelope: Envelope<T> = serde_json::from_slice(&plain).ok()?;
        envelope.exp.is_none_or(|end| now < end).then_some(envelope.value)
    }
}

fn cipher(secret: &Secret) -> Result<XChaCha20Poly1305> {
    if secret.expose().len() < MIN_SECRET_LEN {
        return Err(Error::new(Code::ConfigInvalid, "The authority's secret is too short.")
            .with_hint("Use at least 32 characters, such as the output of `openssl rand -hex 32`."));
    }
    let key = Sha256::new()
        .chain_update(b"convocations:authority:v1:key\0")
        .chain_update(secret.expose().as_bytes())
        .finalize();
    Ok(XChaCha20Poly1305::new(&Key::from(<[u8; 32]>::from(key))))
}

fn decrypt(cipher: &XChaCha20Poly1305, kind: SealKind, bytes: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>()?;
    cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: kind.associated_data() }).ok()
}

fn unsealable() -> Error {
    Error::new(Code::ProviderError, "A value could not be sealed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secret: &str, previous: Option<&str>) -> Sealer {
        Sealer::new(
            &Secret::new(secret.repeat(32)),
            previous.map(|text| Secret::new(text.repeat(32))).as_ref(),
        )
        .unwrap()
    }

    #[test]
    fn opens_only_as_its_own_kind() {
        let sealer = sealer("a", None);
        let text = sealer.seal(SealKind::Client, &"x", None).unwrap();
        assert_eq!(sealer.open::<String>(SealKind::Client, &text, 0).as_deref(), Some("x"));
        for kind in [SealKind::Consent, SealKind::Flow, SealKind::AuthorizationCode] {
            assert_eq!(sealer.open::<String>(kind, &text, 0), None);
        }
    }

    #[test]
    fn a_change_at_any_byte_is_noticed() {
        let sealer = sealer("a", None);
        let text = sealer.seal(SealKind::Flow, &"value", Some(10)).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(sealer.open::<String>(SealKind::Flow, &changed, 0), None, "byte {at}");
            assert_eq!(sealer.open::<String>(SealKind::Flow, &text[..at], 0), None, "cut at {at}");
        }
    }

    #[test]
    fn ends_at_its_end() {
        let sealer = sealer("a", None);
        let text = sealer.seal(SealKind::Flow, &1, Some(100)).unwrap();
        assert_eq!(sealer.open::<i32>(SealKind::Flow, &text, 99), Some(1));
        assert_eq!(sealer.open::<i32>(SealKind::Flow, &text, 100), None);
    }

    #[test]
    fn the_previous_secret_still_opens_and_an_older_one_does_not() {
        let text = sealer("a", None).seal(SealKind::Client, &1, None).unwrap();
        assert_eq!(sealer("b", Some("a")).open::<i32>(SealKind::Client, &text, 0), Some(1));
        assert_eq!(sealer("c", Some("b")).open::<i32>(SealKind::Client, &text, 0), None);
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(Sealer::new(&Secret::new("short"), None).err().unwrap().code(), Code::ConfigInvalid);
    }
}
