//! Anthropic's pages and info endpoints: authorize (claude.ai and console), the page that shows `code#state`,
//! profile and key creation. The token endpoint is in `anthropic_token`.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use url::Url;

use crate::account::Account;
use crate::anthropic_token;
use crate::codes::{Challenge, Codes, Grant};
use crate::consent::{self, Decision, Waiting};
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request, words};
use crate::routes::Route;
use crate::tokens::{Bad, Session, Tokens};
use crate::world::World;

/// The routes under `/anthropic`.
pub const ROUTES: &[Route] = &[
    Route::new("anthropic.authorize", "GET", "/anthropic/oauth/authorize", authorize),
    Route::new("anthropic.authorize-console", "GET", "/anthropic/console/oauth/authorize", authorize_console),
    Route::new("anthropic.authorize-moved", "GET", "/anthropic/cai/oauth/authorize", moved),
    Route::new("anthropic.consent", "POST", "/anthropic/oauth/consent", answer),
    Route::new("anthropic.code-page", "GET", "/anthropic/oauth/code/callback", code_page),
    Route::new("anthropic.token", "POST", "/anthropic/v1/oauth/token", anthropic_token::token),
    Route::new("anthropic.token-old", "POST", "/anthropic/console/v1/oauth/token", anthropic_token::old_host),
    Route::new("anthropic.create-key", "POST", "/anthropic/api/oauth/claude_cli/create_api_key", create_key),
    Route::new("anthropic.roles", "GET", "/anthropic/api/oauth/claude_cli/roles", roles),
    Route::new("anthropic.profile", "GET", "/anthropic/api/oauth/profile", profile),
];

/// The one client that is registered.
pub const CLIENT_ID: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";

const SCOPES: &[&str] = &[
    "org:create_api_key",
    "user:profile",
    "user:inference",
    "user:sessions:claude_code",
    "user:mcp_servers",
    "user:file_upload",
];

/// The paste pages that are registered; the sandbox's own stands for both.
const PASTE_PAGES: &[&str] =
    &["https://platform.claude.com/oauth/code/callback", "https://console.anthropic.com/oauth/code/callback"];

/// What Anthropic remembers.
#[derive(Debug, Default)]
pub struct Anthropic {
    waiting: Waiting<Asked>,
    pub codes: Codes,
    pub tokens: Tokens,
    /// API keys that work.
    pub keys: BTreeSet<String>,
    ended_keys: Vec<String>,
}

#[derive(Debug)]
struct Asked {
    redirect_uri: String,
    /// Whether the redirect is the page that shows the code.
    paste: bool,
    challenge: Challenge,
    state: String,
    scopes: Vec<String>,
    via: &'static str,
}

impl Anthropic {
    /// Makes an API key.
    fn mint_key(&mut self) -> String {
        let key = format!("sk-ant-api03-{}", random::token());
        self.keys.insert(key.clone());
        key
    }
}

impl Provider for Anthropic {
    fn report(&self, now: i64) -> Value {
        json!({
            "keys": self.keys, "ever_keys": self.ended_keys,
            "tokens": self.tokens.report(now), "codes": self.codes.report(now),
        })
    }

    fn end_access(&mut self) {
        self.tokens.end_access();
    }

    fn end_all(&mut self) {
        self.tokens.end_all();
        self.ended_keys.extend(std::mem::take(&mut self.keys));
    }

    fn revoke(&mut self, token: &str) {
        self.tokens.revoke(token);
        self.ended_keys.extend(self.keys.take(token));
    }
}

/// A key, or the tokens of a login.
pub fn mint(world: &mut World, kind: &str, account: &'static Account) -> Option<Value> {
    match kind {
        "api-key" => Some(json!({ "key": world.anthropic.mint_key() })),
        "oauth" => {
            let family = world.anthropic.tokens.open(Session {
                client_id: CLIENT_ID.to_owned(),
                account,
                scopes: words("user:profile user:inference"),
                via: "claude.ai",
                resource: None,
            });
            anthropic_token::granted(world, family, None).body_json()
        }
        _ => None,
    }
}

/// Anthropic's error body.
pub fn error(status: u16, kind: &str, message: &str) -> Reply {
    let body = json!({
        "type": "error",
        "error": { "type": kind, "message": message },
        "request_id": format!("req_{}", random::hex(12)),
    });
    Reply::json(status, &body)
}

fn authorize(world: &mut World, request: &Request) -> Reply {
    consent_page(world, request, "claude.ai")
}

fn authorize_console(world: &mut World, request: &Request) -> Reply {
    consent_page(world, request, "console")
}

fn moved(_: &mut World, request: &Request) -> Reply {
    let mut reply = Reply::redirect(&format!("/anthropic/oauth/authorize?{}", request.query));
    reply.status = 307;
    reply
}

fn consent_page(world: &mut World, request: &Request, via: &'static str) -> Reply {
    let asked = match asked(&request.params(), &world.base, via) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "Anthropic", &message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let back = match asked.paste {
        true => "a page that shows a code".to_owned(),
        false => asked.redirect_uri.clone(),
    };
    let scopes = asked.scopes.clone();
    let id = world.anthropic.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Anthropic",
        app: "Claude Code's client",
        facts: &[("Sends you to", &back), ("Account", via)],
        scopes: &scopes,
        action: "/anthropic/oauth/consent",
        request: &id,
    })
}

fn asked(params: &Params, base: &str, via: &'static str) -> Result<Asked, String> {
    if let Some(name) = params.repeated() {
        return Err(format!("Parameter {name} is given twice"));
    }
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err(format!("Invalid client id: {}", params.get("client_id").unwrap_or("missing")));
    }
    if params.get("response_type") != Some("code") {
        return Err("Invalid response_type: only code is supported".to_owned());
    }
    let (redirect_uri, paste) = redirect(params, base)?;
    let challenge = challenge(params)?;
    let state = params.text("state").ok_or("Missing state parameter")?;
    let scopes = params.scopes();
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(format!("Unknown scope: {unknown}"));
    }
    if scopes.is_empty() {
        return Err("Missing scope parameter".to_owned());
    }
    Ok(Asked { redirect_uri, paste, challenge, state, scopes, via })
}

fn redirect(params: &Params, base: &str) -> Result<(String, bool), String> {
    let given = params.text("redirect_uri").ok_or("Missing redirect_uri parameter")?;
    let own_page = format!("{base}/anthropic/oauth/code/callback");
    if given == own_page || PASTE_PAGES.contains(&given.as_str()) {
        return match params.get("code") {
            Some("true") => Ok((given, true)),
            _ => Err("The code page needs code=true".to_owned()),
        };
    }
    match is_loopback(&given) {
        true => Ok((given, false)),
        false => Err(format!("Redirect URI {given} is not supported by client.")),
    }
}

/// Exactly `http://localhost:PORT/callback`, any port.
fn is_loopback(given: &str) -> bool {
    let Ok(url) = Url::parse(given) else { return false };
    let port = url.port().unwrap_or(80);
    given == format!("http://localhost:{port}/callback") || given == "http://localhost/callback"
}

fn challenge(params: &Params) -> Result<Challenge, String> {
    let method = params.get("code_challenge_method");
    if method != Some("S256") {
        return Err(format!("Invalid code_challenge_method: {}", method.unwrap_or("missing")));
    }
    let value = params.text("code_challenge").unwrap_or_default();
    match value.len() == 43 && random::is_verifier(&value) {
        true => Ok(Challenge { value, method: Some("S256".to_owned()) }),
        false => Err("Invalid code_challenge".to_owned()),
    }
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let submitted = consent::submitted(request);
    let taken = submitted.and_then(|(id, decision)| Some((world.anthropic.waiting.take(&id)?, decision)));
    match taken {
        Some((asked, decision)) => decided(world, asked, decision),
        None => pages::problem(400, "Anthropic", "This page has been answered already."),
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    // The sandbox's own page also where the real one is named: the browser is never sent outside.
    let target = match asked.paste {
        true => format!("{}/anthropic/oauth/code/callback", world.base),
        false => asked.redirect_uri.clone(),
    };
    let Decision::Approve(account) = decision else {
        return Reply::redirect(&add_query(&target, &[("error", "access_denied"), ("state", &asked.state)]));
    };
    let state = asked.state.clone();
    let code = world.anthropic.codes.issue(Grant {
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: Some(asked.redirect_uri),
        challenge: Some(asked.challenge),
        state: Some(asked.state),
        scopes: asked.scopes,
        account,
        via: asked.via,
        resource: None,
        issued_at: world.clock.now(),
        spent: None,
    });
    Reply::redirect(&add_query(&target, &[("code", &code), ("state", &state)]))
}

fn code_page(_: &mut World, request: &Request) -> Reply {
    let params = request.params();
    match (params.get("code"), params.get("state")) {
        (Some(code), Some(state)) => {
            pages::code("Authentication code", pages::PASTE, &format!("{code}#{state}"))
        }
        _ => pages::page(200, "Denied", "<p>Nothing was granted. You can close this page.</p>"),
    }
}

/// The login behind the request's access token.
fn session<'a>(world: &'a World, request: &Request) -> Result<&'a Session, Reply> {
    let token = request.bearer().ok_or_else(|| refused("Missing bearer token"))?;
    world.anthropic.tokens.check(token, world.now()).map_err(|bad| refused(reason(bad)))
}

fn refused(message: &str) -> Reply {
    error(401, "authentication_error", message)
}

/// What the API says about a bearer token that it does not take.
pub fn reason(bad: Bad) -> &'static str {
    match bad {
        Bad::Expired => "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        Bad::Revoked => "OAuth token has been revoked. Please obtain a new token.",
        _ => "Invalid bearer token",
    }
}

fn profile(world: &mut World, request: &Request) -> Reply {
    let session = match session(world, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    if !session.scopes.iter().any(|scope| scope == "user:profile") {
        return error(403, "permission_error", "OAuth token does not meet scope requirement user:profile");
    }
    let account = session.account;
    let body = json!({
        "account": { "uuid": account.uuid, "email": account.email, "full_name": account.name },
        "organization": { "uuid": account.uuid, "name": account.organization },
    });
    Reply::json(200, &body)
}

fn roles(world: &mut World, request: &Request) -> Reply {
    match session(world, request) {
        Ok(session) => Reply::json(200, &json!({ "organization_name": session.account.organization })),
        Err(refusal) => refusal,
    }
}

/// Only a token that came through the console's page, with the scope for it, makes keys.
fn create_key(world: &mut World, request: &Request) -> Reply {
    let session = match session(world, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let may = session.scopes.iter().any(|scope| scope == "org:create_api_key");
    if !may || session.via != "console" {
        let message = "OAuth token does not meet scope requirement org:create_api_key";
        return error(403, "permission_error", message);
    }
    Reply::json(200, &json!({ "raw_key": world.anthropic.mint_key() }))
}
