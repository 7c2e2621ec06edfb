//! `GET /me`: what OpenRouter says about the key in the `Authorization` header. Also how an MCP client learns
//! where to sign in: without a key the answer is 401 with the way to the metadata (RFC 9728, 5.1).

use serde_json::json;
use warp::http::{StatusCode, header};

use super::exchange::{self, OAuthError, Request, Response, set};
use super::metadata::{ME, SCOPE};
use super::server::AuthorizationServer;
use super::upstream::UpstreamError;
use crate::secret::Secret;

/// Answers `GET /me`.
pub async fn me(server: &AuthorizationServer, request: &Request) -> Response {
    let Some(key) = bearer(request) else {
        return unauthorized(server, None);
    };
    match server.upstream.key_info(&key).await {
        Ok(info) => exchange::json(StatusCode::OK, &json!({ "data": info })),
        Err(UpstreamError::Refused) => unauthorized(server, Some("invalid_token")),
        Err(error) => unavailable(&error),
    }
}

/// The answer when OpenRouter gives none that is of use, whoever asked. RFC 6749 has no name for a passing
/// fault at the token endpoint; the ones of its section 4.1.2.1 are what clients know, with an HTTP status
/// that says "try again".
pub fn unavailable(error: &UpstreamError) -> Response {
    let UpstreamError::Unavailable(wait) = error else {
        let words = "The answer of OpenRouter is not understood.";
        return OAuthError::with_status(StatusCode::BAD_GATEWAY, "server_error", words).response();
    };
    let words = "OpenRouter does not answer as it should right now; try again.";
    let passing = OAuthError::with_status(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", words);
    let mut response = passing.response();
    let seconds = wait.map_or(5, |wait| wait.as_secs()).to_string();
    set(response.headers_mut(), header::RETRY_AFTER, &seconds);
    response
}

/// RFC 6750, 2.1. The scheme's name is compared without case.
fn bearer(request: &Request) -> Option<Secret> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// RFC 6750, 3: no `error` when no token was sent.
fn unauthorized(server: &AuthorizationServer, error: Option<&'static str>) -> Response {
    let metadata = server.resource_metadata_url(ME);
    let mut challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{SCOPE}\"");
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{error}\""));
    }
    let words = "Sign in first: the WWW-Authenticate header says where.";
    let refusal =
        OAuthError::with_status(StatusCode::UNAUTHORIZED, error.unwrap_or("invalid_request"), words);
    let mut response = refusal.response();
    set(response.headers_mut(), header::WWW_AUTHENTICATE, &challenge);
    response
}
