//! `GET /me`: what OpenRouter says about the key in the `Authorization` header. Also how an MCP client learns where
//! to sign in: without a key the answer is 401 with the way to the metadata (RFC 9728, 5.1).

use serde_json::json;
use warp::http::{StatusCode, header};

use super::exchange::{self, Request, Response, oauth_error};
use super::metadata::{ME, SCOPE};
use super::upstream::Refusal;
use super::{Authority, exchange::set};
use crate::secret::Secret;

/// Answers `GET /me`.
pub async fn me(authority: &Authority, request: &Request) -> Response {
    let Some(key) = bearer(request) else {
        return unauthorized(authority, None);
    };
    match authority.upstream.key_info(&key).await {
        Ok(info) => exchange::json(StatusCode::OK, &json!({ "data": info })),
        Err(Refusal::Code) => unauthorized(authority, Some("invalid_token")),
        Err(Refusal::Later(wait)) => {
            let mut response = oauth_error(
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "OpenRouter does not answer as it should right now; try again.",
            );
            let seconds = wait.map_or(5, |wait| wait.as_secs()).to_string();
            set(response.headers_mut(), header::RETRY_AFTER, &seconds);
            response
        }
        Err(Refusal::Nonsense) => {
            oauth_error(StatusCode::BAD_GATEWAY, "server_error", "OpenRouter's answer makes no sense.")
        }
    }
}

/// RFC 6750, 2.1. The scheme's name is compared without case.
fn bearer(request: &Request) -> Option<Secret> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Secret::new(token))
}

/// RFC 6750, 3: no `error` when no token was sent.
fn unauthorized(authority: &Authority, error: Option<&str>) -> Response {
    let metadata = authority.resource_metadata_url(ME);
    let mut challenge = format!("Bearer resource_metadata=\"{metadata}\", scope=\"{SCOPE}\"");
    if let Some(error) = error {
        challenge.push_str(&format!(", error=\"{error}\""));
    }
    let words = "Sign in first: the WWW-Authenticate header says where.";
    let mut response = oauth_error(StatusCode::UNAUTHORIZED, error.unwrap_or("invalid_request"), words);
    set(response.headers_mut(), header::WWW_AUTHENTICATE, &challenge);
    response
}
