//! GitHub: device login, the Copilot token exchange and the Copilot API behind it.
//!
//! Three hosts of the real thing are three paths here: `/github` (github.com), `/github/api`
//! (api.github.com), and `/github/copilot-NAME` (api.NAME.githubcopilot.com), where a token of another NAME
//! is misdirected.

mod copilot;
mod login;
mod switches;

use serde_json::{Value, json};

use crate::account::Account;
use crate::device::Devices;
use crate::provider::Provider;
use crate::random;
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;
pub use switches::Switches;

/// The routes under `/github`.
pub const ROUTES: &[Route] = &[
    Route::new("github.device-code", "POST", "/github/login/device/code", login::device_code),
    Route::new("github.token", "POST", "/github/login/oauth/access_token", login::access_token),
    Route::new("github.device-page", "GET", "/github/login/device", login::page),
    Route::new("github.device-answer", "POST", "/github/login/device", login::answer),
    Route::new("github.user", "GET", "/github/api/user", login::user),
    Route::new("github.copilot-token", "GET", "/github/api/copilot_internal/v2/token", copilot::token),
    Route::new("github.copilot-user", "GET", "/github/api/copilot_internal/user", copilot::user),
    Route::new("github.copilot-api", "*", "/github/copilot-*", copilot::api),
];

/// What GitHub remembers.
#[derive(Debug, Default)]
pub struct GitHub {
    devices: Devices,
    /// `ghu_…` and `gho_…`, which do not end by themselves.
    tokens: Tokens,
    /// The tokens of the exchange, each with the host that takes it.
    copilot: Tokens,
}

impl Provider for GitHub {
    fn report(&self, now: i64) -> Value {
        json!({
            "tokens": self.tokens.report(now), "copilot": self.copilot.report(now), "device_codes": self.devices.ever(),
        })
    }

    fn end_access(&mut self) {
        self.copilot.end_access();
    }

    fn end_all(&mut self) {
        self.copilot.end_all();
        self.tokens.end_all();
    }

    fn revoke(&mut self, token: &str) {
        self.tokens.revoke(token);
        self.copilot.revoke(token);
    }
}

/// A GitHub token without a login.
pub fn mint(world: &mut World, kind: &str, account: &'static Account) -> Option<Value> {
    let token = || json!({ "access_token": give(world, login::VS_CODE, account), "token_type": "bearer", "scope": "" });
    (kind == "oauth").then(token)
}

/// A new GitHub token: `ghu_` for GitHub apps, `gho_` for OAuth apps, told by their client ids.
fn give(world: &mut World, client_id: &str, account: &'static Account) -> String {
    let prefix = if client_id.starts_with("Iv") { "ghu_" } else { "gho_" };
    let token = format!("{prefix}{}", random::hex(18));
    let now = world.now();
    let family = world.github.tokens.open(Session {
        client_id: client_id.to_owned(),
        account,
        scopes: Vec::new(),
        via: "device",
        resource: None,
    });
    world.github.tokens.add_access(family, &token, now, 0);
    token
}
