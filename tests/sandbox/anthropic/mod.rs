//! Anthropic: authorize (claude.ai and console), the page that shows `code#state`, the token endpoint,
//! profile and key creation.

mod api;
mod authorize;
mod token;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::account::Account;
use crate::codes::Codes;
use crate::consent::Waiting;
use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::request::words;
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;
pub use api::reason;

/// The routes under `/anthropic`.
pub const ROUTES: &[Route] = &[
    Route::new("anthropic.authorize", "GET", "/anthropic/oauth/authorize", authorize::authorize),
    Route::new(
        "anthropic.authorize-console",
        "GET",
        "/anthropic/console/oauth/authorize",
        authorize::authorize_console,
    ),
    Route::new("anthropic.authorize-moved", "GET", "/anthropic/cai/oauth/authorize", authorize::moved),
    Route::new("anthropic.consent", "POST", "/anthropic/oauth/consent", authorize::answer),
    Route::new("anthropic.code-page", "GET", "/anthropic/oauth/code/callback", authorize::code_page),
    Route::new("anthropic.token", "POST", "/anthropic/v1/oauth/token", token::token),
    Route::new("anthropic.token-old", "POST", "/anthropic/console/v1/oauth/token", token::old_host),
    Route::new(
        "anthropic.create-key",
        "POST",
        "/anthropic/api/oauth/claude_cli/create_api_key",
        api::create_key,
    ),
    Route::new("anthropic.roles", "GET", "/anthropic/api/oauth/claude_cli/roles", api::roles),
    Route::new("anthropic.profile", "GET", "/anthropic/api/oauth/profile", api::profile),
];

/// The one client that is registered.
const CLIENT_ID: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";

/// What Anthropic remembers.
#[derive(Debug, Default)]
pub struct Anthropic {
    waiting: Waiting<authorize::Asked>,
    codes: Codes,
    pub tokens: Tokens,
    /// API keys that work.
    pub keys: BTreeSet<String>,
    ended_keys: Vec<String>,
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

    fn tokens(&mut self) -> Option<&mut Tokens> {
        Some(&mut self.tokens)
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
            token::granted(world, family, None).body_json()
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
