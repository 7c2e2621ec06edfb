//! `POST /register` (RFC 7591): the reply's client id *is* the registration, sealed. Kept for older clients; newer
//! ones bring a metadata document (MCP authorization, 2026-07-28).

use serde::Deserialize;
use serde_json::json;
use warp::http::StatusCode;

use super::client::{Budget, Registration, is_plain};
use super::exchange::{Request, Response, oauth_error};
use super::metadata::SCOPE;
use super::seal::SealKind;
use super::{Authority, exchange, redirect_uri};

/// Most redirect URIs of one client: all of them travel in its id.
const MAX_REDIRECT_URIS: usize = 5;
/// Longest client id that is handed out, in bytes: it travels in URLs.
const MAX_CLIENT_ID_LEN: usize = 2048;

/// The part of RFC 7591, section 2 that matters here; the rest is ignored, as the RFC asks.
#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    #[serde(flatten)]
    budget: Budget,
}

type Refusal = (&'static str, &'static str);

/// Answers a registration.
pub fn register(authority: &Authority, request: &Request) -> Response {
    if !request.is_type("application/json") {
        return refuse(("invalid_client_metadata", "Send the client metadata as application/json."));
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&request.body) else {
        return refuse(("invalid_client_metadata", "The body is not client metadata of RFC 7591."));
    };
    match check(&metadata).and_then(|()| seal(authority, metadata)) {
        Ok(response) => response,
        Err(refusal) => refuse(refusal),
    }
}

fn check(metadata: &Metadata) -> Result<(), Refusal> {
    let invalid = |words| Err(("invalid_client_metadata", words));
    if metadata.redirect_uris.is_empty() || metadata.redirect_uris.len() > MAX_REDIRECT_URIS {
        return Err(("invalid_redirect_uri", "Register one to five redirect URIs."));
    }
    for uri in &metadata.redirect_uris {
        redirect_uri::check(uri).map_err(|words| ("invalid_redirect_uri", words))?;
    }
    if metadata.client_name.as_deref().is_some_and(|name| !is_plain(name, 100)) {
        return invalid("`client_name` must be 1 to 100 printable characters.");
    }
    if metadata
        .grant_types
        .as_ref()
        .is_some_and(|types| !types.iter().any(|kind| kind == "authorization_code"))
    {
        return invalid("Only the grant type authorization_code is offered.");
    }
    if metadata.response_types.as_ref().is_some_and(|types| !types.iter().any(|kind| kind == "code")) {
        return invalid("Only the response type code is offered.");
    }
    metadata.budget.check().or_else(invalid)
}

fn seal(authority: &Authority, metadata: Metadata) -> Result<Response, Refusal> {
    let registration = Registration {
        redirect_uris: metadata.redirect_uris,
        client_name: metadata.client_name,
        issued_at: authority.now(),
        budget: metadata.budget,
    };
    let client_id = authority
        .sealer
        .seal(SealKind::Client, &registration, None)
        .map_err(|_| ("invalid_client_metadata", "The metadata cannot be kept."))?;
    if client_id.len() > MAX_CLIENT_ID_LEN {
        return Err((
            "invalid_client_metadata",
            "The metadata is too long in all; use fewer or shorter redirect URIs.",
        ));
    }
    // What was asked for and is not offered is answered with what is (RFC 7591, 3.2.1): a confidential client gets
    // to know here that it is a public one.
    let _ = metadata.token_endpoint_auth_method;
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

fn refuse((error, words): Refusal) -> Response {
    oauth_error(StatusCode::BAD_REQUEST, error, words)
}
