//! Poe: OAuth with a client of one's own whose answer is an API key (creator.poe.com, "Sign in with Poe").
//! Redirects to this machine need no registration.

use serde_json::{Value, json};
use url::Url;

use crate::codes::{Challenge, Codes};
use crate::consent::{self, Decision, PublicClient, Waiting};
use crate::huggingface::CLIENT_ID;
use crate::keys;
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::{Params, Request};
use crate::routes::Route;
use crate::world::World;

/// The routes under `/poe`; the API is at `/key/api.poe.com`, as its keys are like any others.
pub const ROUTES: &[Route] = &[
    Route::new("poe.authorize", "GET", "/poe/oauth/authorize", authorize),
    Route::new("poe.consent", "POST", "/poe/oauth/authorize", answer),
    Route::new("poe.token", "POST", "/poe/token", token),
];

/// What Poe remembers.
#[derive(Debug, Default)]
pub struct Poe {
    waiting: Waiting<PublicClient>,
    codes: Codes,
}

impl Provider for Poe {
    fn report(&self, now: i64) -> Value {
        json!({ "codes": self.codes.report(now) })
    }
}

fn authorize(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "Poe", message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let back = asked.redirect_uri.clone();
    let id = world.poe.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Poe",
        app: "An app of your own",
        facts: &[("Sends you back to", &back), ("It gets", "a key that spends your points")],
        scopes: &["apikey:create".to_owned()],
        action: "/poe/oauth/authorize",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<PublicClient, &'static str> {
    if params.repeated().is_some() || params.get("response_type") != Some("code") {
        return Err("response_type is not code, or a parameter stands there twice.");
    }
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err("client_id is unknown.");
    }
    if params.get("scope") != Some("apikey:create") {
        return Err("scope is not apikey:create.");
    }
    let local = |uri: &String| {
        Url::parse(uri).is_ok_and(|url| {
            url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1"))
        })
    };
    let redirect_uri = params.text("redirect_uri").filter(local).ok_or("redirect_uri is not registered.")?;
    let is_s256 = params.get("code_challenge_method") == Some("S256");
    let value = params.text("code_challenge").filter(|value| is_s256 && value.len() == 43);
    let value = value.ok_or("An S256 code_challenge is mandatory.")?;
    let challenge = Challenge { value, method: Some("S256".to_owned()) };
    let (state, scopes) = (params.text("state"), vec!["apikey:create".to_owned()]);
    Ok(PublicClient { client_id: CLIENT_ID, redirect_uri, state, challenge, scopes })
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match world.poe.waiting.answered(request, "Poe") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: PublicClient, decision: Decision) -> Reply {
    let now = world.clock.now();
    asked.send_back(&mut world.poe.codes, decision, now)
}

fn token(world: &mut World, request: &Request) -> Reply {
    let error = |status: u16, code: &str| Reply::oauth_error(status, code, "See the code.");
    let Some(fields) = request.form() else {
        return error(400, "invalid_request");
    };
    if fields.get("client_id") != Some(CLIENT_ID) {
        return error(401, "invalid_client");
    }
    if fields.get("grant_type") != Some("authorization_code") {
        return error(400, "unsupported_grant_type");
    }
    let now = world.now();
    let grant = world.poe.codes.get_mut(fields.or_empty("code"));
    let Some(grant) = grant.filter(|grant| grant.spent.is_none() && !grant.is_expired(now)) else {
        return error(400, "invalid_grant");
    };
    grant.spent = Some(0);
    let verifier = fields.or_empty("code_verifier");
    let is_proven = grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier));
    if !is_proven || grant.redirect_uri.as_deref() != fields.get("redirect_uri") {
        return error(400, "invalid_grant");
    }
    let minted = keys::mint(world, "api-key").unwrap_or_default();
    let expires_in = world.switches.poe.expires_in;
    Reply::json(200, &json!({ "api_key": minted["key"], "api_key_expires_in": expires_in }))
}
