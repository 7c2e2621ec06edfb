//! A protected resource, as an MCP server is one: it tells where tokens for it come from (RFC 9728) and takes
//! only those that were made for it (RFC 8707).

use serde_json::{Value, json};

use crate::generic::issuer;
use crate::generic::switches::{OldMcp, ResourceDocument, ResourceGet};
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::world::World;

/// The resource's name, which is its URL.
pub fn identifier(world: &World) -> String {
    format!("{}/generic/mcp", world.base)
}

pub fn hinted(world: &mut World, _: &Request) -> Reply {
    Reply::json(200, &about(world))
}

pub fn inserted(world: &mut World, _: &Request) -> Reply {
    match described(world) {
        ResourceDocument::Inserted | ResourceDocument::Both => Reply::json(200, &about(world)),
        _ => Reply::text(404, "text/plain", "Not Found"),
    }
}

pub fn root(world: &mut World, _: &Request) -> Reply {
    match described(world) {
        ResourceDocument::Root | ResourceDocument::Both => Reply::json(200, &about(world)),
        _ => Reply::text(404, "text/plain", "Not Found"),
    }
}

fn described(world: &World) -> ResourceDocument {
    match world.switches.generic.old_mcp {
        OldMcp::No => world.switches.generic.resource_document,
        _ => ResourceDocument::None,
    }
}

fn about(world: &World) -> Value {
    let resource = match world.switches.generic.resource_matches {
        true => identifier(world),
        false => format!("{}/elsewhere/mcp", world.base),
    };
    json!({
        "resource": resource,
        "resource_name": "Sandbox tools",
        "authorization_servers": [issuer(world)],
        "scopes_supported": ["tools:read", "tools:write"],
        "bearer_methods_supported": ["header"],
    })
}

pub fn mcp(world: &mut World, request: &Request) -> Reply {
    let session = request.bearer().map(|token| world.generic.tokens.check(token, world.now()));
    if let (None, "GET", Some(reply)) = (&session, request.method.as_str(), without_token(world)) {
        return reply;
    }
    let is_old = world.switches.generic.old_mcp != OldMcp::No;
    let session = match session {
        None => return challenge(world, 401, None),
        Some(Ok(session)) if session.resource == Some(identifier(world)) || is_old => session,
        Some(_) => return challenge(world, 401, Some("invalid_token")),
    };
    let Some(fields) = request.json() else {
        return Reply::text(400, "text/plain", "Not JSON-RPC");
    };
    let wanted = scope_of(&fields);
    match wanted.is_none_or(|wanted| session.scopes.iter().any(|scope| scope == wanted)) {
        true => Reply::json(200, &result(&fields)),
        false => challenge(world, 403, Some("insufficient_scope")),
    }
}

/// What some say to a GET in place of the challenge.
fn without_token(world: &World) -> Option<Reply> {
    let status = match world.switches.generic.resource_get {
        ResourceGet::Refused => return None,
        ResourceGet::Missing => 404,
        ResourceGet::NotAllowed => 405,
        ResourceGet::Open => 200,
        ResourceGet::Silent => 401,
    };
    Some(Reply::text(status, "text/plain", "No event stream is here."))
}

fn scope_of(fields: &Fields) -> Option<&'static str> {
    match fields.get("method") {
        Some("tools/list") => Some("tools:read"),
        Some("tools/call") => Some("tools:write"),
        _ => None,
    }
}

fn result(fields: &Fields) -> Value {
    let result = match fields.get("method") {
        Some("tools/list") => json!({ "tools": [] }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "The sandbox did it." }] }),
        _ => json!({
            "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
            "serverInfo": { "name": "sandbox", "version": "1" },
        }),
    };
    json!({ "jsonrpc": "2.0", "id": fields.0.get("id"), "result": result })
}

/// A refusal that says where to get what is missing (RFC 9728, 5.1; RFC 6750, 3).
fn challenge(world: &World, status: u16, error: Option<&str>) -> Reply {
    let mut parts = Vec::new();
    if let Some(error) = error {
        parts.push(format!("error=\"{error}\""));
    }
    let is_new = world.switches.generic.old_mcp == OldMcp::No;
    if world.switches.generic.resource_hint && is_new {
        parts.push(format!("resource_metadata=\"{}/generic/resource-metadata\"", world.base));
    }
    let scope = if status == 403 { "tools:write" } else { "tools:read" };
    parts.push(format!("scope=\"{scope}\""));
    let reply = Reply::json(status, &json!({ "error": error.unwrap_or("unauthorized") }));
    reply.with("www-authenticate", format!("Bearer {}", parts.join(", ")))
}
