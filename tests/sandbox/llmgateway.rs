//! LLM Gateway: a page that sends the key itself to the callback.

use serde_json::{Value, json};
use url::Url;

use crate::consent::{self, Decision, Waiting};
use crate::keys;
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::routes::Route;
use crate::world::World;

/// The routes under `/llmgateway`; the API is at `/key/api.llmgateway.io`, as its keys are like any others.
pub const ROUTES: &[Route] = &[
    Route::new("llmgateway.connect", "GET", "/llmgateway/connect/cli", connect),
    Route::new("llmgateway.consent", "POST", "/llmgateway/connect/cli", answer),
];

/// What LLM Gateway remembers.
#[derive(Debug, Default)]
pub struct LlmGateway {
    waiting: Waiting<Asked>,
}

#[derive(Debug)]
struct Asked {
    callback: String,
    state: String,
}

impl Provider for LlmGateway {
    fn report(&self, _: i64) -> Value {
        json!({})
    }
}

fn connect(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "LLM Gateway", message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, &asked, decision);
    }
    let back = asked.callback.clone();
    let id = world.llmgateway.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "LLM Gateway",
        app: "A program",
        facts: &[("Sends you back to", &back), ("It gets", "a key that lasts 90 days")],
        scopes: &[],
        action: "/llmgateway/connect/cli",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<Asked, &'static str> {
    if params.repeated().is_some() {
        return Err("A parameter stands there twice.");
    }
    if !matches!(params.get("org"), None | Some("default" | "devpass")) {
        return Err("org is neither default nor devpass.");
    }
    let local = |callback: &String| {
        Url::parse(callback).is_ok_and(|url| {
            url.scheme() == "http" && matches!(url.host_str(), Some("localhost" | "127.0.0.1"))
        })
    };
    let callback = params.text("callback").filter(local).ok_or("callback is not of this machine.")?;
    let state = params.text("state").ok_or("state is missing.")?;
    Ok(Asked { callback, state })
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match world.llmgateway.waiting.answered(request, "LLM Gateway") {
        Ok((asked, decision)) => decided(world, &asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: &Asked, decision: Decision) -> Reply {
    let answer = match decision {
        Decision::Approve(_) => {
            let minted = keys::mint(world, "api-key").unwrap_or_default();
            ("key", minted["key"].as_str().unwrap_or_default().to_owned())
        }
        Decision::Deny => ("error", "access_denied".to_owned()),
    };
    let params = [(answer.0, answer.1.as_str()), ("state", &asked.state)];
    Reply::redirect(&add_query(&asked.callback, &params))
}
