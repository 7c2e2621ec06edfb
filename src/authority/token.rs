//! `POST /token` (RFC 6749, 4.1.3; RFC 7636, 4.6): our code becomes an OpenRouter key.
//!
//! Guarantees: a code is bound to client, redirect URI, challenge and resource, and every mismatch is refused
//! before OpenRouter hears of it. A code works once because OpenRouter's own code inside it does.
//!
//! The key is handed out as the access token on purpose, and it is not token pass-through: its audience *is*
//! the API that the client will call, the person named its budget for this client on OpenRouter's page, and
//! this server never accepts it to act upstream for anybody (`/me` only tells its holder about it).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warp::http::StatusCode;

use super::client;
use super::exchange::{self, OAuthError, Params, Request, Response};
use super::me::unavailable;
use super::metadata::SCOPE;
use super::pending::Pending;
use super::resource::Receiver;
use super::seal::SealKind;
use super::server::AuthorizationServer;
use super::upstream::UpstreamError;

/// What an authorization code carries, sealed.
#[derive(Serialize, Deserialize)]
pub struct AuthorizationCode {
    client: String,
    redirect_uri: String,
    redirect_uri_named: bool,
    code_challenge: String,
    resources: Vec<String>,
    upstream_code: String,
    upstream_verifier: String,
}

impl AuthorizationCode {
    /// The code for a request that OpenRouter answered with a code of its own.
    pub fn new(pending: Pending, upstream_code: &str, upstream_verifier: String) -> Self {
        Self {
            client: pending.client,
            redirect_uri: pending.redirect_uri,
            redirect_uri_named: pending.redirect_uri_named,
            code_challenge: pending.code_challenge,
            resources: pending.resources,
            upstream_code: upstream_code.to_owned(),
            upstream_verifier,
        }
    }
}

/// Answers a token request.
pub async fn token(server: &AuthorizationServer, request: &Request) -> Response {
    let code = match read(server, request).await {
        Ok(code) => code,
        Err(error) => {
            tracing::info!(error = error.error, "refused a code: {}", error.description);
            return error.response();
        }
    };
    let client = client::log_name(&code.client);
    match server.redemptions.redeem(&server.upstream, &code.upstream_code, &code.upstream_verifier).await {
        Ok(key) => {
            tracing::info!(client, fingerprint = key.fingerprint(), "handed out a key");
            let body = json!({ "access_token": key.expose(), "token_type": "Bearer", "scope": SCOPE });
            exchange::json(StatusCode::OK, &body)
        }
        Err(UpstreamError::Refused) => {
            tracing::info!(client, "OpenRouter does not accept the code");
            invalid_grant("OpenRouter does not accept the code; it works once and for ten minutes.")
                .response()
        }
        Err(error) => {
            tracing::warn!(client, "OpenRouter gave no key: {error:?}");
            unavailable(&error)
        }
    }
}

async fn read(server: &AuthorizationServer, request: &Request) -> Result<AuthorizationCode, OAuthError> {
    let params = if request.is_type("application/x-www-form-urlencoded") {
        Params::parse(&request.body)
    } else if request.is_type("application/json") {
        Params::from_json(&request.body)
    } else {
        None
    };
    let unreadable = "Send the parameters once each, as a form or as a JSON object.";
    let params = params.ok_or(OAuthError::invalid_request(unreadable))?;
    match params.get("grant_type") {
        Some("authorization_code") => {}
        Some(_) => {
            return Err(OAuthError::new("unsupported_grant_type", "Only authorization_code is offered."));
        }
        None => return Err(OAuthError::invalid_request("The parameter grant_type is missing.")),
    }
    let code = required(&params, "code", "The parameter code is missing.")?;
    let code = server.sealer.open::<AuthorizationCode>(SealKind::AuthorizationCode, code, server.now());
    check_client(server, &params, code.as_ref()).await?;
    let code = code.ok_or(invalid_grant("The code is unknown or has expired."))?;
    check(server, &params, &code)?;
    Ok(code)
}

/// The code names its client, so the request need not. A client that is unknown here is told to register
/// again, whatever the code.
async fn check_client(
    server: &AuthorizationServer,
    params: &Params,
    code: Option<&AuthorizationCode>,
) -> Result<(), OAuthError> {
    let Some(client_id) = params.get("client_id") else { return Ok(()) };
    if code.is_some_and(|code| code.client == client::fingerprint(client_id)) {
        return Ok(());
    }
    match server.client(client_id).await {
        Ok(_) if code.is_some() => Err(invalid_grant("The code belongs to another client.")),
        Ok(_) => Ok(()),
        Err(words) => Err(OAuthError::with_status(StatusCode::UNAUTHORIZED, "invalid_client", words)),
    }
}

fn check(server: &AuthorizationServer, params: &Params, code: &AuthorizationCode) -> Result<(), OAuthError> {
    let verifier = required(params, "code_verifier", "The parameter code_verifier is missing.")?;
    let redirect_uri = params.get("redirect_uri");
    // RFC 6749, 4.1.3: required if the authorization request had it, and then the same.
    if redirect_uri.is_none() && code.redirect_uri_named {
        return Err(OAuthError::invalid_request("The parameter redirect_uri is missing."));
    }
    if redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
        return Err(invalid_grant("The redirect_uri is not the one of the authorization request."));
    }
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    if !bool::from(challenge.as_bytes().ct_eq(code.code_challenge.as_bytes())) {
        return Err(invalid_grant("The code_verifier does not fit the code_challenge."));
    }
    match params.resources().all(|resource| is_granted(server, code, resource)) {
        true => Ok(()),
        false => Err(OAuthError::new("invalid_target", "The resource is not one that was asked for.")),
    }
}

/// RFC 8707, 2.2: what was asked for, or a part of it. A request that named nothing was for this server and
/// OpenRouter: the page named nobody else.
fn is_granted(server: &AuthorizationServer, code: &AuthorizationCode, resource: &str) -> bool {
    match server.resources.find(resource) {
        Some((_, Receiver::Own)) if code.resources.is_empty() => true,
        Some((resource, _)) => code.resources.contains(&resource),
        None => false,
    }
}

fn required<'a>(params: &'a Params, name: &str, words: &'static str) -> Result<&'a str, OAuthError> {
    params.get(name).ok_or(OAuthError::invalid_request(words))
}

fn invalid_grant(words: &'static str) -> OAuthError {
    OAuthError::new("invalid_grant", words)
}
