//! OpenAI: the ChatGPT login with its fixed ports, its own device dialect, JWTs, and the two APIs behind it.

mod api;
mod authorize;
mod device;
mod switches;
mod token;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::account::Account;
use crate::codes::Codes;
use crate::consent::Waiting;
use crate::device::Devices;
use crate::provider::Provider;
use crate::random;
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;
pub use switches::Switches;

/// The routes under `/openai`.
pub const ROUTES: &[Route] = &[
    Route::new("openai.authorize", "GET", "/openai/oauth/authorize", authorize::authorize),
    Route::new("openai.consent", "POST", "/openai/oauth/consent", authorize::answer),
    Route::new("openai.token", "POST", "/openai/oauth/token", token::token),
    Route::new("openai.revoke", "POST", "/openai/oauth/revoke", token::revoke),
    Route::new("openai.device-code", "POST", "/openai/api/accounts/deviceauth/usercode", device::user_code),
    Route::new("openai.device-token", "POST", "/openai/api/accounts/deviceauth/token", device::poll),
    Route::new("openai.device-page", "GET", "/openai/codex/device", device::page),
    Route::new("openai.device-answer", "POST", "/openai/codex/device", device::answer),
    Route::new("openai.responses", "POST", "/openai/backend-api/codex/responses", api::responses),
    Route::new("openai.chat", "POST", "/openai/v1/chat/completions", api::chat),
    Route::new("openai.models", "GET", "/openai/v1/models", api::models),
];

/// The one client that is registered.
pub const CLIENT_ID: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// The workspace that everybody here is in, beside one of their own.
pub const TEAM: &str = "5a17b0c5-0000-4000-8000-000000007ea0";

/// What OpenAI remembers.
#[derive(Debug, Default)]
pub struct OpenAi {
    waiting: Waiting<authorize::Asked>,
    codes: Codes,
    tokens: Tokens,
    devices: Devices,
    /// API keys that work.
    keys: BTreeSet<String>,
    ended_keys: Vec<String>,
    /// Every id token, for searches after leaks.
    id_tokens: Vec<String>,
}

impl Provider for OpenAi {
    fn report(&self, now: i64) -> Value {
        json!({
            "tokens": self.tokens.report(now), "codes": self.codes.report(now), "keys": self.keys,
            "device_codes": self.devices.ever(), "ever_keys": self.ended_keys, "id_tokens": self.id_tokens,
        })
    }

    fn tokens(&mut self) -> Option<&mut Tokens> {
        Some(&mut self.tokens)
    }

    fn end_all(&mut self) {
        self.tokens.end_all();
        self.ended_keys.extend(std::mem::take(&mut self.keys));
    }
}

/// A key, or the tokens of a login.
pub fn mint(world: &mut World, kind: &str, account: &'static Account) -> Option<Value> {
    match kind {
        "api-key" => {
            let key = format!("sk-proj-{}", random::token());
            world.openai.keys.insert(key.clone());
            Some(json!({ "key": key }))
        }
        "oauth" => {
            let scopes = ["openid", "profile", "email", "offline_access"];
            let family = world.openai.tokens.open(Session {
                client_id: CLIENT_ID.to_owned(),
                account,
                scopes: scopes.map(str::to_owned).to_vec(),
                via: "authorize",
                resource: None,
            });
            token::granted(world, family, None).body_json()
        }
        _ => None,
    }
}
