//! The Copilot token, made from a GitHub token, and the API that takes it.

use serde_json::{Value, json};

use crate::chat;
use crate::github::login;
use crate::github::switches::Endpoint;
use crate::random;
use crate::reply::Reply;
use crate::request::Request;
use crate::tokens::{Bad, Session};
use crate::world::World;

/// The exchange.
pub fn token(world: &mut World, request: &Request) -> Reply {
    let session = match login::session(world, request) {
        Ok(session) => session.clone(),
        Err(refusal) => return refusal,
    };
    if let Some(refusal) = editor_refusal(request, &["editor-version", "editor-plugin-version"]) {
        return refusal;
    }
    if !world.switches.github.copilot_access {
        return no_access();
    }
    Reply::json(200, &made(world, session))
}

fn made(world: &mut World, session: Session) -> Value {
    let rules = world.switches.github.clone();
    let now = world.now();
    // By the provider's clock the token lives as long as ever; `skew` is what its clock shows wrong.
    let expires_at = now + rules.tokens.lifetime + rules.skew;
    let host = rules.endpoint.name();
    let plan = session.account.plan;
    let token = format!(
        "tid={};exp={expires_at};sku={plan};proxy-ep=proxy.{host}.sandbox.test;st=dotcom;8kp=1:{}",
        random::hex(16),
        random::hex(32)
    );
    let family = world.github.copilot.open(Session { via: host, ..session });
    world.github.copilot.add_access(family, &token, now, rules.tokens.lifetime);
    let mut reply = json!({
        "token": token, "expires_at": expires_at, "refresh_in": rules.refresh_in, "sku": plan,
        "individual": host == "individual", "chat_enabled": true, "xcode": true, "xcode_chat": true,
        "chat_jetbrains_enabled": true, "code_quote_enabled": true, "codesearch": true,
        "copilotignore_enabled": false, "nes_enabled": true, "prompt_8k": true,
        "snippy_load_test_enabled": false, "vsc_electron_fetcher": true, "annotations_enabled": true,
        "tracking_id": random::hex(8), "public_suggestions": "disabled", "telemetry": "disabled",
    });
    if rules.endpoint != Endpoint::Unnamed {
        reply["endpoints"] = json!({
            "api": format!("{}/github/copilot-{host}", world.base),
            "origin-tracker": format!("{}/github/copilot-{host}/origin", world.base),
            "proxy": format!("{}/github/copilot-{host}/proxy", world.base),
            "telemetry": format!("{}/github/copilot-{host}/telemetry", world.base),
        });
    }
    reply
}

fn no_access() -> Reply {
    let body = json!({
        "error_details": {
            "url": "https://support.github.com", "message": "No access to GitHub Copilot found.",
            "title": "Contact Support", "notification_id": "no_copilot_access",
        },
        "message": "Resource not accessible by integration",
    });
    Reply::json(403, &body)
}

fn editor_refusal(request: &Request, wanted: &[&str]) -> Option<Reply> {
    let missing = wanted.iter().find(|name| request.header(name).is_none())?;
    let message = format!("bad request: missing {missing} header for IDE auth");
    Some(Reply::text(400, "text/plain", message))
}

pub fn user(world: &mut World, request: &Request) -> Reply {
    let session = match login::session(world, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let quota =
        json!({ "entitlement": 300, "remaining": 299, "percent_remaining": 99.7, "unlimited": false });
    let body = json!({
        "login": session.account.login, "copilot_plan": session.account.plan, "quota_reset_date": "2030-01-01",
        "quota_snapshots": { "chat": quota, "completions": quota, "premium_interactions": quota },
        "endpoints": { "api": format!("{}/github/copilot-elsewhere", world.base) },
    });
    Reply::json(200, &body)
}

/// `/github/copilot-HOST/PATH`.
pub fn api(world: &mut World, request: &Request) -> Reply {
    let rest = request.path.trim_start_matches("/github/copilot-");
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if let Some(refusal) = refusal(world, request, host) {
        return refusal;
    }
    match (request.method.as_str(), path) {
        ("POST", "chat/completions") => {
            chat::openai_shaped(request, &|message| Reply::text(400, "text/plain", message))
        }
        ("GET", "models") => Reply::json(200, &json!({ "data": [model()] })),
        ("POST", path) if path.starts_with("models/") && path.ends_with("/policy") => policy(request),
        _ => Reply::text(404, "text/plain", "404 page not found"),
    }
}

fn model() -> Value {
    json!({
        "id": "sandbox-parrot", "name": "Parrot", "object": "model", "version": "1", "vendor": "Sandbox",
        "model_picker_enabled": true, "policy": { "state": "enabled" },
        "capabilities": { "type": "chat", "family": "parrot", "supports": { "streaming": true } },
    })
}

fn policy(request: &Request) -> Reply {
    let enabled = request.json().is_some_and(|fields| fields.get("state") == Some("enabled"));
    let intent = request.header("openai-intent") == Some("chat-policy");
    match enabled && intent {
        true => Reply::json(200, &json!({ "state": "enabled" })),
        false => Reply::text(400, "text/plain", "bad request"),
    }
}

/// Why the API does not take the request's headers.
fn refusal(world: &World, request: &Request, host: &str) -> Option<Reply> {
    let unauthorized = |message: &str| Some(Reply::text(401, "text/plain", message));
    let Some(token) = request.bearer() else {
        return unauthorized("unauthorized: missing Authorization header");
    };
    if let Some(refusal) = editor_refusal(request, &["editor-version", "copilot-integration-id"]) {
        return Some(refusal);
    }
    match world.github.copilot.check(token, world.now()) {
        Ok(session) if session.via == host => None,
        Ok(_) => Some(misdirected()),
        Err(Bad::Unknown) => direct(world, token, host),
        Err(Bad::Expired) => unauthorized("unauthorized: token expired"),
        Err(_) => unauthorized("unauthorized: token revoked"),
    }
}

/// A GitHub token without exchange, where the switch allows it; on a Business plan only at the named host.
fn direct(world: &World, token: &str, host: &str) -> Option<Reply> {
    let rules = &world.switches.github;
    let good = rules.direct && world.github.tokens.check(token, world.now()).is_ok();
    match good {
        false => Some(Reply::text(401, "text/plain", "unauthorized: bad token")),
        true if host == rules.endpoint.name() => None,
        true => Some(Reply::text(403, "text/plain", "forbidden: use the advertised endpoint")),
    }
}

fn misdirected() -> Reply {
    Reply::text(421, "text/plain", "misdirected request")
}
