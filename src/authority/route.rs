//! Which handler answers which address, and the rate limit in front of the ones that cost something.

use std::net::IpAddr;
use std::time::Instant;

use warp::http::{Method, StatusCode, header};

use super::exchange::{self, OAuthError, Request, Response, method_not_allowed, options};
use super::limit::Limited;
use super::metadata::{self, ME};
use super::server::AuthorizationServer;
use super::{authorize, callback, consent, me, registration, token};

/// What an address is; also its name in the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// RFC 8414 metadata.
    ServerMetadata,
    /// RFC 9728 metadata of the resource with this path.
    ResourceMetadata(&'static str),
    Register,
    Authorize,
    Callback,
    Token,
    Me,
    Health,
    Unknown,
}

impl Route {
    /// The name in the access log and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ServerMetadata => "server-metadata",
            Self::ResourceMetadata(_) => "resource-metadata",
            Self::Register => "register",
            Self::Authorize => "authorize",
            Self::Callback => "callback",
            Self::Token => "token",
            Self::Me => "me",
            Self::Health => "healthz",
            Self::Unknown => "unknown",
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Register | Self::Token => "POST, OPTIONS",
            Self::Authorize => "GET, HEAD, POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }

    fn limited(self) -> Option<Limited> {
        match self {
            Self::Register => Some(Limited::Register),
            Self::Authorize | Self::Callback => Some(Limited::Authorize),
            // `/me` asks OpenRouter too, so it counts with the token endpoint.
            Self::Token | Self::Me => Some(Limited::Token),
            _ => None,
        }
    }
}

/// Finds the route of a path.
pub fn find(server: &AuthorizationServer, path: &str) -> Route {
    let issuer_path = server.path();
    if let Some(suffix) = path.strip_prefix("/.well-known/oauth-authorization-server") {
        let own = suffix.trim_end_matches('/') == issuer_path;
        return if own { Route::ServerMetadata } else { Route::Unknown };
    }
    if let Some(suffix) = path.strip_prefix("/.well-known/oauth-protected-resource") {
        return match metadata::resource_path(issuer_path, suffix) {
            Some(ME) => Route::ResourceMetadata(ME),
            Some(_) => Route::ResourceMetadata(""),
            None => Route::Unknown,
        };
    }
    match path.strip_prefix(issuer_path) {
        Some("/register") => Route::Register,
        Some("/authorize") => Route::Authorize,
        Some("/callback") => Route::Callback,
        Some("/token") => Route::Token,
        Some(ME) => Route::Me,
        Some("/healthz") => Route::Health,
        _ => Route::Unknown,
    }
}

/// Answers a request.
pub async fn answer(server: &AuthorizationServer, route: Route, request: &Request) -> Response {
    // Also where there is nothing: a script may see the 404 only after a preflight that went well.
    if request.method == Method::OPTIONS {
        return options(route.methods());
    }
    if let Some(response) = held_back(server, route, request) {
        return response;
    }
    let get = request.method == Method::GET || request.method == Method::HEAD;
    let post = request.method == Method::POST;
    match route {
        Route::ServerMetadata if get => exchange::document(&server.server_metadata),
        Route::ResourceMetadata(path) if get => exchange::document(server.resource_metadata(path)),
        Route::Register if post => registration::register(server, request),
        Route::Authorize if get => authorize::authorize(server, request).await,
        Route::Authorize if post => consent::decide(server, request),
        // A prefetch by HEAD must not use up the flow.
        Route::Callback if request.method == Method::GET => callback::callback(server, request),
        Route::Token if post => token::token(server, request).await,
        Route::Me if get => me::me(server, request).await,
        Route::Health if get => exchange::public_text(StatusCode::OK, "ok"),
        Route::Unknown => exchange::public_text(StatusCode::NOT_FOUND, "There is nothing here."),
        other => method_not_allowed(other.methods()),
    }
}

fn held_back(server: &AuthorizationServer, route: Route, request: &Request) -> Option<Response> {
    let wait = server
        .limits
        .as_ref()?
        .count(client_address(server, request)?, route.limited()?, Instant::now())
        .err()?;
    let words = "Too many requests from this address; wait as long as Retry-After says.";
    tracing::info!(route = route.name(), "too many requests from one address");
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = OAuthError::with_status(status, "temporarily_unavailable", words).response();
    exchange::set(response.headers_mut(), header::RETRY_AFTER, &wait.as_secs().max(1).to_string());
    Some(response)
}

/// The address that counts: the one that connected, or the one that the proxy in front names.
fn client_address(server: &AuthorizationServer, request: &Request) -> Option<IpAddr> {
    let forwarded = request.headers.get_all("x-forwarded-for").iter().next_back();
    let last = forwarded.filter(|_| server.trust_forwarded_for).and_then(|value| value.to_str().ok());
    last.and_then(|text| text.rsplit(',').next()?.trim().parse().ok()).or(request.peer)
}
