//! Proof Key for Code Exchange (RFC 7636), S256 only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// A verifier and its challenge, for one authorization request.
#[derive(Debug, Clone)]
pub struct Pkce {
    /// Stays here until the exchange.
    pub verifier: Secret,
    /// Goes into the authorize URL.
    pub challenge: String,
}

impl Pkce {
    /// 256 random bits in 43 characters (RFC 7636, 4.1).
    pub fn new() -> Self {
        Self::from_verifier(Secret::new(crate::random::url_text::<32>()))
    }

    /// The pair of a verifier that somebody else made.
    pub fn from_verifier(verifier: Secret) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose().as_bytes()));
        Self { verifier, challenge }
    }
}

impl Default for Pkce {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vector_of_appendix_b() {
        let pair = Pkce::from_verifier(Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(pair.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn each_pair_is_new_and_of_the_allowed_form() {
        let (one, other) = (Pkce::new(), Pkce::new());
        assert_ne!(one.challenge, other.challenge);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        assert!(one.verifier.expose().len() >= 43 && one.verifier.expose().bytes().all(allowed));
    }
}
