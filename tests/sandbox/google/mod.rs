//! Google's Code Assist: form and client secret, refreshes that never give a new refresh token, and the steps
//! that prepare an account. No provider of the product uses it (Google forbids that); it is here for
//! providers of one's own with a client secret.

mod code_assist;

use serde_json::{Value, json};
use url::Url;

use crate::account::Account;
use crate::codes::{Challenge, Codes, Grant};
use crate::consent::{self, Decision, Waiting};
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::random;
use crate::reply::{Reply, add_query};
use crate::request::{Fields, Params, Request};
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;

/// The routes under `/google`.
pub const ROUTES: &[Route] = &[
    Route::new("google.authorize", "GET", "/google/o/oauth2/v2/auth", authorize),
    Route::new("google.consent", "POST", "/google/o/oauth2/v2/auth", answer),
    Route::new("google.token", "POST", "/google/token", token),
    Route::new("google.revoke", "POST", "/google/revoke", revoke),
    Route::new("google.load", "POST", "/google/v1internal:loadCodeAssist", code_assist::load),
    Route::new("google.onboard", "POST", "/google/v1internal:onboardUser", code_assist::onboard),
    Route::new("google.operation", "GET", "/google/v1internal/operations/*", code_assist::operation),
];

/// The client and the secret that is no secret, both of the sandbox.
pub const CLIENT_ID: &str = "sandbox.apps.googleusercontent.test";
const CLIENT_SECRET: &str = "sandbox-google-secret";

/// What Google remembers.
#[derive(Debug, Default)]
pub struct Google {
    waiting: Waiting<Asked>,
    codes: Codes,
    tokens: Tokens,
    /// Polls of the long-running operation.
    polls: u32,
    onboarded: bool,
}

#[derive(Debug)]
struct Asked {
    redirect_uri: String,
    challenge: Option<Challenge>,
    state: String,
    scopes: Vec<String>,
    offline: bool,
}

impl Provider for Google {
    fn report(&self, now: i64) -> Value {
        json!({ "tokens": self.tokens.report(now), "codes": self.codes.report(now) })
    }

    fn tokens(&mut self) -> Option<&mut Tokens> {
        Some(&mut self.tokens)
    }
}

/// The tokens of a login.
pub fn mint(world: &mut World, kind: &str, account: &'static Account) -> Option<Value> {
    if kind != "oauth" {
        return None;
    }
    let family = open(world, account, Vec::new(), "offline");
    granted(world, family, None).body_json()
}

fn open(world: &mut World, account: &'static Account, scopes: Vec<String>, via: &'static str) -> usize {
    let client_id = CLIENT_ID.to_owned();
    world.google.tokens.open(Session { client_id, account, scopes, via, resource: None })
}

fn authorize(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "Google", message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let (scopes, back) = (asked.scopes.clone(), asked.redirect_uri.clone());
    let id = world.google.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Google",
        app: "A program",
        facts: &[("Sends you back to", &back)],
        scopes: &scopes,
        action: "/google/o/oauth2/v2/auth",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<Asked, &'static str> {
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err("Error 401: invalid_client");
    }
    if params.get("response_type") != Some("code") || params.repeated().is_some() {
        return Err("Error 400: invalid_request");
    }
    let redirect_uri = params.text("redirect_uri").filter(|uri| is_loopback(uri));
    let redirect_uri = redirect_uri.ok_or("Error 400: redirect_uri_mismatch")?;
    let challenge = match (params.text("code_challenge"), params.text("code_challenge_method")) {
        (Some(value), method) => Some(Challenge { value, method }),
        (None, _) => None,
    };
    Ok(Asked {
        redirect_uri,
        challenge,
        state: params.text("state").ok_or("Error 400: state is required")?,
        scopes: params.scopes(),
        offline: params.get("access_type") == Some("offline"),
    })
}

fn is_loopback(uri: &str) -> bool {
    Url::parse(uri)
        .is_ok_and(|url| url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost")))
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match world.google.waiting.answered(request, "Google") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    let (target, state) = (asked.redirect_uri.clone(), asked.state.clone());
    let Decision::Approve(account) = decision else {
        return Reply::redirect(&add_query(&target, &[("error", "access_denied"), ("state", &state)]));
    };
    let code = world.google.codes.issue(Grant {
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: Some(asked.redirect_uri),
        challenge: asked.challenge,
        state: Some(asked.state),
        scopes: asked.scopes,
        account,
        via: if asked.offline { "offline" } else { "online" },
        resource: None,
        issued_at: world.clock.now(),
        spent: None,
    });
    Reply::redirect(&add_query(&target, &[("code", &code), ("state", &state)]))
}

fn token(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.form() else {
        return Reply::oauth_error(400, "invalid_request", "Could not read the form.");
    };
    if fields.get("client_id") != Some(CLIENT_ID) || fields.get("client_secret") != Some(CLIENT_SECRET) {
        return Reply::oauth_error(401, "invalid_client", "The client secret is missing or wrong.");
    }
    match fields.get("grant_type") {
        Some("authorization_code") => exchange(world, &fields),
        Some("refresh_token") => refresh(world, fields.or_empty("refresh_token")),
        _ => Reply::oauth_error(400, "unsupported_grant_type", "Invalid grant_type"),
    }
}

fn exchange(world: &mut World, fields: &Fields) -> Reply {
    let now = world.now();
    let malformed = || Reply::oauth_error(400, "invalid_grant", "Malformed auth code.");
    let grant = world.google.codes.get_mut(fields.or_empty("code"));
    let Some(grant) = grant.filter(|grant| grant.spent.is_none() && !grant.is_expired(now)) else {
        return malformed();
    };
    let verifier = fields.or_empty("code_verifier");
    let met = grant.challenge.as_ref().is_none_or(|challenge| challenge.is_met_by(verifier));
    grant.spent = Some(usize::MAX);
    if !met || grant.redirect_uri.as_deref() != fields.get("redirect_uri") {
        return malformed();
    }
    let (account, scopes, via) = (grant.account, grant.scopes.clone(), grant.via);
    let family = open(world, account, scopes, via);
    granted(world, family, None)
}

fn refresh(world: &mut World, presented: &str) -> Reply {
    let rules = world.switches.google.tokens.clone();
    match world.google.tokens.spend(presented, CLIENT_ID, &rules) {
        Ok(family) => granted(world, family, Some(presented)),
        Err(_) => Reply::oauth_error(400, "invalid_grant", "Token has been expired or revoked."),
    }
}

fn granted(world: &mut World, family: usize, presented: Option<&str>) -> Reply {
    let (rules, now) = (&world.switches.google.tokens, world.clock.now());
    let tokens = &mut world.google.tokens;
    let access = format!("ya29.{}", random::token());
    tokens.add_access(family, &access, now, rules.lifetime);
    let session = tokens.session(family).clone();
    let mut body = json!({ "access_token": access, "scope": session.scopes.join(" ") });
    if session.via == "offline" {
        let made = format!("1//{}", random::token());
        if let Some(refresh) = tokens.next_refresh(family, presented, made, rules) {
            body["refresh_token"] = refresh.into();
        }
    }
    rules.describe(&mut body);
    Reply::json(200, &body)
}

fn revoke(world: &mut World, request: &Request) -> Reply {
    let form = request.form();
    let token = form.as_ref().and_then(|form| form.get("token")).unwrap_or_default();
    let rules = &world.switches.google.tokens;
    match world.google.tokens.revoke_by(token, rules) {
        true => Reply::json(200, &json!({})),
        false => Reply::oauth_error(400, "invalid_token", "Token expired or revoked"),
    }
}
