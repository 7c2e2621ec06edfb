//! Random text that may stand in a URL, a cookie or a header.
//!
//! Guarantees: from the system's generator by way of the thread's; nothing but `A–Z a–z 0–9 - _`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// `N` random bytes as base64url without padding: 16 are enough that nobody guesses them, 32 make a PKCE
/// verifier of 43 characters (RFC 7636, 4.1).
pub fn url_text<const N: usize>() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; N]>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_are_a_verifier() {
        let (one, other) = (url_text::<32>(), url_text::<32>());
        assert!(one.len() == 43 && one != other);
        assert!(one.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }
}
