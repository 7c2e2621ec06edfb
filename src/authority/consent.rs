//! The page that asks the person, and their decision.
//!
//! Guarantees: nothing goes upstream before the person allowed this very client on our own page, which names
//! everybody who will be able to spend the key (rule 24): OpenRouter sees one client only and could not ask
//! for us. The decision is taken from our own page in the same browser alone; the cookie that ties the
//! upstream callback to the request is set only after it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use warp::http::{StatusCode, header};

use super::client::{Client, log_name};
use super::cookies::{self, Flow, TEMPORARY};
use super::exchange::{Forms, Params, Request, Response, page, redirect, set};
use super::pages;
use super::pending::Pending;
use super::seal::SealKind;
use super::server::AuthorizationServer;
use super::wrong::wrong;
use crate::random;

/// What the consent form carries: the request, and the browser it was shown in.
#[derive(Serialize, Deserialize)]
struct Consent {
    pending: Pending,
    browser: String,
}

/// Shows the page. `foreign` are the resources that are servers of others.
pub fn ask(
    server: &AuthorizationServer,
    request: &Request,
    client: &Client,
    pending: Pending,
    foreign: &[String],
) -> Response {
    let browser = cookies::browser(server, request).map_or_else(random::url_text::<16>, ToOwned::to_owned);
    let consent = Consent { pending, browser };
    let sealed = server.sealer.seal(SealKind::Consent, &consent, Some(server.now() + TEMPORARY));
    let Ok(sealed) = sealed else {
        return wrong("The request cannot be kept.");
    };
    let html = pages::consent(&pages::Consent {
        client,
        redirect_uri: &consent.pending.redirect_uri,
        receivers: foreign,
        openrouter: &server.upstream.host(),
        budget: &consent.pending.budget,
        action: &format!("{}/authorize", server.path()),
        sealed: &sealed,
    });
    let mut response = page(StatusCode::OK, html, Forms::Redirected);
    // Under `no-referrer` browsers post forms with `Origin: null`, which could be anybody.
    set(response.headers_mut(), header::REFERRER_POLICY, "same-origin");
    cookies::keep_browser(server, &mut response, &consent.browser);
    response
}

/// `POST /authorize`: the person's decision.
pub fn decide(server: &AuthorizationServer, request: &Request) -> Response {
    if !is_from_our_page(server, request) {
        return wrong("The decision did not come from this page.");
    }
    let params =
        Params::parse(&request.body).filter(|_| request.is_type("application/x-www-form-urlencoded"));
    let Some(params) = params else {
        return wrong("The form is not readable.");
    };
    let sealed = params.get("request").unwrap_or_default();
    let Some(consent) = server.sealer.open::<Consent>(SealKind::Consent, sealed, server.now()) else {
        return wrong("The page was open for too long, or the link was changed.");
    };
    let same_browser = cookies::browser(server, request)
        .is_some_and(|browser| bool::from(browser.as_bytes().ct_eq(consent.browser.as_bytes())));
    if !same_browser {
        return wrong("The decision came from another browser, or this one keeps no cookies.");
    }
    let client = consent.pending.client.clone();
    if params.get("decision") == Some("allow") {
        tracing::info!(client = log_name(&client), "the person allowed it");
        return go_upstream(server, request, consent);
    }
    tracing::info!(client = log_name(&client), "the person denied it");
    let pairs = [("error", "access_denied"), ("error_description", "The person did not allow it.")];
    let Pending { redirect_uri, state, .. } = consent.pending;
    redirect(&server.answer_url(&redirect_uri, state.as_deref(), &pairs))
}

/// A posted form names its origin in every browser of today; `Sec-Fetch-Site` says the same in other words.
fn is_from_our_page(server: &AuthorizationServer, request: &Request) -> bool {
    let site = request.headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let origin = request.header(header::ORIGIN);
    let origin_fits = origin.is_none_or(|origin| origin == server.origin());
    origin_fits && site.is_none_or(|site| site == "same-origin")
}

fn go_upstream(server: &AuthorizationServer, request: &Request, consent: Consent) -> Response {
    let flow = Flow {
        id: random::url_text::<16>(),
        upstream_verifier: random::url_text::<32>(),
        pending: consent.pending,
        browser: consent.browser,
        begun_at: server.now(),
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(flow.upstream_verifier.as_bytes()));
    let budget = &flow.pending.budget;
    let url = server.upstream.authorize_url(&server.callback_url(), &challenge, &flow.id, budget);
    let mut response = redirect(url.as_str());
    if !cookies::add_flow(server, request, &mut response, &flow) {
        return wrong("The request is too long in all; use a shorter redirect URI or state.");
    }
    cookies::keep_browser(server, &mut response, &flow.browser);
    response
}
