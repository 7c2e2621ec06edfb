//! The authorization endpoint. Faults of client and redirect stay on the page; all others go back to the
//! client.

use crate::codes::{Challenge, Grant};
use crate::consent::{self, Decision};
use crate::generic::switches::IssSwitch;
use crate::generic::{SCOPES, client, issuer, resource};
use crate::pages::{self, Ask};
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::world::World;

#[derive(Debug)]
pub struct Asked {
    client_id: String,
    redirect_uri: String,
    challenge: Challenge,
    state: Option<String>,
    scopes: Vec<String>,
    resource: Option<String>,
    nonce: Option<String>,
}

pub fn authorize(world: &mut World, request: &Request) -> Reply {
    let params = request.params();
    let id = params.get("client_id").unwrap_or_default();
    let (Some(client), Some(redirect_uri)) = (client::find(world, id), params.get("redirect_uri")) else {
        return pages::problem(400, "The provider", "The client is unknown, or it names no redirect_uri.");
    };
    if params.repeated().is_some() || !client.may_use(redirect_uri) {
        return pages::problem(400, "The provider", "The redirect_uri is not one of the client's.");
    }
    let asked = match asked(world, &params) {
        Ok(asked) => asked,
        Err((error, description)) => {
            let told = [("error", error), ("error_description", description)];
            return back(world, redirect_uri, params.get("state"), &told);
        }
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let (scopes, target) = (asked.scopes.clone(), asked.redirect_uri.clone());
    let resource = asked.resource.clone().unwrap_or("your account".to_owned());
    let id = world.generic.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Standards Inc.",
        app: &client.name,
        facts: &[("Sends you back to", &target), ("For", &resource)],
        scopes: &scopes,
        action: "/generic/authorize",
        request: &id,
    })
}

fn asked(world: &World, params: &Params) -> Result<Asked, (&'static str, &'static str)> {
    if params.get("response_type") != Some("code") {
        return Err(("unsupported_response_type", "Only code is supported."));
    }
    let (value, method) =
        (params.text("code_challenge").unwrap_or_default(), params.text("code_challenge_method"));
    if method.as_deref() != Some("S256") || value.len() != 43 || !random::is_verifier(&value) {
        return Err(("invalid_request", "A code_challenge with S256 is required."));
    }
    let mut scopes = params.scopes();
    if !scopes.iter().all(|scope| SCOPES.contains(&scope.as_str())) {
        return Err(("invalid_scope", "A scope is unknown."));
    }
    let consented =
        params.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|word| word == "consent"));
    if world.switches.generic.offline_needs_consent && !consented {
        // OpenID Connect Core, 11: without prompt=consent the scope is ignored.
        scopes.retain(|scope| scope != "offline_access");
    }
    let resource = params.text("resource");
    if resource.as_ref().is_some_and(|named| *named != resource::identifier(world)) {
        return Err(("invalid_target", "The resource is unknown."));
    }
    let nonce = params.text("nonce");
    if world.switches.generic.nonce_required
        && params.scopes().iter().any(|scope| scope == "openid")
        && nonce.is_none()
    {
        return Err(("invalid_request", "A nonce is required."));
    }
    Ok(Asked {
        nonce,
        client_id: params.text("client_id").unwrap_or_default(),
        redirect_uri: params.text("redirect_uri").unwrap_or_default(),
        challenge: Challenge { value, method },
        state: params.text("state"),
        scopes,
        resource,
    })
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    match world.generic.waiting.answered(request, "The provider") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    let (target, state) = (asked.redirect_uri.clone(), asked.state.clone());
    let Decision::Approve(account) = decision else {
        let told = [("error", "access_denied"), ("error_description", "Denied by the user.")];
        return back(world, &target, state.as_deref(), &told);
    };
    let code = world.generic.codes.issue(Grant {
        client_id: asked.client_id,
        redirect_uri: Some(asked.redirect_uri),
        challenge: Some(asked.challenge),
        state: asked.state,
        scopes: asked.scopes,
        account,
        via: "authorize",
        resource: asked.resource,
        issued_at: world.clock.now(),
        spent: None,
    });
    world.generic.nonces.extend(asked.nonce.map(|nonce| (code.clone(), nonce)));
    back(world, &target, state.as_deref(), &[("code", &code)])
}

/// Sends the browser back with `state` and `iss`, errors included (RFC 9207, 2).
fn back(world: &World, target: &str, state: Option<&str>, told: &[(&str, &str)]) -> Reply {
    let mut params = told.to_vec();
    params.extend(state.map(|state| ("state", state)));
    let iss = match world.switches.generic.iss {
        IssSwitch::Right => Some(issuer(world)),
        IssSwitch::Wrong => Some(format!("{}/other", world.base)),
        IssSwitch::Absent => None,
    };
    params.extend(iss.as_deref().map(|iss| ("iss", iss)));
    Reply::redirect(&add_query(target, &params))
}
