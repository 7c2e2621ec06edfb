//! OpenAI's own dialect of the device flow: the interval is a string, pending is a 403 or 404, and in the end
//! the server hands over a code together with a PKCE pair of its own making.

use serde_json::{Value, json};

use crate::codes::{Challenge, Grant};
use crate::device::{self, Poll, Wanted};
use crate::openai::CLIENT_ID;
use crate::openai::switches::Interval;
use crate::pages;
use crate::random;
use crate::reply::Reply;
use crate::request::{Request, words};
use crate::world::World;

/// Seconds that a user code lives.
const LIFETIME: i64 = 900;

/// The redirect that the exchange of such a code has to name, here or at the real host.
fn redirect_uri(world: &World) -> String {
    match &world.switches.openai.device_redirect {
        redirect if redirect.is_empty() => format!("{}/openai/deviceauth/callback", world.base),
        redirect => redirect.clone(),
    }
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({ "error": { "code": code, "message": "See the code." } }))
}

pub fn user_code(world: &mut World, request: &Request) -> Reply {
    let rules = world.switches.openai.clone();
    if !rules.device {
        return error(404, "deviceauth_not_enabled");
    }
    let fields = request.json();
    if fields.as_ref().and_then(|fields| fields.get("client_id")) != Some(CLIENT_ID) {
        return error(400, "invalid_request");
    }
    let wanted = Wanted {
        client_id: CLIENT_ID.to_owned(),
        scopes: words("openid profile email offline_access"),
        resource: None,
        interval: rules.device_interval,
        lifetime: LIFETIME,
    };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (id, code) = world.openai.devices.start(wanted, now, consent);
    let mut reply = json!({ "device_auth_id": id });
    reply[rules.user_code_name.as_str()] = code.into();
    match rules.interval {
        Interval::Text => reply["interval"] = rules.device_interval.to_string().into(),
        Interval::Number => reply["interval"] = rules.device_interval.into(),
        Interval::Missing => {}
    }
    Reply::json(200, &reply)
}

pub fn poll(world: &mut World, request: &Request) -> Reply {
    let fields = request.json();
    let field = |name: &str| fields.as_ref().and_then(|fields| fields.get(name)).unwrap_or_default();
    if field("user_code").is_empty() {
        return error(400, "invalid_request");
    }
    let now = world.clock.now_ms();
    let pending = world.switches.openai.pending_status;
    // The first poll may come at once, as codex's does.
    match world.openai.devices.poll(field("device_auth_id"), CLIENT_ID, now, false) {
        Poll::Pending => error(pending, "deviceauth_authorization_pending"),
        Poll::SlowDown(_) => error(pending, "slow_down"),
        Poll::Denied => error(400, "access_denied"),
        Poll::Expired => error(400, "expired_token"),
        Poll::Unknown => error(400, "invalid_device_auth_id"),
        Poll::Granted(device, account) => {
            let verifier = random::token();
            let challenge = random::s256(&verifier);
            let grant = Grant {
                client_id: CLIENT_ID.to_owned(),
                redirect_uri: Some(redirect_uri(world)),
                challenge: Some(Challenge { value: challenge.clone(), method: Some("S256".to_owned()) }),
                state: None,
                scopes: device.scopes,
                account,
                via: "device",
                resource: None,
                issued_at: world.clock.now(),
                spent: None,
            };
            Reply::json(200, &handed_over(world.openai.codes.issue(grant), &challenge, &verifier))
        }
    }
}

fn handed_over(code: String, challenge: &str, verifier: &str) -> Value {
    json!({ "authorization_code": code, "code_challenge": challenge, "code_verifier": verifier })
}

pub fn page(_: &mut World, request: &Request) -> Reply {
    device::page("ChatGPT", request)
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return pages::problem(400, "OpenAI", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("ChatGPT", world.openai.devices.answer(&user_code, decision, now), decision)
}
