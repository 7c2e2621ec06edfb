//! `GET /authorize`, the consent page behind it, and the upstream callback.
//!
//! Guarantees: client and redirect URI are checked before anything else and a request that fails there is answered
//! with a page, never with a redirect. Nothing goes upstream before the person allowed this very client on our own
//! page: OpenRouter sees one client only and could not ask for us. The consent form is accepted from our own page in
//! the same browser only; the cookie that ties the upstream callback to the request is set only after consent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use warp::http::{StatusCode, header};

use super::client::{Budget, Client};
use super::exchange::{Params, Request, Response, add_cookie, page, redirect, set};
use super::metadata::SCOPE;
use super::seal::SealKind;
use super::token::AuthorizationCode;
use super::{Authority, pages, redirect_uri};

/// Seconds that a consent page, a flow or a code stays valid: OpenRouter's own codes live 10 minutes.
pub const TEMPORARY: i64 = 600;
/// Longest `state` that is carried, in bytes: the sealed flow has to fit into a 4 KiB cookie.
const MAX_STATE_LEN: usize = 1024;
/// Longest `resource`, in bytes.
const MAX_RESOURCE_LEN: usize = 512;
/// Browsers keep 4,096 bytes of a cookie with its name and attributes (RFC 6265, 6.1).
const MAX_COOKIE_LEN: usize = 3900;

/// An authorization request that passed every check.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// [`Client::fingerprint`].
    pub client: String,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub code_challenge: String,
    pub resource: Option<String>,
    pub budget: Budget,
}

/// What the consent form carries: the request, and the browser it was shown in.
#[derive(Serialize, Deserialize)]
struct Consent {
    pending: Pending,
    browser: String,
}

/// What the cookie carries from consent to callback.
#[derive(Serialize, Deserialize)]
struct Flow {
    pending: Pending,
    /// Sent upstream as `state`, which OpenRouter may or may not send back.
    id: String,
    upstream_verifier: String,
}

/// `GET /authorize`: checks, then asks the person.
pub async fn authorize(authority: &Authority, request: &Request) -> Response {
    let Some(params) = Params::parse(request.query.as_bytes()) else {
        return wrong("The link carries a parameter twice.");
    };
    let client = match authority.client(params.get("client_id").unwrap_or_default()).await {
        Ok(client) => client,
        Err(words) => return wrong(words),
    };
    let Some(redirect_uri) = params.get("redirect_uri").or(client.only_redirect_uri()) else {
        return wrong("The link names no redirect URI.");
    };
    if !client.may_redirect_to(redirect_uri) {
        return wrong("The link's redirect URI is not one that the application registered.");
    }
    match pending(&params, &client, redirect_uri) {
        Ok(pending) => consent_page(authority, &client, pending),
        Err((error, words)) => {
            let state = params.get("state").filter(|state| state.len() <= MAX_STATE_LEN);
            authority.send_back(redirect_uri, state, &[("error", error), ("error_description", words)])
        }
    }
}

fn pending(
    params: &Params,
    client: &Client,
    redirect_uri: &str,
) -> Result<Pending, (&'static str, &'static str)> {
    let invalid = |words| ("invalid_request", words);
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(("unsupported_response_type", "Only the response type code is offered."));
        }
        None => return Err(invalid("The parameter response_type is missing.")),
    }
    if params.get("code_challenge_method") != Some("S256") {
        return Err(invalid("PKCE with code_challenge_method=S256 is required."));
    }
    let code_challenge =
        params.get("code_challenge").ok_or(invalid("The parameter code_challenge is missing."))?;
    if code_challenge.len() != 43 || URL_SAFE_NO_PAD.decode(code_challenge).is_err() {
        return Err(invalid("The code_challenge is not one of S256."));
    }
    if params.get("scope").is_some_and(|scope| scope.split(' ').any(|one| one != SCOPE)) {
        return Err(("invalid_scope", "The only scope is api."));
    }
    let state = params.get("state").map(str::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE_LEN) {
        return Err(invalid("The state is longer than 1024 bytes."));
    }
    let budget = requested_budget(params).map_err(invalid)?;
    Ok(Pending {
        client: client.fingerprint(),
        redirect_uri: redirect_uri.to_owned(),
        state,
        code_challenge: code_challenge.to_owned(),
        resource: resource(params.get("resource"))?,
        budget: budget.or(client.budget.clone()),
    })
}

/// RFC 8707, 2: an absolute URI without a fragment.
fn resource(text: Option<&str>) -> Result<Option<String>, (&'static str, &'static str)> {
    let Some(text) = text else { return Ok(None) };
    let fits = text.len() <= MAX_RESOURCE_LEN
        && Url::parse(text).is_ok_and(|url| {
            url.fragment().is_none()
                && (url.scheme() == "https" || url.scheme() == "http" && redirect_uri::is_loopback(&url))
        });
    if fits {
        Ok(Some(text.to_owned()))
    } else {
        Err(("invalid_target", "The resource must be an https URL without a fragment."))
    }
}

fn requested_budget(params: &Params) -> Result<Budget, &'static str> {
    let limit = params.get("limit").map(str::parse).transpose().map_err(|_| "`limit` must be a number.")?;
    let text = |name| params.get(name).map(str::to_owned);
    let budget = Budget {
        limit,
        usage_limit_type: text("usage_limit_type"),
        expires_at: text("expires_at"),
        key_label: text("key_label"),
    };
    budget.check().map(|()| budget)
}

fn consent_page(authority: &Authority, client: &Client, pending: Pending) -> Response {
    let browser = random_id();
    let target = origin_of(&pending.redirect_uri);
    let shown = pages::Consent {
        client_name: client.display_name(),
        redirect_origin: &target,
        budget: &pending.budget,
        action: &format!("{}/authorize", authority.path()),
    };
    let consent = Consent { pending: pending.clone(), browser: browser.clone() };
    let Ok(sealed) = authority.sealer.seal(SealKind::Consent, &consent, Some(authority.now() + TEMPORARY))
    else {
        return wrong("The request cannot be kept.");
    };
    // A browser holds a form's redirects to `form-action` too: both places that the answer may send it are named.
    let upstream = authority.upstream.origin();
    let mut response = page(StatusCode::OK, pages::consent(&shown, &sealed), &["'self'", &upstream, &target]);
    // Under `no-referrer` browsers post forms with `Origin: null`, which could be anybody.
    set(response.headers_mut(), header::REFERRER_POLICY, "same-origin");
    add_cookie(&mut response, &authority.cookie("consent", &browser, "/authorize", "Strict", TEMPORARY));
    response
}

/// `POST /authorize`: the person's decision.
pub fn decide(authority: &Authority, request: &Request) -> Response {
    if !is_from_our_page(authority, request) {
        return wrong("The decision did not come from this page.");
    }
    let params =
        Params::parse(&request.body).filter(|_| request.is_type("application/x-www-form-urlencoded"));
    let Some(params) = params else {
        return wrong("The form is not readable.");
    };
    let sealed = params.get("request").unwrap_or_default();
    let Some(consent) = authority.sealer.open::<Consent>(SealKind::Consent, sealed, authority.now()) else {
        return wrong("The page was open for too long, or the link was changed.");
    };
    let same_browser = request
        .cookie(&authority.cookie_name("consent"))
        .is_some_and(|cookie| bool::from(cookie.as_bytes().ct_eq(consent.browser.as_bytes())));
    if !same_browser {
        return wrong("The decision came from another browser, or this one keeps no cookies.");
    }
    let mut response = match params.get("decision") {
        Some("allow") => go_upstream(authority, consent.pending),
        _ => authority.send_back(
            &consent.pending.redirect_uri,
            consent.pending.state.as_deref(),
            &[("error", "access_denied"), ("error_description", "The person did not allow it.")],
        ),
    };
    add_cookie(&mut response, &authority.cookie("consent", "", "/authorize", "Strict", 0));
    response
}

/// A posted form names its origin in every browser of today; `Sec-Fetch-Site` says the same in other words.
fn is_from_our_page(authority: &Authority, request: &Request) -> bool {
    let site = request.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let origin = request.header(header::ORIGIN);
    let origin_fits = origin.is_none_or(|origin| origin == authority.origin());
    origin_fits && site.is_none_or(|site| site == "same-origin")
}

fn go_upstream(authority: &Authority, pending: Pending) -> Response {
    let verifier = random_verifier();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let id = random_id();
    let url = authority.upstream.authorize_url(&authority.callback_url(), &challenge, &id, &pending.budget);
    let flow = Flow { pending, id, upstream_verifier: verifier };
    let sealed = authority.sealer.seal(SealKind::Flow, &flow, Some(authority.now() + TEMPORARY));
    match sealed.ok().filter(|text| text.len() <= MAX_COOKIE_LEN) {
        Some(sealed) => {
            let mut response = redirect(url.as_str());
            // Lax: the callback is a navigation that OpenRouter's page starts.
            add_cookie(&mut response, &authority.cookie("flow", &sealed, "/callback", "Lax", TEMPORARY));
            response
        }
        None => wrong("The request is too long in all; use a shorter redirect URI or state."),
    }
}

/// `GET /callback`: OpenRouter's answer becomes ours.
pub fn callback(authority: &Authority, request: &Request) -> Response {
    let Some(params) = Params::parse(request.query.as_bytes()) else {
        return wrong("The answer carries a parameter twice.");
    };
    let flow = request
        .cookie(&authority.cookie_name("flow"))
        .and_then(|sealed| authority.sealer.open::<Flow>(SealKind::Flow, sealed, authority.now()));
    let Some(flow) = flow else {
        return wrong("No sign-in is under way in this browser; start again from the application.");
    };
    // OpenRouter may leave our state out, but a different one is another flow's answer.
    let foreign =
        params.get("state").is_some_and(|state| !bool::from(state.as_bytes().ct_eq(flow.id.as_bytes())));
    if foreign {
        return wrong("The answer belongs to another sign-in; start again from the application.");
    }
    let mut response = answer(authority, &params, flow);
    add_cookie(&mut response, &authority.cookie("flow", "", "/callback", "Lax", 0));
    response
}

fn answer(authority: &Authority, params: &Params, flow: Flow) -> Response {
    let pending = flow.pending;
    let state = pending.state.clone();
    let redirect_uri = pending.redirect_uri.clone();
    let back = |pairs: &[(&str, &str)]| authority.send_back(&redirect_uri, state.as_deref(), pairs);
    match (params.get("code"), params.get("error")) {
        (Some(code), None) => {
            let code = AuthorizationCode::new(pending, code, flow.upstream_verifier);
            let end = authority.now() + TEMPORARY;
            match authority.sealer.seal(SealKind::AuthorizationCode, &code, Some(end)) {
                Ok(sealed) => back(&[("code", &sealed)]),
                Err(_) => back(&[("error", "server_error")]),
            }
        }
        (None, Some("access_denied")) => back(&[
            ("error", "access_denied"),
            ("error_description", "The person did not allow it at OpenRouter."),
        ]),
        _ => back(&[("error", "server_error"), ("error_description", "OpenRouter gave no code.")]),
    }
}

fn wrong(words: &str) -> Response {
    page(StatusCode::BAD_REQUEST, pages::wrong(words), &[])
}

/// Scheme, host and port, for the consent page and its policy.
fn origin_of(url: &str) -> String {
    Url::parse(url).map(|url| url.origin().ascii_serialization()).unwrap_or_default()
}

/// 128 random bits: names a browser or a flow.
fn random_id() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// 256 random bits in 43 characters (RFC 7636, 4.1).
fn random_verifier() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
