//! `GET /authorize`: checks the client's request, then shows the page that asks the person.
//!
//! Guarantees: client and redirect URI are checked before anything else. Nobody is redirected without having
//! been asked: any client can register itself here, so a fault is told on our own page, with a link that says
//! where it leads (RFC 9700, 4.11.2). A key for a foreign server is asked for in vain (rule 24).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use warp::http::StatusCode;

use super::budget::Budget;
use super::client::{Client, log_name};
use super::exchange::{Forms, OAuthError, Params, Request, Response, page};
use super::pending::Pending;
use super::resource::Receiver;
use super::server::AuthorizationServer;
use super::wrong::wrong;
use super::{consent, pages};

/// Longest `state` that is carried, in bytes: the sealed flow has to fit into a 4 KiB cookie.
const MAX_STATE_LEN: usize = 1024;
/// Most resources of one request.
const MAX_RESOURCES: usize = 5;

/// What is wrong with a request whose client and redirect URI are right.
enum Fault {
    /// Any fault that an RFC has a name for.
    OAuth(OAuthError),
    /// A resource that no key is given for here, as it was sent.
    Resource(String),
}

impl From<OAuthError> for Fault {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

/// Answers `GET /authorize`.
pub async fn authorize(server: &AuthorizationServer, request: &Request) -> Response {
    let Some(params) = Params::parse(request.query.as_bytes()) else {
        return wrong("The link carries a parameter twice.");
    };
    let client = match server.client(params.get("client_id").unwrap_or_default()).await {
        Ok(client) => client,
        Err(words) => return wrong(words),
    };
    let Some(redirect_uri) = params.get("redirect_uri").or(client.only_redirect_uri()) else {
        return wrong("The link names no redirect URI.");
    };
    if !client.may_redirect_to(redirect_uri) {
        return wrong("The link's redirect URI is not one that the application registered.");
    }
    match check(server, &params, &client, redirect_uri) {
        Ok((pending, foreign)) => {
            tracing::debug!(client = log_name(&pending.client), "asks the person");
            consent::ask(server, request, &client, pending, &foreign)
        }
        Err(fault) => {
            tracing::info!(
                client = log_name(&client.fingerprint()),
                error = fault.error().error,
                "refused a request"
            );
            let state = params.get("state").filter(|state| state.len() <= MAX_STATE_LEN);
            fault_page(server, &client, redirect_uri, state, &fault)
        }
    }
}

/// The request, and whichever of its resources are servers of others.
fn check(
    server: &AuthorizationServer,
    params: &Params,
    client: &Client,
    redirect_uri: &str,
) -> Result<(Pending, Vec<String>), Fault> {
    check_response_type(params)?;
    let code_challenge = code_challenge(params)?;
    let state = params.get("state").map(str::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE_LEN) {
        return Err(OAuthError::invalid_request("The state is longer than 1024 bytes.").into());
    }
    let budget = requested_budget(params).map_err(OAuthError::invalid_request)?;
    let (resources, foreign) = resources(server, params)?;
    // Scopes that are not known here are left out, and the token's answer says what was given (RFC 6749,
    // 3.3): an MCP server lists scopes of its own, and its clients ask for them all.
    let pending = Pending {
        client: client.fingerprint(),
        client_name: client.name().map(str::to_owned),
        redirect_uri: redirect_uri.to_owned(),
        redirect_uri_named: params.get("redirect_uri").is_some(),
        state,
        code_challenge: code_challenge.to_owned(),
        resources,
        budget: budget.or(client.budget.clone()),
    };
    Ok((pending, foreign))
}

fn check_response_type(params: &Params) -> Result<(), OAuthError> {
    match params.get("response_type") {
        Some("code") => Ok(()),
        Some(_) => {
            Err(OAuthError::new("unsupported_response_type", "Only the response type code is offered."))
        }
        None => Err(OAuthError::invalid_request("The parameter response_type is missing.")),
    }
}

fn code_challenge(params: &Params) -> Result<&str, OAuthError> {
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request("PKCE with code_challenge_method=S256 is required."));
    }
    let missing = OAuthError::invalid_request("The parameter code_challenge is missing.");
    let challenge = params.get("code_challenge").ok_or(missing)?;
    match challenge.len() == 43 && URL_SAFE_NO_PAD.decode(challenge).is_ok() {
        true => Ok(challenge),
        false => Err(OAuthError::invalid_request("The code_challenge is not one of S256.")),
    }
}

fn resources(server: &AuthorizationServer, params: &Params) -> Result<(Vec<String>, Vec<String>), Fault> {
    let (mut all, mut foreign) = (Vec::new(), Vec::new());
    for text in params.resources() {
        let (resource, receiver) =
            server.resources.find(text).ok_or_else(|| Fault::Resource(text.to_owned()))?;
        if receiver == Receiver::Listed && !foreign.contains(&resource) {
            foreign.push(resource.clone());
        }
        if !all.contains(&resource) {
            all.push(resource);
        }
    }
    match all.len() <= MAX_RESOURCES {
        true => Ok((all, foreign)),
        false => Err(OAuthError::new("invalid_target", "These are too many resources at once.").into()),
    }
}

fn requested_budget(params: &Params) -> Result<Budget, &'static str> {
    let limit = params.get("limit").map(str::parse).transpose().map_err(|_| "limit must be a number.")?;
    let text = |name| params.get(name).map(str::to_owned);
    let budget = Budget {
        limit,
        usage_limit_type: text("usage_limit_type"),
        expires_at: text("expires_at"),
        key_label: text("key_label"),
    };
    budget.check().map(|()| budget)
}

impl Fault {
    fn error(&self) -> OAuthError {
        match self {
            Self::OAuth(error) => error.clone(),
            Self::Resource(_) => {
                OAuthError::new("invalid_target", "No key is given for that resource by this server.")
            }
        }
    }
}

/// The fault, and the way to tell it to the application.
fn fault_page(
    server: &AuthorizationServer,
    client: &Client,
    redirect_uri: &str,
    state: Option<&str>,
    fault: &Fault,
) -> Response {
    let error = fault.error();
    let pairs = [("error", error.error), ("error_description", &*error.description)];
    let html = pages::fault(&pages::Fault {
        description: &error.description,
        resource: match fault {
            Fault::Resource(text) => Some(text),
            Fault::OAuth(_) => None,
        },
        client_name: client.name(),
        redirect_uri,
        link: &server.answer_url(redirect_uri, state, &pairs),
    });
    page(StatusCode::BAD_REQUEST, html, Forms::None)
}
