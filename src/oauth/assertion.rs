//! `private_key_jwt`: a client proves itself by a signed statement and shows no secret (RFC 7521, 4.2; RFC
//! 7523, 2.2 and 3).
//!
//! Guarantees: a statement names one audience, is good for a minute and made for one request; the key goes
//! nowhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::Signer;
use serde_json::json;

use super::failure::Failure;
use crate::clock::Clock;
use crate::error::{Code, Error};
use crate::random::url_text;
use crate::secret::Secret;

/// The value of `client_assertion_type` (RFC 7523, 2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// Seconds that a statement is good for.
const LIFETIME: i64 = 60;
/// What keys sign with, and how JWTs call it (RFC 7518, 3.1; RFC 8037, 3.1).
const SCHEMES: [(SignatureScheme, &str); 4] = [
    (SignatureScheme::RSA_PKCS1_SHA256, "RS256"),
    (SignatureScheme::ECDSA_NISTP256_SHA256, "ES256"),
    (SignatureScheme::ECDSA_NISTP384_SHA384, "ES384"),
    (SignatureScheme::ED25519, "EdDSA"),
];

/// A statement that this client is who it says, for `audience` alone.
///
/// # Errors
/// `Configuration` if `key` is no private key in PEM that signs in a way that servers take.
pub(super) fn make(
    key: &Secret,
    key_id: Option<&str>,
    client_id: &str,
    audience: &str,
) -> Result<Secret, Failure> {
    let signer = signer(key).ok_or_else(|| Failure::Configuration(no_key()))?;
    let (_, alg) = SCHEMES.iter().find(|(scheme, _)| *scheme == signer.scheme()).unwrap_or(&SCHEMES[0]);
    let mut header = json!({ "alg": alg, "typ": "JWT" });
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let now = Clock::System.now();
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + LIFETIME,
        "jti": url_text::<16>(),
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signer.sign(signed.as_bytes()).ok();
    let signature = signature.and_then(|signature| match *alg {
        "ES256" => fixed(&signature, 32),
        "ES384" => fixed(&signature, 48),
        _ => Some(signature),
    });
    let signature = signature.ok_or_else(|| Failure::Configuration(no_key()))?;
    Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

fn signer(key: &Secret) -> Option<Box<dyn Signer>> {
    let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes()).ok()?;
    let key = rustls::crypto::ring::sign::any_supported_type(&key).ok()?;
    key.choose_scheme(&SCHEMES.map(|(scheme, _)| scheme))
}

/// TLS writes an ECDSA signature as a DER sequence of two integers; a JWT has both at their full length (RFC
/// 7518, 3.4).
fn fixed(der: &[u8], length: usize) -> Option<Vec<u8>> {
    // Both are short enough for lengths of one byte, but for the sequence's own, which may have two (0x81 n).
    let content = match der {
        [0x30, 0x81, _, content @ ..] | [0x30, _, content @ ..] => content,
        _ => return None,
    };
    let (r, rest) = integer(content, length)?;
    let (s, rest) = integer(rest, length)?;
    rest.is_empty().then(|| [r, s].concat())
}

fn integer(der: &[u8], length: usize) -> Option<(Vec<u8>, &[u8])> {
    let [0x02, size, rest @ ..] = der else { return None };
    let (bytes, rest) = rest.split_at_checked(usize::from(*size))?;
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let bytes = bytes.get(first..)?;
    let mut fixed = vec![0; length.checked_sub(bytes.len())?];
    fixed.extend_from_slice(bytes);
    Some((fixed, rest))
}

fn no_key() -> Error {
    Error::new(Code::ConfigInvalid, "The client's private key cannot sign.")
        .with_hint("It must be RSA, P-256, P-384 or Ed25519 in PEM, without a passphrase: `file:PATH` in `client_secret`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_get_their_full_length() {
        // r begins with a sign byte, s is one byte short.
        let mut der = vec![0x30, 0x44, 0x02, 0x21, 0x00];
        der.extend([0x80; 32]);
        der.extend([0x02, 0x1f]);
        der.extend([0x11; 31]);
        let all = fixed(&der, 32).unwrap();
        assert_eq!((all.len(), all[0], all[32], all[33]), (64, 0x80, 0x00, 0x11));
        for cut in 0..der.len() {
            assert_eq!(fixed(&der[..cut], 32), None, "{cut}");
        }
        assert_eq!(fixed(&[0x30, 0x02, 0x02, 0x7f], 32), None);
    }

    #[test]
    fn what_is_no_key_is_told_without_a_word_of_it() {
        for text in ["", "planted", "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\n"] {
            let failure = make(&Secret::new(text), None, "c", "https://as.example").unwrap_err();
            assert!(!format!("{failure:?}").contains("planted"));
        }
    }
}
