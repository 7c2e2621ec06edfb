//! `/_control`: how tests and the demo turn the sandbox. JSON in and out; see `main.rs` for the list.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::config;
use crate::fault::Planted;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes;
use crate::server::Sandbox;
use crate::switches::{self, Consent};
use crate::world::{PROVIDERS, World};
use crate::{
    account, anthropic, generic, github, google, huggingface, keys, kimi, openai, openrouter, workload,
};

/// Answers a control request.
pub async fn answer(sandbox: &Arc<Sandbox>, request: &Request) -> Reply {
    let name = request.path.trim_start_matches("/_control/");
    if (request.method.as_str(), name) == ("GET", "wait") {
        return wait(sandbox, request).await;
    }
    let answered = match request.method.as_str() {
        "GET" => read(&mut sandbox.world(), name),
        "POST" | "PUT" | "DELETE" => change(&mut sandbox.world(), name, request),
        _ => Err(Reply::text(405, "text/plain", "GET, POST or DELETE")),
    };
    sandbox.wake();
    answered.unwrap_or_else(|refusal| refusal)
}

type Answer = Result<Reply, Reply>;

fn ok(value: &Value) -> Answer {
    Ok(Reply::json(200, value))
}

fn refused(message: impl std::fmt::Display) -> Reply {
    Reply::json(400, &json!({ "error": message.to_string() }))
}

fn read(world: &mut World, name: &str) -> Answer {
    match name {
        "config" => Ok(Reply::text(200, "application/toml", config::toml(&world.base))),
        "calls" => ok(&world.calls.report()),
        "tokens" => ok(&tokens(world)),
        "valid" => ok(&without_history(tokens(world))),
        "clock" => ok(&json!({ "now": world.now() })),
        "switches" => ok(&serde_json::to_value(&world.switches).map_err(refused)?),
        "routes" => ok(&routes()),
        _ => Err(Reply::text(404, "text/plain", "No such control")),
    }
}

fn change(world: &mut World, name: &str, request: &Request) -> Answer {
    match (request.method.as_str(), name) {
        ("DELETE", "calls") => world.calls.clear(),
        ("DELETE", "fault") => world.faults.clear(),
        (_, "reset") => {
            world.faults.clear();
            world.reset();
        }
        (_, "tokens") => return ok(&tokens(world)),
        (_, "fault") => plant(world, body(request)?)?,
        (_, "release") => world.faults.release(&body::<Name>(request)?.name),
        (_, "clock") => world.clock.advance(body::<Advance>(request)?.advance),
        (_, "switches") => set(world, &body(request)?)?,
        (_, "consent") => world.switches.consent = body::<Mode>(request)?.mode,
        (_, "lifetime") => lifetime(world, body::<Lifetime>(request)?.seconds)?,
        (_, "expire") => expire(world, &body(request)?)?,
        (_, "assertion") => {
            let wanted = body(request)?;
            return ok(&workload::assertion(world, &wanted));
        }
        (_, "mint") => return ok(&mint(world, &body(request)?)?),
        _ => return Err(Reply::text(404, "text/plain", "No such control")),
    }
    ok(&json!({}))
}

fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    serde_json::from_slice(&request.body).map_err(refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    mode: Consent,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lifetime {
    seconds: i64,
}

/// What ends before its time: one token, or all of a provider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    provider: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    what: Option<What>,
}

/// How much of a provider ends; access tokens if nothing is said.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum What {
    Access,
    All,
    /// Registrations.
    Clients,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mint {
    provider: String,
    /// `oauth` or `api-key`.
    kind: String,
    #[serde(default)]
    account: Option<String>,
}

fn plant(world: &mut World, planted: Planted) -> Result<(), Reply> {
    let known = routes::all().any(|route| planted.could_hit(route.name));
    if !known {
        return Err(refused(format!("there is no route {}", planted.route)));
    }
    world.faults.plant(planted);
    Ok(())
}

fn set(world: &mut World, patch: &Value) -> Result<(), Reply> {
    world.switches = world.switches.patched(patch).map_err(refused)?;
    Ok(())
}

fn lifetime(world: &mut World, seconds: i64) -> Result<(), Reply> {
    let mut all = serde_json::to_value(&world.switches).map_err(refused)?;
    switches::set_everywhere(&mut all, "lifetime", seconds);
    set(world, &all)
}

fn expire(world: &mut World, expire: &Expire) -> Result<(), Reply> {
    let name = expire.provider.as_str();
    if expire.what == Some(What::Clients) && name == "generic" {
        world.generic.forget_clients();
        return Ok(());
    }
    let provider = world.provider(name).ok_or_else(|| refused(format!("there is no provider {name}")))?;
    match (&expire.token, expire.what) {
        (Some(token), _) => provider.revoke(token),
        (None, None | Some(What::Access)) => provider.end_access(),
        (None, Some(What::All)) => provider.end_all(),
        (None, Some(What::Clients)) => return Err(refused(format!("{name} has no clients that register"))),
    }
    Ok(())
}

/// A valid credential without a login, as the provider's own reply.
fn mint(world: &mut World, mint: &Mint) -> Result<Value, Reply> {
    let (account, kind) = (account::find(mint.account.as_deref()), mint.kind.as_str());
    let minted = match mint.provider.as_str() {
        "openrouter" => openrouter::mint(world, kind),
        "anthropic" => anthropic::mint(world, kind, account),
        "github" => github::mint(world, kind, account),
        "openai" => openai::mint(world, kind, account),
        "google" => google::mint(world, kind, account),
        "generic" => generic::mint(world, kind, account),
        "huggingface" => huggingface::mint(world, kind, account),
        "kimi" => kimi::mint(world, kind, account),
        "key" => keys::mint(world, kind),
        _ => None,
    };
    minted.ok_or_else(|| refused(format!("{} has no {kind}", mint.provider)))
}

fn tokens(world: &mut World) -> Value {
    let now = world.now();
    let report = |name: &&str| Some(((*name).to_owned(), world.provider(name)?.report(now)));
    Value::Object(PROVIDERS.iter().filter_map(report).collect())
}

fn without_history(mut value: Value) -> Value {
    if let Value::Object(map) = &mut value {
        map.remove("ever");
        map.values_mut().for_each(|inner| *inner = without_history(inner.take()));
    }
    value
}

fn routes() -> Value {
    let line =
        |route: &routes::Route| json!({ "name": route.name, "method": route.method, "path": route.path });
    routes::all().map(line).collect()
}

/// `GET /_control/wait?route=R&count=N[&grant=G][&ms=5000]`: answers as soon as so many calls have arrived.
/// `GET /_control/wait?held=NAME…`: as soon as so many calls have come to a hold.
async fn wait(sandbox: &Arc<Sandbox>, request: &Request) -> Reply {
    let params = request.params();
    let number = |name: &str, default: u64| params.get(name).map_or(Some(default), |text| text.parse().ok());
    let (Some(least), Some(ms)) = (number("count", 1), number("ms", 5000)) else {
        return refused("count and ms are numbers");
    };
    let count = |world: &World| match params.get("held") {
        Some(name) => world.faults.held(name) as u64,
        None => world.calls.count(params.get("route").unwrap_or_default(), params.get("grant")) as u64,
    };
    let enough = sandbox.until(|world| count(world) >= least);
    let came = tokio::time::timeout(Duration::from_millis(ms), enough).await.is_ok();
    let count = count(&sandbox.world());
    Reply::json(if came { 200 } else { 408 }, &json!({ "count": count }))
}
