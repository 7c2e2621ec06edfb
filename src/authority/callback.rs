//! `GET /callback`: OpenRouter's answer becomes ours.
//!
//! Guarantees: an answer counts only with a flow that this browser consented to. OpenRouter may leave our
//! `state` out; then the only flow under way is meant, and among several the person says which: PKCE keeps a
//! wrong choice from handing anybody another's key.

use subtle::ConstantTimeEq;
use warp::http::StatusCode;

use super::client::log_name;
use super::cookies::{self, Flow, TEMPORARY};
use super::exchange::{Forms, Params, Request, Response, page, redirect};
use super::pages;
use super::seal::SealKind;
use super::server::AuthorizationServer;
use super::token::AuthorizationCode;
use super::wrong::wrong;

/// Answers `GET /callback`.
pub fn callback(server: &AuthorizationServer, request: &Request) -> Response {
    let Some(params) = Params::parse(request.query.as_bytes()) else {
        return wrong("The answer carries a parameter twice.");
    };
    let mut flows = cookies::flows(server, request);
    if flows.is_empty() {
        return wrong("No sign-in is under way in this browser; start again from the application.");
    }
    let at = match params.get("state") {
        Some(state) => flows.iter().position(|flow| bool::from(state.as_bytes().ct_eq(flow.id.as_bytes()))),
        None if flows.len() == 1 => Some(0),
        None => return which(server, &params, &flows),
    };
    let Some(at) = at else {
        return wrong("The answer belongs to another sign-in; start again from the application.");
    };
    let flow = flows.swap_remove(at);
    let id = flow.id.clone();
    let mut response = answer(server, &params, flow);
    cookies::end_flow(server, &mut response, &id);
    response
}

/// Asks the person which of their sign-ins OpenRouter has answered.
fn which(server: &AuthorizationServer, params: &Params, flows: &[Flow]) -> Response {
    let answer = ["code", "error"].into_iter().find_map(|name| Some((name, params.get(name)?)));
    let link = |flow: &Flow| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(answer).append_pair("state", &flow.id).finish();
        format!("{}/callback?{query}", server.path())
    };
    // The one begun last comes first.
    let choices: Vec<pages::Choice<'_>> = flows
        .iter()
        .rev()
        .map(|flow| pages::Choice {
            client_name: flow.pending.client_name.as_deref(),
            redirect_uri: &flow.pending.redirect_uri,
            link: link(flow),
        })
        .collect();
    page(StatusCode::OK, pages::which(&choices), Forms::None)
}

fn answer(server: &AuthorizationServer, params: &Params, flow: Flow) -> Response {
    let pending = flow.pending;
    let (redirect_uri, state) = (pending.redirect_uri.clone(), pending.state.clone());
    let client = pending.client.clone();
    let back = |pairs: &[(&str, &str)]| redirect(&server.answer_url(&redirect_uri, state.as_deref(), pairs));
    let refused = |error, description| {
        tracing::info!(client = log_name(&client), error, "OpenRouter gave no code");
        back(&[("error", error), ("error_description", description)])
    };
    match (params.get("code"), params.get("error")) {
        (Some(code), None) => {
            let code = AuthorizationCode::new(pending, code, flow.upstream_verifier);
            let end = server.now() + TEMPORARY;
            match server.sealer.seal(SealKind::AuthorizationCode, &code, Some(end)) {
                Ok(sealed) => back(&[("code", &sealed)]),
                Err(_) => refused("server_error", "The code cannot be kept."),
            }
        }
        (None, Some("access_denied")) => {
            refused("access_denied", "The person did not allow it at OpenRouter.")
        }
        _ => refused("server_error", "OpenRouter gave no code."),
    }
}
