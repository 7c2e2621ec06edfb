//! Kimi Code: the device grant of RFC 8628 by form, with headers that describe the device, short access
//! tokens, and refresh tokens that rotate. It is there twice, as `/kimi` and as `/kimi-ai`: two regions that
//! know nothing of each other's logins.

use serde_json::{Value, json};

use crate::account::Account;
use crate::device::{self, Devices, Poll, Wanted};
use crate::provider::Provider;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::routes::Route;
use crate::tokens::{Session, TokenRules, Tokens};
use crate::world::World;
use crate::{chat, pages};

/// The routes of both regions.
pub const ROUTES: &[Route] = &[
    Route::new("kimi.device-code", "POST", "/kimi/api/oauth/device_authorization", device_code),
    Route::new("kimi.token", "POST", "/kimi/api/oauth/token", token),
    Route::new("kimi.device-page", "GET", "/kimi/device", page),
    Route::new("kimi.device-answer", "POST", "/kimi/device", answer),
    Route::new("kimi.chat", "POST", "/kimi/coding/v1/chat/completions", completion),
    Route::new("kimi.usages", "GET", "/kimi/coding/v1/usages", usages),
    Route::new("kimi-ai.usages", "GET", "/kimi-ai/coding/v1/usages", usages),
    Route::new("kimi-ai.device-code", "POST", "/kimi-ai/api/oauth/device_authorization", device_code),
    Route::new("kimi-ai.token", "POST", "/kimi-ai/api/oauth/token", token),
    Route::new("kimi-ai.device-page", "GET", "/kimi-ai/device", page),
    Route::new("kimi-ai.device-answer", "POST", "/kimi-ai/device", answer),
    Route::new("kimi-ai.chat", "POST", "/kimi-ai/coding/v1/chat/completions", completion),
];

/// The one client that is registered.
const CLIENT_ID: &str = "17e5f671-d194-4dfb-9706-5516cb48c098";

const DEVICE_HEADERS: &[&str] = &[
    "x-msh-platform",
    "x-msh-version",
    "x-msh-device-name",
    "x-msh-device-model",
    "x-msh-os-version",
    "x-msh-device-id",
];

/// What Kimi remembers.
#[derive(Debug, Default)]
pub struct Kimi {
    devices: Devices,
    tokens: Tokens,
}

impl Provider for Kimi {
    fn report(&self, now: i64) -> Value {
        json!({ "tokens": self.tokens.report(now), "device_codes": self.devices.ever() })
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
    let family = open(&mut world.kimi, account);
    let (rules, now) = (world.switches.kimi.tokens.clone(), world.clock.now());
    granted(&mut world.kimi, family, None, &rules, now).body_json()
}

/// Where a request arrived: a region with its logins, and its path.
fn region<'a>(world: &'a mut World, request: &Request) -> &'a mut Kimi {
    match request.path.starts_with("/kimi-ai/") {
        true => &mut world.kimi_ai,
        false => &mut world.kimi,
    }
}

fn open(kimi: &mut Kimi, account: &'static Account) -> usize {
    kimi.tokens.open(Session {
        client_id: CLIENT_ID.to_owned(),
        account,
        scopes: vec!["kimi-code".to_owned()],
        via: "device",
        resource: None,
    })
}

/// The fields of a request that is formed and described as it must be.
fn fields(world: &World, request: &Request) -> Result<Fields, Reply> {
    let bad = |message: &str| Reply::oauth_error(400, "invalid_request", message);
    // A value that is not visible ASCII reads as absent here.
    let described = DEVICE_HEADERS.iter().all(|name| request.header(name).is_some());
    if world.switches.kimi.require_headers && !described {
        return Err(bad("The X-Msh headers are missing."));
    }
    let fields = request.form().ok_or_else(|| bad("The body is no form."))?;
    match fields.get("client_id") == Some(CLIENT_ID) {
        true => Ok(fields),
        false => Err(Reply::oauth_error(401, "invalid_client", "Unknown client.")),
    }
}

fn device_code(world: &mut World, request: &Request) -> Reply {
    if let Err(refusal) = fields(world, request) {
        return refusal;
    }
    let rules = world.switches.kimi.clone();
    let wanted = Wanted {
        client_id: CLIENT_ID.to_owned(),
        scopes: Vec::new(),
        resource: None,
        interval: rules.interval,
        lifetime: rules.device_lifetime,
    };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (device_code, user_code) = region(world, request).devices.start(wanted, now, consent);
    let place = if request.path.starts_with("/kimi-ai/") { "kimi-ai" } else { "kimi" };
    let page = format!("{}/{place}/device", world.base);
    let reply = json!({
        "device_code": device_code, "user_code": user_code, "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={user_code}"),
        "expires_in": rules.device_lifetime, "interval": rules.interval,
    });
    Reply::json(200, &reply)
}

fn token(world: &mut World, request: &Request) -> Reply {
    let fields = match fields(world, request) {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    match fields.get("grant_type") {
        Some("urn:ietf:params:oauth:grant-type:device_code") => {
            polled(world, request, fields.or_empty("device_code"))
        }
        Some("refresh_token") => refresh(world, request, fields.or_empty("refresh_token")),
        _ => Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type."),
    }
}

fn polled(world: &mut World, request: &Request, device_code: &str) -> Reply {
    let (now_ms, now) = (world.clock.now_ms(), world.clock.now());
    let rules = world.switches.kimi.tokens.clone();
    let kimi = region(world, request);
    let error = |code: &str| Reply::oauth_error(400, code, "See the code.");
    match kimi.devices.poll(device_code, CLIENT_ID, now_ms, false) {
        Poll::Pending => error("authorization_pending"),
        Poll::SlowDown(_) => error("slow_down"),
        Poll::Denied => error("access_denied"),
        Poll::Expired => error("expired_token"),
        Poll::Unknown => error("invalid_grant"),
        Poll::Granted(_, account) => {
            let family = open(kimi, account);
            granted(kimi, family, None, &rules, now)
        }
    }
}

fn refresh(world: &mut World, request: &Request, presented: &str) -> Reply {
    let (rules, now) = (world.switches.kimi.tokens.clone(), world.clock.now());
    let kimi = region(world, request);
    match kimi.tokens.spend(presented, CLIENT_ID, &rules) {
        Ok(family) => granted(kimi, family, Some(presented), &rules, now),
        Err(_) => Reply::oauth_error(401, "invalid_grant", "The refresh token is not valid."),
    }
}

fn granted(kimi: &mut Kimi, family: usize, presented: Option<&str>, rules: &TokenRules, now: i64) -> Reply {
    let tokens = &mut kimi.tokens;
    let access = random::token();
    tokens.add_access(family, &access, now, rules.lifetime);
    let mut body = json!({ "access_token": access, "scope": "kimi-code" });
    if let Some(refresh) = tokens.next_refresh(family, presented, random::token(), rules) {
        body["refresh_token"] = refresh.into();
    }
    rules.describe(&mut body);
    Reply::json(200, &body)
}

fn page(_: &mut World, request: &Request) -> Reply {
    device::page("Kimi", request)
}

fn answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return pages::problem(400, "Kimi", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("Kimi", region(world, request).devices.answer(&user_code, decision, now), decision)
}

fn completion(world: &mut World, request: &Request) -> Reply {
    let error = |status: u16, message: &str| Reply::json(status, &json!({ "error": { "message": message } }));
    let now = world.now();
    let good = request.bearer().is_some_and(|token| region(world, request).tokens.check(token, now).is_ok());
    match good {
        true => chat::openai_shaped(request, &|message| error(400, message)),
        false => error(401, "The API Key appears to be invalid or may have expired."),
    }
}

/// The week, and a window of five hours, with numbers as text.
fn usages(world: &mut World, request: &Request) -> Reply {
    let now = world.now();
    if request.bearer().is_none_or(|token| region(world, request).tokens.check(token, now).is_err()) {
        return Reply::json(401, &json!({ "error": { "message": "Invalid Authentication" } }));
    }
    let window = json!({
        "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
        "detail": { "limit": "200", "used": "50", "remaining": "150", "resetTime": "2099-01-06T13:33:02Z" },
    });
    let week =
        json!({ "limit": "2048", "used": "214", "remaining": "1834", "resetTime": "2099-01-09T15:23:13.7Z" });
    let user = json!({ "membership": { "level": "LEVEL_BASIC" } });
    Reply::json(200, &json!({ "user": user, "usage": week, "limits": [window] }))
}
