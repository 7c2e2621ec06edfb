//! Providers that know only keys: `/key/HOST/…` for every host that nobody else here plays. A key made here
//! works for all of them, in whichever header the provider takes it; the pages where keys are made by hand
//! are here too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes::Route;
use crate::world::World;
use crate::{chat, pages};

/// The routes under `/key`, and the key pages of providers with more than keys.
pub const ROUTES: &[Route] = &[
    Route::new("openrouter.new-key", "GET", "/openrouter/keys", page),
    Route::new("openrouter.new-key-made", "POST", "/openrouter/keys", make),
    Route::new("anthropic.new-key", "GET", "/anthropic/settings/keys", page),
    Route::new("anthropic.new-key-made", "POST", "/anthropic/settings/keys", make),
    Route::new("key.api", "POST", "/key/*", api),
    Route::new("key.models", "GET", "/key/*", models),
];

/// What these providers remember.
#[derive(Debug, Default)]
pub struct Keys {
    keys: BTreeSet<String>,
    gone: BTreeSet<String>,
}

impl Provider for Keys {
    fn report(&self, _: i64) -> Value {
        json!({ "keys": self.keys, "ever": self.gone })
    }

    fn end_access(&mut self) {
        self.end_all();
    }

    fn end_all(&mut self) {
        self.gone.append(&mut self.keys);
    }

    fn revoke(&mut self, token: &str) {
        self.gone.extend(self.keys.take(token));
    }
}

/// A key.
pub fn mint(world: &mut World, kind: &str) -> Option<Value> {
    if kind != "api-key" {
        return None;
    }
    let key = format!("sk-sandbox-{}", random::token());
    world.keys.keys.insert(key.clone());
    Some(json!({ "key": key }))
}

/// Whether a request shows a key that is good.
pub fn is_good(world: &World, request: &Request) -> bool {
    let named = ["x-api-key", "x-goog-api-key", "api-key"];
    let key = request.bearer().or_else(|| named.iter().find_map(|name| request.header(name)));
    key.is_some_and(|key| world.keys.keys.contains(key))
}

fn refusal(world: &World, request: &Request) -> Option<Reply> {
    (!is_good(world, request)).then(|| error(401, "The API key is missing or wrong."))
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "message": message, "code": status } }))
}

fn api(world: &mut World, request: &Request) -> Reply {
    match refusal(world, request) {
        Some(refusal) => refusal,
        None if request.path.ends_with("/chat/completions") => {
            chat::openai_shaped(request, &|message| error(400, message))
        }
        None => error(404, "There is no such endpoint."),
    }
}

fn models(world: &mut World, request: &Request) -> Reply {
    let model = json!({ "id": "sandbox-parrot", "object": "model" });
    refusal(world, request).unwrap_or_else(|| Reply::json(200, &json!({ "object": "list", "data": [model] })))
}

fn page(_: &mut World, _: &Request) -> Reply {
    let main = "<p>A key is shown once. Copy it and paste it where the program asks for it.</p>\
                <form method=\"post\"><div class=\"buttons\"><button class=\"main\">Make a key</button></div></form>";
    pages::page(200, "API keys", main)
}

fn make(world: &mut World, request: &Request) -> Reply {
    let minted = match request.path.starts_with("/openrouter") {
        true => crate::openrouter::mint(world, "api-key"),
        false => crate::anthropic::mint(world, "api-key", crate::account::find(None)),
    };
    let key = minted.and_then(|reply| Some(reply["key"].as_str()?.to_owned())).unwrap_or_default();
    pages::code("Your new key", "Copy it now: it is not shown again.", &key)
}
