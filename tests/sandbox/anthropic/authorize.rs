//! The consent page, at claude.ai and at the console, and the page that shows `code#state`.

use url::Url;

use crate::anthropic::CLIENT_ID;
use crate::codes::{Challenge, Grant};
use crate::consent::{self, Decision};
use crate::pages::{self, Ask};
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::world::World;

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

#[derive(Debug)]
pub struct Asked {
    redirect_uri: String,
    /// Whether the redirect is the page that shows the code.
    paste: bool,
    challenge: Challenge,
    state: String,
    scopes: Vec<String>,
    via: &'static str,
}

pub fn authorize(world: &mut World, request: &Request) -> Reply {
    consent_page(world, request, "claude.ai")
}

pub fn authorize_console(world: &mut World, request: &Request) -> Reply {
    consent_page(world, request, "console")
}

pub fn moved(_: &mut World, request: &Request) -> Reply {
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

pub fn answer(world: &mut World, request: &Request) -> Reply {
    match world.anthropic.waiting.answered(request, "Anthropic") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
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

pub fn code_page(_: &mut World, request: &Request) -> Reply {
    let params = request.params();
    match (params.get("code"), params.get("state")) {
        (Some(code), Some(state)) => {
            pages::code("Authentication code", pages::PASTE, &format!("{code}#{state}"))
        }
        _ => pages::page(200, "Denied", "<p>Nothing was granted. You can close this page.</p>"),
    }
}
