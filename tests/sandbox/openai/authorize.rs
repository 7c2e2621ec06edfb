//! auth.openai.com's consent page. Its redirects are fixed to two ports (switch `openai.ports`).

use crate::codes::{Challenge, Grant};
use crate::consent::{self, Decision};
use crate::openai::{CLIENT_ID, TEAM};
use crate::pages::{self, Ask};
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::world::World;

const SCOPES: &[&str] =
    &["openid", "profile", "email", "offline_access", "api.connectors.read", "api.connectors.invoke"];

#[derive(Debug)]
pub struct Asked {
    redirect_uri: String,
    challenge: Challenge,
    state: String,
    scopes: Vec<String>,
    workspace: Option<String>,
}

pub fn authorize(world: &mut World, request: &Request) -> Reply {
    let params = request.params();
    let asked = match asked(&params, &world.switches.openai.ports) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "OpenAI", &message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let (scopes, back) = (asked.scopes.clone(), asked.redirect_uri.clone());
    let id = world.openai.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "ChatGPT",
        app: params.get("originator").unwrap_or("A program"),
        facts: &[("Sends you back to", &back)],
        scopes: &scopes,
        action: "/openai/oauth/consent",
        request: &id,
    })
}

fn asked(params: &Params, ports: &[u16]) -> Result<Asked, String> {
    if let Some(name) = params.repeated() {
        return Err(format!("{name} is given twice"));
    }
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err("unknown client_id".to_owned());
    }
    if params.get("response_type") != Some("code") {
        return Err("unsupported response_type".to_owned());
    }
    let redirect_uri = params.text("redirect_uri").unwrap_or_default();
    if !is_registered(&redirect_uri, ports) {
        return Err("redirect_uri is not registered for this client".to_owned());
    }
    let value = params.text("code_challenge").unwrap_or_default();
    let method = params.text("code_challenge_method");
    if method.as_deref() != Some("S256") || value.len() != 43 || !random::is_verifier(&value) {
        return Err("a code_challenge with S256 is required".to_owned());
    }
    let state = params.text("state").ok_or("state is required")?;
    let scopes = params.scopes();
    let unknown = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str()));
    if unknown.is_some() || !scopes.iter().any(|scope| scope == "openid") {
        return Err("invalid scope".to_owned());
    }
    let workspace = params.text("allowed_workspace_id");
    Ok(Asked { redirect_uri, challenge: Challenge { value, method }, state, scopes, workspace })
}

/// `http://localhost:PORT/auth/callback` with one of the registered ports; with none registered, any.
fn is_registered(redirect_uri: &str, ports: &[u16]) -> bool {
    let port =
        redirect_uri.strip_prefix("http://localhost:").and_then(|rest| rest.strip_suffix("/auth/callback"));
    let port = port.and_then(|port| port.parse::<u16>().ok());
    port.is_some_and(|port| ports.is_empty() || ports.contains(&port))
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    match world.openai.waiting.answered(request, "OpenAI") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    let target = asked.redirect_uri.clone();
    let state = asked.state.clone();
    let Decision::Approve(account) = decision else {
        let denied =
            [("error", "access_denied"), ("error_description", "Denied by the user."), ("state", &state)];
        return Reply::redirect(&add_query(&target, &denied));
    };
    let code = world.openai.codes.issue(Grant {
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: Some(asked.redirect_uri),
        challenge: Some(asked.challenge),
        state: Some(asked.state),
        scopes: asked.scopes,
        account,
        via: "authorize",
        // In place of a resource, of which there is none here: one that is not the person's gives way to
        // their own.
        resource: asked.workspace.filter(|workspace| workspace == TEAM),
        issued_at: world.clock.now(),
        spent: None,
    });
    Reply::redirect(&add_query(&target, &[("code", &code), ("state", &state)]))
}
