//! A provider that follows the standards: authorization server metadata (RFC 8414, OpenID), dynamic
//! registration (RFC 7591), PKCE (RFC 7636), `iss` (RFC 9207), resources (RFC 8707, RFC 9728), the device
//! grant (RFC 8628) and revocation (RFC 7009). Its issuer has a path, so that the well-known paths must be
//! inserted.

mod authorize;
mod client;
mod device;
mod metadata;
mod old_mcp;
mod register;
mod resource;
mod switches;
mod token;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::account::Account;
use crate::codes::Codes;
use crate::consent::Waiting;
use crate::device::Devices;
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::{Request, words};
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;
use client::Client;
pub use switches::Switches;

/// The routes under `/generic` and the well-known documents that belong to it.
pub const ROUTES: &[Route] = &[
    Route::new(
        "generic.metadata",
        "GET",
        "/.well-known/oauth-authorization-server/generic",
        metadata::rfc8414,
    ),
    Route::new("generic.openid", "GET", "/.well-known/openid-configuration/generic", metadata::oidc_inserted),
    Route::new(
        "generic.openid-appended",
        "GET",
        "/generic/.well-known/openid-configuration",
        metadata::oidc_appended,
    ),
    Route::new("generic.register", "POST", "/generic/register", register::register),
    Route::new("generic.authorize", "GET", "/generic/authorize", authorize::authorize),
    Route::new("generic.consent", "POST", "/generic/authorize", authorize::answer),
    Route::new("generic.token", "POST", "/generic/token", token::token),
    Route::new("generic.revoke", "POST", "/generic/revoke", token::revoke),
    Route::new("generic.device-code", "POST", "/generic/device", device::device_code),
    Route::new("generic.device-page", "GET", "/generic/device/verify", device::page),
    Route::new("generic.device-answer", "POST", "/generic/device/verify", device::answer),
    Route::new("generic.userinfo", "GET", "/generic/userinfo", userinfo),
    Route::new("generic.mcp", "*", "/generic/mcp", resource::mcp),
    Route::new("generic.resource-hinted", "GET", "/generic/resource-metadata", resource::hinted),
    Route::new(
        "generic.resource",
        "GET",
        "/.well-known/oauth-protected-resource/generic/mcp",
        resource::inserted,
    ),
    Route::new(
        "generic.origin-metadata",
        "GET",
        "/.well-known/oauth-authorization-server",
        metadata::at_origin,
    ),
    Route::new("generic.origin-register", "POST", "/register", old_mcp::register),
    Route::new("generic.origin-authorize", "GET", "/authorize", old_mcp::authorize),
    Route::new("generic.origin-token", "POST", "/token", old_mcp::token),
    Route::new("generic.resource-root", "GET", "/.well-known/oauth-protected-resource", resource::root),
];

/// Scopes that exist.
const SCOPES: &[&str] = &["openid", "profile", "email", "offline_access", "tools:read", "tools:write"];

/// What the provider remembers.
#[derive(Debug)]
pub struct Generic {
    waiting: Waiting<authorize::Asked>,
    codes: Codes,
    tokens: Tokens,
    devices: Devices,
    clients: BTreeMap<String, Client>,
    /// The nonce of a login, by its code and then by its tokens' family.
    nonces: BTreeMap<String, String>,
}

impl Default for Generic {
    fn default() -> Self {
        Self {
            waiting: Waiting::default(),
            codes: Codes::default(),
            tokens: Tokens::default(),
            devices: Devices::default(),
            clients: client::known(),
            nonces: BTreeMap::new(),
        }
    }
}

impl Generic {
    /// Forgets whoever registered.
    pub fn forget_clients(&mut self) {
        self.clients = client::known();
    }
}

impl Provider for Generic {
    fn report(&self, now: i64) -> Value {
        json!({
            "tokens": self.tokens.report(now), "codes": self.codes.report(now), "device_codes": self.devices.ever(),
        })
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
    let family = world.generic.tokens.open(Session {
        client_id: client::PUBLIC.to_owned(),
        account,
        scopes: words("openid profile email offline_access"),
        via: "authorize",
        resource: None,
    });
    token::granted(world, family, None).body_json()
}

/// The issuer, by which everything is compared.
pub fn issuer(world: &World) -> String {
    format!("{}/generic", world.base)
}

/// Whether a request's token is one of these and has not ended.
pub fn check_bearer(world: &World, request: &Request) -> Result<(), &'static str> {
    let token = request.bearer().ok_or("The token is missing.")?;
    let checked = world.generic.tokens.check(token, world.now());
    checked.map(|_| ()).map_err(|_| "The token is not valid.")
}

fn userinfo(world: &mut World, request: &Request) -> Reply {
    let refused = || {
        let reply = Reply::oauth_error(401, "invalid_token", "The token is missing or not valid.");
        reply.with("www-authenticate", "Bearer error=\"invalid_token\"")
    };
    let Some(token) = request.bearer() else {
        return refused();
    };
    match world.generic.tokens.check(token, world.now()) {
        Ok(session) => {
            let account = session.account;
            let body =
                json!({ "sub": account.uuid, "email": account.email, "preferred_username": account.login });
            Reply::json(200, &body)
        }
        Err(_) => refused(),
    }
}
