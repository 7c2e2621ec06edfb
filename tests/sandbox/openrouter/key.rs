//! From a code to a key, and what a key tells about itself.

use serde_json::json;

use crate::codes::Codes;
use crate::openrouter::error;
use crate::pages;
use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::world::World;

pub fn exchange(world: &mut World, request: &Request) -> Reply {
    if request.method != "POST" {
        return error(405, "Method Not Allowed");
    }
    let Some(fields) = request.json() else {
        return error(400, "Invalid request parameters");
    };
    let Some(code) = fields.get("code") else {
        return error(400, "Invalid request parameters");
    };
    let now = world.now();
    let checked = redeem(&mut world.openrouter.codes, code, &fields, now);
    match checked {
        Ok(label) => {
            let key = world.openrouter.mint(&label);
            Reply::json(200, &json!({ "key": key, "user_id": "user_sandbox" }))
        }
        Err((status, message)) => error(status, message),
    }
}

/// Spends a code. A wrong verifier burns it; a wrong method does not, since nothing was guessed.
fn redeem(codes: &mut Codes, code: &str, fields: &Fields, now: i64) -> Result<String, (u16, &'static str)> {
    const WRONG: (u16, &str) = (403, "Invalid code or code_verifier");
    let grant = codes.get_mut(code).filter(|grant| grant.spent.is_none()).ok_or(WRONG)?;
    if grant.is_expired(now) {
        return Err((403, "Authorization code expired"));
    }
    let method = grant.challenge.as_ref().and_then(|challenge| challenge.method.clone());
    if method.as_deref() != fields.get("code_challenge_method") {
        return Err((400, "Invalid code_challenge_method"));
    }
    let verifier = fields.or_empty("code_verifier");
    let label = grant.client_id.clone();
    let met = grant.challenge.as_ref().is_none_or(|challenge| challenge.is_met_by(verifier));
    grant.spent = Some(0);
    if met { Ok(label) } else { Err(WRONG) }
}

pub fn key_info(world: &mut World, request: &Request) -> Reply {
    let Some(key) = request.bearer() else {
        return error(401, "Missing Authentication header");
    };
    let Some(label) = world.openrouter.keys.get(key) else {
        return error(401, "User not found.");
    };
    let data = json!({
        "label": label, "limit": null, "limit_remaining": null, "limit_reset": null,
        "include_byok_in_limit": false, "usage": 0, "usage_daily": 0, "usage_weekly": 0, "usage_monthly": 0,
        "byok_usage": 0, "byok_usage_daily": 0, "byok_usage_weekly": 0, "byok_usage_monthly": 0,
        "is_free_tier": true, "is_management_key": false, "is_provisioning_key": false,
        "creator_user_id": "user_sandbox", "expires_at": null,
        "rate_limit": { "requests": -1, "interval": "10s", "note": "deprecated" },
    });
    Reply::json(200, &json!({ "data": data }))
}

/// The key whose SHA-256 is the end of the path, as OpenRouter's deep links name keys.
fn key_of(world: &World, request: &Request) -> Option<String> {
    let hash = request.path.strip_prefix("/openrouter/keys/")?;
    let keys = world.openrouter.keys.keys();
    keys.into_iter().find(|key| random::sha256_hex(key) == hash).cloned()
}

pub fn key_page(world: &mut World, request: &Request) -> Reply {
    let Some(label) = key_of(world, request).and_then(|key| world.openrouter.keys.get(&key)) else {
        return pages::problem(404, "OpenRouter", "There is no such key.");
    };
    let main = format!(
        "<p>The key <b>{}</b> works.</p><form method=\"post\"><div class=\"buttons\">\
         <button class=\"main\">Delete this key</button></div></form>",
        pages::escape(label)
    );
    pages::page(200, "One of your keys", &main)
}

pub fn revoke(world: &mut World, request: &Request) -> Reply {
    let Some(key) = key_of(world, request) else {
        return pages::problem(404, "OpenRouter", "There is no such key.");
    };
    world.openrouter.revoke(&key);
    pages::page(200, "The key is deleted", "<p>You can close this page.</p>")
}
