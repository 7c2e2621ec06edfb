//! NanoGPT's CLI login: a short code in the browser, polls that are answered by HTTP status, a lasting key.

use serde_json::{Value, json};

use crate::device::{self, Devices, Poll, Wanted};
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes::Route;
use crate::world::World;
use crate::{keys, pages};

/// The routes under `/nanogpt`; the API is at `/key/nano-gpt.com`, as its keys are like any others.
pub const ROUTES: &[Route] = &[
    Route::new("nanogpt.start", "POST", "/nanogpt/api/cli-login/start", start),
    Route::new("nanogpt.poll", "POST", "/nanogpt/api/cli-login/poll", poll),
    Route::new("nanogpt.verify", "GET", "/nanogpt/cli-login/verify", page),
    Route::new("nanogpt.answer", "POST", "/nanogpt/cli-login/verify", answer),
    Route::new("nanogpt.usage", "GET", "/nanogpt/api/subscription/v1/usage", usage),
];

/// Seconds that a code lives.
const LIFETIME: i64 = 600;
/// Longest name of a client, in characters.
const MAX_NAME: usize = 64;

/// What NanoGPT remembers.
#[derive(Debug, Default)]
pub struct NanoGpt {
    devices: Devices,
    used: Vec<String>,
}

impl Provider for NanoGpt {
    fn report(&self, _: i64) -> Value {
        json!({ "device_codes": self.devices.ever() })
    }
}

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, &json!({ "error": message }))
}

fn start(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.json() else { return error(400, "The body is not JSON.") };
    if fields.or_empty("client_name").chars().count() > MAX_NAME {
        return error(400, "client_name is longer than 64 characters.");
    }
    let interval = world.switches.nanogpt.interval;
    let wanted =
        Wanted { client_id: String::new(), scopes: Vec::new(), resource: None, interval, lifetime: LIFETIME };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (device_code, user_code) = world.nanogpt.devices.start(wanted, now, consent);
    let page = format!("{}/nanogpt/cli-login/verify", world.base);
    Reply::json(
        200,
        &json!({
            "device_code": device_code, "user_code": user_code, "verification_uri": page,
            "verification_uri_complete": format!("{page}?code={user_code}"),
            "expires_in": LIFETIME, "interval": interval,
        }),
    )
}

fn poll(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.json() else { return error(400, "The body is not JSON.") };
    let device_code = fields.or_empty("device_code").to_owned();
    if world.nanogpt.used.contains(&device_code) {
        return error(409, "The code was used already.");
    }
    let now = world.clock.now_ms();
    match world.nanogpt.devices.poll(&device_code, "", now, false) {
        Poll::Pending => Reply::json(202, &json!({ "status": "pending" })),
        Poll::SlowDown(_) => error(429, "Too many requests."),
        Poll::Denied | Poll::Expired => error(410, "The code has expired."),
        Poll::Unknown => error(404, "There is no such code."),
        Poll::Granted(..) => {
            world.nanogpt.used.push(device_code);
            Reply::json(200, &json!({ "key": keys::mint(world, "api-key").unwrap_or_default()["key"] }))
        }
    }
}

fn page(_: &mut World, request: &Request) -> Reply {
    device::page("NanoGPT", request)
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return pages::problem(400, "NanoGPT", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("NanoGPT", world.nanogpt.devices.answer(&user_code, decision, now), decision)
}

/// docs.nano-gpt.com, "Subscription Usage": moments in milliseconds.
fn usage(world: &mut World, request: &Request) -> Reply {
    if !keys::is_good(world, request) {
        return error(401, "Invalid API key.");
    }
    let (active, tomorrow) = (world.switches.nanogpt.plan, (world.clock.now() + 86_400) * 1000);
    let used = |used: i64, limit: i64| {
        json!({
            "used": used, "remaining": limit - used, "percentUsed": used as f64 / limit as f64,
            "resetAt": tomorrow,
        })
    };
    let limits = json!({ "daily": 5000, "monthly": 60000 });
    Reply::json(
        200,
        &json!({
            "active": active, "limits": limits, "enforceDailyLimit": true, "daily": used(5, 5000),
            "monthly": used(45, 60000), "period": { "currentPeriodEnd": null },
            "state": if active { "active" } else { "inactive" }, "graceUntil": null,
        }),
    )
}
