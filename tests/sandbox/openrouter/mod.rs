//! OpenRouter: a consent page that gives a code, and an exchange that makes a permanent key of it.
//!
//! As strict as its documentation (guides/overview/auth/oauth.mdx and the openapi): https or loopback
//! callbacks, a challenge demanded without callback, the method equal in both steps, each code once and for
//! ten minutes, JSON only. `state` is not given back, unless the switch `openrouter.echo_state` says so. It
//! makes an app of the callback's address and the referrer, and answers 409 where they change: in anything
//! but the port, or by the switch `openrouter.one_callback` in anything (ontola/atomic-server#1149).

mod authorize;
mod key;
mod workload;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::codes::Codes;
use crate::consent::Waiting;
use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::routes::Route;
use crate::world::World;

/// The routes under `/openrouter`.
pub const ROUTES: &[Route] = &[
    Route::new("openrouter.auth", "GET", "/openrouter/auth", authorize::auth),
    Route::new("openrouter.consent", "POST", "/openrouter/auth/consent", authorize::answer),
    Route::new("openrouter.keys", "*", "/openrouter/api/v1/auth/keys", key::exchange),
    Route::new("openrouter.token", "POST", "/openrouter/api/v1/oauth/token", workload::token),
    Route::new("openrouter.key", "GET", "/openrouter/api/v1/key", key::key_info),
    Route::new("openrouter.key-page", "GET", "/openrouter/keys/*", key::key_page),
    Route::new("openrouter.key-revoke", "POST", "/openrouter/keys/*", key::revoke),
];

/// What OpenRouter remembers.
#[derive(Debug, Default)]
pub struct OpenRouter {
    waiting: Waiting<authorize::Asked>,
    /// The app that the first login made.
    app: Option<authorize::App>,
    codes: Codes,
    /// Keys that work, with their labels.
    pub keys: BTreeMap<String, String>,
    /// Keys that were revoked.
    gone: Vec<String>,
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
