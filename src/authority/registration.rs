//! `POST /register` (RFC 7591): the reply's client id *is* the registration, sealed. Kept for older clients;
//! newer ones bring a metadata document (MCP authorization, 2026-07-28).

use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;

use super::budget::{Budget, is_plain};
use super::client::{self, Registration};
use super::exchange::{self, OAuthError, Request, Response};
use super::metadata::SCOPE;
use super::redirect_uri;
use super::seal::SealKind;
use super::server::AuthorizationServer;

/// Most redirect URIs of one client: all of them travel in its id. VS Code registers six.
const MAX_REDIRECT_URIS: usize = 10;
/// Longest client id that is handed out, in bytes: it travels in URLs.
const MAX_CLIENT_ID_LEN: usize = 2048;

/// The part of RFC 7591, section 2 that matters here; the rest is ignored, as the RFC asks.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    #[serde(flatten)]
    budget: Budget,
}

/// Answers a registration.
pub fn register(server: &AuthorizationServer, request: &Request) -> Response {
    if !request.is_type("application/json") {
        return invalid("Send the client metadata as application/json.").response();
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&request.body) else {
        return invalid("The body is not client metadata of RFC 7591.").response();
    };
    match check(metadata, server.now()).and_then(|registration| seal(server, &registration)) {
        Ok(response) => response,
        Err(error) => {
            tracing::info!(error = error.error, "refused a registration: {}", error.description);
            error.response()
        }
    }
}

fn check(metadata: Metadata, now: i64) -> Result<Registration, OAuthError> {
    let redirect_uris = redirect_uri::allowed(metadata.redirect_uris, MAX_REDIRECT_URIS);
    let redirect_uris = redirect_uris.map_err(|words| OAuthError::new("invalid_redirect_uri", words))?;
    if metadata.client_name.as_deref().is_some_and(|name| !is_plain(name, 100)) {
        return Err(invalid("client_name must be 1 to 100 printable characters."));
    }
    let lacks =
        |list: Option<Vec<String>>, wanted| list.is_some_and(|list| !list.iter().any(|one| one == wanted));
    if lacks(metadata.grant_types, "authorization_code") {
        return Err(invalid("Only the grant type authorization_code is offered."));
    }
    if lacks(metadata.response_types, "code") {
        return Err(invalid("Only the response type code is offered."));
    }
    metadata.budget.check().map_err(invalid)?;
    let (client_name, budget) = (metadata.client_name, metadata.budget);
    Ok(Registration { redirect_uris, client_name, issued_at: now, budget })
}

/// The reply says what was registered, which may be less than was asked for (RFC 7591, 3.2.1): redirect URIs
/// that are not allowed are missing, a confidential client gets to know that it is a public one, and the
/// scope is ours.
fn seal(server: &AuthorizationServer, registration: &Registration) -> Result<Response, OAuthError> {
    let client_id = server.sealer.seal(SealKind::Client, registration, None);
    let client_id = client_id.map_err(|_| invalid("The metadata cannot be kept."))?;
    if client_id.len() > MAX_CLIENT_ID_LEN {
        return Err(invalid("The metadata is too long in all; use fewer or shorter redirect URIs."));
    }
    tracing::info!(client = client::log_name(&client::fingerprint(&client_id)), "registered a client");
    let mut reply = json!({
        "client_id": client_id,
        "client_id_issued_at": registration.issued_at,
        "redirect_uris": registration.redirect_uris,
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code"],
        "response_types": ["code"],
        "scope": SCOPE,
    });
    if let Some(name) = &registration.client_name {
        reply["client_name"] = json!(name);
    }
    Ok(exchange::json(StatusCode::CREATED, &reply))
}

fn invalid(words: &'static str) -> OAuthError {
    OAuthError::new("invalid_client_metadata", words)
}
