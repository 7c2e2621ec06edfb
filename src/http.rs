//! HTTP as this program does it: TLS by rustls on ring, no redirect followed, bodies of bounded size.
//!
//! Guarantees: nothing of a URL's query, a header or a body goes into an error.

use std::time::Duration;

use reqwest::header::HeaderMap;

/// A client builder with this program's rules: its own name, no redirects (a token in a body must not travel on).
pub fn builder() -> reqwest::ClientBuilder {
    // An error means that a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .user_agent(concat!("convocations/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
}

/// Reads a body of at most `max` bytes.
///
/// # Errors
/// Why there is no whole body.
pub async fn read_body(mut response: reqwest::Response, max: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Cut)? {
        if body.len() + chunk.len() > max {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The connection broke or the time was up.
    Cut,
    /// It is longer than allowed.
    TooLarge,
}

/// How long a `Retry-After` in seconds asks to wait (RFC 9110, 10.2.3).
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
