//! OpenRouter: a consent page that gives a code, and an exchange that makes a permanent key of it.
//!
//! As strict as its documentation (guides/overview/auth/oauth.mdx and the openapi): https or loopback callbacks, a
//! challenge demanded without callback, the method equal in both steps, each code once and for ten minutes, JSON
//! only. `state` is not given back, unless the switch `openrouter.echo_state` says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use crate::codes::{Challenge, Codes, Grant};
use crate::consent::{self, Decision, Waiting};
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::routes::Route;
use crate::world::World;

/// The routes under `/openrouter`.
pub const ROUTES: &[Route] = &[
    Route::new("openrouter.auth", "GET", "/openrouter/auth", auth),
    Route::new("openrouter.consent", "POST", "/openrouter/auth/consent", answer),
    Route::new("openrouter.keys", "*", "/openrouter/api/v1/auth/keys", exchange),
    Route::new("openrouter.key", "GET", "/openrouter/api/v1/key", key_info),
    Route::new("openrouter.key-page", "GET", "/openrouter/keys/*", key_page),
    Route::new("openrouter.key-revoke", "POST", "/openrouter/keys/*", revoke),
];

/// What OpenRouter remembers.
#[derive(Debug, Default)]
pub struct OpenRouter {
    waiting: Waiting<Asked>,
    codes: Codes,
    /// Keys that work, with their labels.
    pub keys: BTreeMap<String, String>,
    /// Keys that were revoked.
    gone: Vec<String>,
}

#[derive(Debug)]
struct Asked {
    callback_url: Option<String>,
    challenge: Option<Challenge>,
    key_label: String,
    state: Option<String>,
}

impl OpenRouter {
    /// Makes a key.
    fn mint(&mut self, label: &str) -> String {
        let key = format!("sk-or-v1-{}", random::hex(32));
        self.keys.insert(key.clone(), label.to_owned());
        key
    }
}

impl Provider for OpenRouter {
    fn report(&self, now: i64) -> Value {
        let keys: Vec<&String> = self.keys.keys().collect();
        json!({ "keys": keys, "ever": self.gone, "codes": self.codes.report(now) })
    }

    fn end_access(&mut self) {
        self.end_all();
    }

    fn end_all(&mut self) {
        self.gone.extend(std::mem::take(&mut self.keys).into_keys());
    }

    fn revoke(&mut self, token: &str) {
        self.gone.extend(self.keys.remove_entry(token).map(|(key, _)| key));
    }
}

/// A key without a login.
pub fn mint(world: &mut World, kind: &str) -> Option<Value> {
    (kind == "api-key").then(|| json!({ "key": world.openrouter.mint("minted") }))
}

/// OpenRouter's envelope of every error.
pub fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": status, "message": message } }))
}

fn auth(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "OpenRouter", &message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let app = request.params().text("client_id");
    let app = app.or_else(|| asked.callback_url.as_deref().and_then(host_of)).unwrap_or("A program".into());
    let back = asked.callback_url.clone().unwrap_or("nowhere: this page will show a code".into());
    let label = asked.key_label.clone();
    let id = world.openrouter.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "OpenRouter",
        app: &app,
        facts: &[
            ("Sends you back to", &back),
            ("Key name", &label),
            ("It gets", "a key that spends your credits"),
        ],
        scopes: &[],
        action: "/openrouter/auth/consent",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<Asked, String> {
    if let Some(name) = params.repeated() {
        return Err(format!("Parameter {name} is given twice."));
    }
    let callback_url = params.text("callback_url");
    if let Some(callback) = &callback_url {
        check_callback(callback)?;
    }
    let challenge = challenge(params)?;
    if callback_url.is_none() && challenge.is_none() {
        return Err("code_challenge is required without a callback_url.".to_owned());
    }
    let key_label = params.text("key_label").unwrap_or("Sandbox key".to_owned());
    if key_label.chars().count() > 100 {
        return Err("key_label may have at most 100 characters.".to_owned());
    }
    let state = params.text("state");
    Ok(Asked { callback_url, challenge, key_label, state })
}

fn check_callback(callback: &str) -> Result<(), String> {
    let parsed = Url::parse(callback).map_err(|_| "callback_url is not a URL.".to_owned())?;
    let loopback = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1"));
    match (parsed.scheme(), loopback) {
        ("https", _) | ("http", true) => Ok(()),
        _ => Err("callback_url must be https, or http on localhost or 127.0.0.1.".to_owned()),
    }
}

fn challenge(params: &Params) -> Result<Option<Challenge>, String> {
    let method = params.text("code_challenge_method");
    if !matches!(method.as_deref(), None | Some("S256" | "plain")) {
        return Err("Invalid code_challenge_method".to_owned());
    }
    let value = params.text("code_challenge");
    if value.is_none() && method.is_some() {
        return Err("code_challenge_method is given without code_challenge.".to_owned());
    }
    Ok(value.map(|value| Challenge { value, method }))
}

fn host_of(callback: &str) -> Option<String> {
    let url = Url::parse(callback).ok()?;
    Some(match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    })
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let submitted = consent::submitted(request);
    let taken = submitted.and_then(|(id, decision)| Some((world.openrouter.waiting.take(&id)?, decision)));
    match taken {
        Some((asked, decision)) => decided(world, asked, decision),
        None => pages::problem(400, "OpenRouter", "This page has been answered already."),
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    let state = asked.state.clone().filter(|_| world.switches.openrouter.echo_state);
    let state = state.as_deref().map(|state| ("state", state));
    let Decision::Approve(account) = decision else {
        return match &asked.callback_url {
            Some(callback) => Reply::redirect(&with_state(callback, ("error", "access_denied"), state)),
            None => pages::page(200, "Denied", "<p>No key was made. You can close this page.</p>"),
        };
    };
    let code = world.openrouter.codes.issue(Grant {
        client_id: asked.key_label,
        redirect_uri: asked.callback_url.clone(),
        challenge: asked.challenge,
        state: asked.state.clone(),
        scopes: Vec::new(),
        account,
        via: "auth",
        resource: None,
        issued_at: world.clock.now(),
        spent: None,
    });
    match &asked.callback_url {
        Some(callback) => Reply::redirect(&with_state(callback, ("code", &code), state)),
        None => pages::code("Your code", pages::PASTE, &code),
    }
}

fn with_state(callback: &str, first: (&str, &str), state: Option<(&str, &str)>) -> String {
    let params: Vec<(&str, &str)> = std::iter::once(first).chain(state).collect();
    add_query(callback, &params)
}

fn exchange(world: &mut World, request: &Request) -> Reply {
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
fn redeem(
    codes: &mut Codes,
    code: &str,
    fields: &crate::request::Fields,
    now: i64,
) -> Result<String, (u16, &'static str)> {
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

fn key_info(world: &mut World, request: &Request) -> Reply {
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

fn key_page(world: &mut World, request: &Request) -> Reply {
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

fn revoke(world: &mut World, request: &Request) -> Reply {
    let Some(key) = key_of(world, request) else {
        return pages::problem(404, "OpenRouter", "There is no such key.");
    };
    world.openrouter.revoke(&key);
    pages::page(200, "The key is deleted", "<p>You can close this page.</p>")
}
