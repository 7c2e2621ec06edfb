//! Tetrate's agent router, a relative of OpenRouter: a consent page with `callback`, a code, and a key for
//! it. The switches give the key Poe's name and an end.

use serde_json::{Value, json};
use url::Url;

use crate::codes::{Challenge, Codes, Grant};
use crate::consent::{self, Decision, Waiting};
use crate::keys;
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::routes::Route;
use crate::world::World;

/// The routes under `/tetrate`; the API is at `/key/tetrate`, as its keys are like any others.
pub const ROUTES: &[Route] = &[
    Route::new("tetrate.auth", "GET", "/tetrate/auth", auth),
    Route::new("tetrate.consent", "POST", "/tetrate/auth", answer),
    Route::new("tetrate.verify", "POST", "/tetrate/api/api-keys/verify", verify),
];

/// What Tetrate remembers.
#[derive(Debug, Default)]
pub struct Tetrate {
    waiting: Waiting<Asked>,
    codes: Codes,
}

#[derive(Debug)]
struct Asked {
    callback: String,
    challenge: Challenge,
}

impl Provider for Tetrate {
    fn report(&self, now: i64) -> Value {
        json!({ "codes": self.codes.report(now) })
    }
}

fn auth(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "Tetrate", message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, &asked, decision);
    }
    let back = asked.callback.clone();
    let id = world.tetrate.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Tetrate",
        app: "A program",
        facts: &[("Sends you back to", &back), ("It gets", "a key that spends your credits")],
        scopes: &[],
        action: "/tetrate/auth",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<Asked, &'static str> {
    let callback = params.text("callback").filter(|_| params.repeated().is_none());
    let local = |callback: &String| {
        Url::parse(callback).is_ok_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1")))
    };
    let callback =
        callback.filter(local).ok_or("callback is missing, given twice, or not of this machine.")?;
    let value = params.text("code_challenge").filter(|value| value.len() == 43);
    let value = value.ok_or("code_challenge is missing or no S256 challenge.")?;
    Ok(Asked { callback, challenge: Challenge { value, method: Some("S256".to_owned()) } })
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match world.tetrate.waiting.answered(request, "Tetrate") {
        Ok((asked, decision)) => decided(world, &asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: &Asked, decision: Decision) -> Reply {
    let Decision::Approve(account) = decision else {
        return Reply::redirect(&add_query(&asked.callback, &[("error", "access_denied")]));
    };
    let code = world.tetrate.codes.issue(Grant {
        client_id: String::new(),
        redirect_uri: None,
        challenge: Some(asked.challenge.clone()),
        state: None,
        scopes: Vec::new(),
        account,
        via: "auth",
        resource: None,
        issued_at: world.clock.now(),
        spent: None,
    });
    Reply::redirect(&add_query(&asked.callback, &[("code", &code)]))
}

fn verify(world: &mut World, request: &Request) -> Reply {
    let error = |status: u16, message: &str| Reply::json(status, &json!({ "error": message }));
    let Some(fields) = request.json() else {
        return error(400, "The body is not JSON.");
    };
    let now = world.now();
    let grant = world.tetrate.codes.get_mut(fields.or_empty("code"));
    let Some(grant) = grant.filter(|grant| grant.spent.is_none() && !grant.is_expired(now)) else {
        return error(401, "The code is not valid.");
    };
    grant.spent = Some(0);
    let verifier = fields.or_empty("code_verifier");
    if !grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier)) {
        return error(401, "The code is not valid.");
    }
    let minted = keys::mint(world, "api-key").unwrap_or_default();
    let rules = &world.switches.tetrate;
    let mut reply = json!({ rules.key_name.as_str(): minted["key"] });
    if let Some(seconds) = rules.expires_in {
        reply["api_key_expires_in"] = seconds.into();
    }
    Reply::json(200, &reply)
}
