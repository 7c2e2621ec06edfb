//! `POST /token` (RFC 6749, 4.1.3; RFC 7636, 4.6): our code becomes an OpenRouter key.
//!
//! Guarantees: a code is bound to client, redirect URI, challenge and resource, and every mismatch is
//! `invalid_grant` before OpenRouter hears of it. A code works once because OpenRouter's own code inside it does.
//!
//! The key is handed out as the access token on purpose, and it is not token pass-through: its audience *is* the API
//! that the client will call, the person named its budget for this client on OpenRouter's page, and this server never
//! accepts it to act upstream for anybody (`/me` only tells its holder about it).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warp::http::{StatusCode, header};

use super::authorize::Pending;
use super::exchange::{self, Params, Request, Response, oauth_error};
use super::metadata::SCOPE;
use super::seal::SealKind;
use super::upstream::Refusal;
use super::{Authority, client};

/// What an authorization code carries, sealed.
#[derive(Serialize, Deserialize)]
pub struct AuthorizationCode {
    client: String,
    redirect_uri: String,
    code_challenge: String,
    resource: Option<String>,
    upstream_code: String,
    upstream_verifier: String,
}

impl AuthorizationCode {
    /// The code for a request that OpenRouter answered with a code of its own.
    pub fn new(pending: Pending, upstream_code: &str, upstream_verifier: String) -> Self {
        Self {
            client: pending.client,
            redirect_uri: pending.redirect_uri,
            code_challenge: pending.code_challenge,
            resource: pending.resource,
            upstream_code: upstream_code.to_owned(),
            upstream_verifier,
        }
    }
}

type Failure = (StatusCode, &'static str, &'static str);

/// Answers a token request.
pub async fn token(authority: &Authority, request: &Request) -> Response {
    let code = match read(authority, request).await {
        Ok(code) => code,
        Err((status, error, words)) => return oauth_error(status, error, words),
    };
    match authority.upstream.exchange(&code.upstream_code, &code.upstream_verifier).await {
        Ok(key) => exchange::json(
            StatusCode::OK,
            &json!({ "access_token": key.expose(), "token_type": "Bearer", "scope": SCOPE }),
        ),
        Err(refusal) => refused(&refusal),
    }
}

async fn read(authority: &Authority, request: &Request) -> Result<AuthorizationCode, Failure> {
    let params = if request.is_type("application/x-www-form-urlencoded") {
        Params::parse(&request.body)
    } else if request.is_type("application/json") {
        Params::from_json(&request.body)
    } else {
        None
    };
    let params =
        params.ok_or(invalid_request("Send the parameters once each, as a form or as a JSON object."))?;
    match params.get("grant_type") {
        Some("authorization_code") => {}
        Some(_) => {
            return Err((
                StatusCode::BAD_REQUEST,
                "unsupported_grant_type",
                "Only authorization_code is offered.",
            ));
        }
        None => return Err(invalid_request("The parameter grant_type is missing.")),
    }
    let client_id = params.get("client_id").ok_or(invalid_request("The parameter client_id is missing."))?;
    let known = authority.client(client_id).await;
    known.map_err(|words| (StatusCode::UNAUTHORIZED, "invalid_client", words))?;
    open(authority, &params, client_id)
}

fn open(authority: &Authority, params: &Params, client_id: &str) -> Result<AuthorizationCode, Failure> {
    let code = params.get("code").ok_or(invalid_request("The parameter code is missing."))?;
    let verifier =
        params.get("code_verifier").ok_or(invalid_request("The parameter code_verifier is missing."))?;
    let redirect_uri =
        params.get("redirect_uri").ok_or(invalid_request("The parameter redirect_uri is missing."))?;
    let code: AuthorizationCode = authority
        .sealer
        .open(SealKind::AuthorizationCode, code, authority.now())
        .ok_or(invalid_grant("The code is unknown or has expired."))?;
    if code.client != client::fingerprint(client_id) {
        return Err(invalid_grant("The code belongs to another client."));
    }
    if code.redirect_uri != redirect_uri {
        return Err(invalid_grant("The redirect_uri is not the one of the authorization request."));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    if !bool::from(challenge.as_bytes().ct_eq(code.code_challenge.as_bytes())) {
        return Err(invalid_grant("The code_verifier does not fit the code_challenge."));
    }
    let resource = params.get("resource");
    if resource.is_some() && resource != code.resource.as_deref() {
        return Err((
            StatusCode::BAD_REQUEST,
            "invalid_target",
            "The resource is not the one that was asked for.",
        ));
    }
    Ok(code)
}

fn invalid_request(words: &'static str) -> Failure {
    (StatusCode::BAD_REQUEST, "invalid_request", words)
}

fn invalid_grant(words: &'static str) -> Failure {
    (StatusCode::BAD_REQUEST, "invalid_grant", words)
}

/// RFC 6749 has no name for a passing fault at the token endpoint; the ones of its section 4.1.2.1 are what clients
/// know, with an HTTP status that says "try again".
fn refused(refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Code => oauth_error(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "OpenRouter does not accept the code; it works once and for ten minutes.",
        ),
        Refusal::Later(wait) => {
            let words = "OpenRouter does not answer as it should right now; try again.";
            let mut response = oauth_error(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", words);
            let seconds = wait.map_or(5, |wait| wait.as_secs()).to_string();
            exchange::set(response.headers_mut(), header::RETRY_AFTER, &seconds);
            response
        }
        Refusal::Nonsense => {
            oauth_error(StatusCode::BAD_GATEWAY, "server_error", "OpenRouter's answer makes no sense.")
        }
    }
}
