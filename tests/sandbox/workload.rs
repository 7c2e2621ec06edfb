//! Machines without people: the platform that signs their identity tokens, and what every server asks of one.
//!
//! Identity tokens come from `POST /_control/assertion` (as a file or a variable of a platform would hold)
//! or from the address at which GitHub Actions gives them. Nobody else's pass: the sandbox knows its own by
//! their text, as a server knows a signature. Each server checks the audience, the end, and what
//! providers-2.md, part 5, says of it; by the switch `workload.once` a token works once (`jti`; RFC 7523, 3).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::jwt;
use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::routes::Route;
use crate::tokens::Session;
use crate::world::World;

/// Where GitHub Actions and the server without a name are.
pub const ROUTES: &[Route] = &[
    Route::new("workload.github", "GET", "/workload/github/token", github),
    Route::new("workload.token", "POST", "/workload/token", standard),
];

/// What a job shows GitHub.
pub const REQUEST_TOKEN: &str = "sandbox-actions-request-token";
/// Longest identity token (Anthropic and OpenRouter).
const MAX: usize = 16 << 10;
pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// What the platform remembers.
#[derive(Debug, Default)]
pub struct Workload {
    issued: BTreeSet<String>,
    used: BTreeSet<String>,
    /// Access tokens that were given for identity tokens, anywhere.
    pub given: Vec<String>,
}

impl Provider for Workload {
    fn report(&self, _: i64) -> Value {
        json!({ "ever": self.issued.iter().chain(&self.given).collect::<Vec<_>>() })
    }

    fn end_all(&mut self) {
        self.issued.clear();
    }

    fn revoke(&mut self, token: &str) {
        self.issued.remove(token);
    }
}

/// What a test asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    audience: String,
    /// Seconds that it lives; GitHub's live for five to ten minutes.
    #[serde(default = "five_minutes")]
    lifetime: i64,
    /// Claims that are left out.
    #[serde(default)]
    without: Vec<String>,
    /// Bytes of one claim more.
    #[serde(default)]
    padding: usize,
}

fn five_minutes() -> i64 {
    300
}

/// An identity token.
pub fn assertion(world: &mut World, wanted: &Wanted) -> Value {
    let now = world.now();
    let mut claims = json!({
        "iss": format!("{}/workload/github", world.base), "sub": "repo:ada/app:ref:refs/heads/main",
        "aud": wanted.audience, "iat": now, "exp": now + wanted.lifetime, "jti": random::hex(8),
        "padding": "x".repeat(wanted.padding),
    });
    for name in &wanted.without {
        claims.as_object_mut().map(|claims| claims.remove(name));
    }
    let token = jwt::token(&claims);
    world.workload.issued.insert(token.clone());
    json!({ "token": token })
}

/// `GET $ACTIONS_ID_TOKEN_REQUEST_URL&audience=…`.
fn github(world: &mut World, request: &Request) -> Reply {
    if request.bearer() != Some(REQUEST_TOKEN) {
        return Reply::json(401, &json!({ "message": "Bad credentials" }));
    }
    let params = request.params();
    if params.get("api-version") != Some("2.0") || params.repeated().is_some() {
        return Reply::json(400, &json!({ "message": "Bad request" }));
    }
    let audience = params.text("audience").unwrap_or_else(|| "https://github.com/ada".to_owned());
    let wanted = Wanted { audience, lifetime: 300, without: Vec::new(), padding: 0 };
    let token = assertion(world, &wanted)["token"].clone();
    Reply::json(200, &json!({ "value": token, "count": 1 }))
}

/// Whether an identity token is one, is for one of these audiences, lives, and was not shown before where
/// that matters.
pub fn check(world: &mut World, token: &str, audiences: &[String]) -> Result<(), &'static str> {
    if token.len() > MAX || !world.workload.issued.contains(token) {
        return Err("The signature does not verify.");
    }
    let claims = claims(token).ok_or("This is no JWT.")?;
    let (now, number) = (world.now(), |name: &str| claims.get(name).and_then(Value::as_i64));
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss").is_none() || text("sub").is_none() {
        return Err("A claim is missing.");
    }
    if number("exp").is_none_or(|end| end <= now) || number("iat").is_none_or(|at| at > now + 60) {
        return Err("The token has ended.");
    }
    if !audiences.iter().any(|audience| text("aud") == Some(audience)) {
        return Err("The token is for somebody else.");
    }
    let is_new = world.workload.used.insert(text("jti").unwrap_or(token).to_owned());
    match world.switches.workload.once && !is_new {
        true => Err("The token was used before."),
        false => Ok(()),
    }
}

fn claims(token: &str) -> Option<Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// A server that follows RFC 8693 and RFC 7523 and no vendor: forms only, `audience` and `scope` as asked.
fn standard(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.form() else {
        return Reply::oauth_error(400, "invalid_request", "The body is no form.");
    };
    let token = match fields.get("grant_type") {
        Some(BEARER) => fields.get("assertion"),
        Some(EXCHANGE) if ![JWT, ID_TOKEN].contains(&fields.or_empty("subject_token_type")) => {
            return Reply::oauth_error(400, "invalid_request", "subject_token_type is missing or not known.");
        }
        Some(EXCHANGE) => fields.get("subject_token"),
        Some(_) => return Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type."),
        None => return Reply::oauth_error(400, "invalid_request", "grant_type is missing."),
    };
    let Some(token) = token.map(str::to_owned) else {
        return Reply::oauth_error(400, "invalid_request", "The identity token is missing.");
    };
    let own = format!("{}/workload", world.base);
    if let Err(reason) = check(world, &token, &[own]) {
        return Reply::oauth_error(400, "invalid_grant", reason);
    }
    let lifetime = world.switches.workload.lifetime;
    let (_, mut body) = given(world, "workload-", lifetime);
    body["scope"] = fields.or_empty("scope").into();
    if fields.get("grant_type") == Some(BEARER) {
        body.as_object_mut().map(|body| body.remove("issued_token_type"));
    }
    Reply::json(200, &body)
}

/// An access token and the reply that brings it; there is no refresh token.
pub fn given(world: &mut World, prefix: &str, lifetime: i64) -> (String, Value) {
    let access = format!("{prefix}{}", random::token());
    world.workload.given.push(access.clone());
    let body = json!({
        "access_token": access, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": lifetime,
    });
    (access, body)
}

/// A machine, where a provider keeps who a token is of.
pub fn session(via: &'static str) -> Session {
    Session {
        client_id: "workload".to_owned(),
        account: crate::account::find(None),
        scopes: vec!["user:inference".to_owned()],
        via,
        resource: None,
    }
}

/// Whether a body names nothing but these fields.
pub fn has_only(fields: &Fields, known: &[&str]) -> bool {
    fields.0.keys().all(|name| known.contains(&name.as_str()))
}
