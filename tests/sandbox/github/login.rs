//! github.com: the device flow. Pending and errors come with HTTP 200, and form-encoded to whoever does not
//! ask for JSON.

use serde_json::{Value, json};

use crate::device::{self, Poll, Wanted};
use crate::reply::Reply;
use crate::request::{Fields, Request, words};
use crate::tokens::Session;
use crate::world::World;

/// The app of VS Code.
pub const VS_CODE: &str = "Iv1.b507a08c87ecfe98";

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub fn device_code(world: &mut World, request: &Request) -> Reply {
    let Some(client_id) = client_id(world, request.fields().as_ref()) else {
        return encoded(request, 404, &json!({ "error": "Not Found" }));
    };
    let rules = world.switches.github.clone();
    let scope = request.fields().map(|fields| words(fields.or_empty("scope")));
    let wanted = Wanted {
        client_id,
        scopes: scope.unwrap_or_default(),
        resource: None,
        interval: rules.interval,
        lifetime: rules.device_lifetime,
    };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (device_code, user_code) = world.github.devices.start(wanted, now, consent);
    let reply = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/github/login/device", world.base),
        "expires_in": rules.device_lifetime,
        "interval": rules.interval,
    });
    encoded(request, 200, &reply)
}

fn client_id(world: &World, fields: Option<&Fields>) -> Option<String> {
    let named = fields?.get("client_id")?;
    let known = world.switches.github.clients.iter().any(|client| client == named);
    known.then(|| named.to_owned())
}

pub fn access_token(world: &mut World, request: &Request) -> Reply {
    encoded(request, 200, &polled(world, request))
}

fn polled(world: &mut World, request: &Request) -> Value {
    let error = |code: &str| {
        let uri = "https://docs.github.com/developers/apps/authorizing-oauth-apps";
        json!({ "error": code, "error_description": format!("Refused: {code}."), "error_uri": uri })
    };
    let fields = request.fields();
    let Some(client_id) = client_id(world, fields.as_ref()) else {
        return error("incorrect_client_credentials");
    };
    let field = |name: &str| fields.as_ref().and_then(|fields| fields.get(name)).unwrap_or_default();
    if field("grant_type") != GRANT {
        return error("unsupported_grant_type");
    }
    let now = world.clock.now_ms();
    match world.github.devices.poll(field("device_code"), &client_id, now, true) {
        Poll::Unknown => error("incorrect_device_code"),
        Poll::Pending => error("authorization_pending"),
        Poll::Expired => error("expired_token"),
        Poll::Denied => error("access_denied"),
        Poll::SlowDown(interval) => {
            let mut body = error("slow_down");
            body["interval"] = interval.into();
            body
        }
        Poll::Granted(device, account) => {
            let token = super::give(world, &device.client_id, account);
            json!({ "access_token": token, "token_type": "bearer", "scope": device.scopes.join(",") })
        }
    }
}

/// JSON for `Accept: application/json`, else a form.
fn encoded(request: &Request, status: u16, body: &Value) -> Reply {
    if request.header("accept").is_some_and(|accept| accept.contains("application/json")) {
        return Reply::json(status, body);
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in body.as_object().into_iter().flatten() {
        form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    Reply::text(status, "application/x-www-form-urlencoded; charset=utf-8", form.finish())
}

pub fn page(_: &mut World, request: &Request) -> Reply {
    device::page("GitHub", request)
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return crate::pages::problem(400, "GitHub", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("GitHub", world.github.devices.answer(&user_code, decision, now), decision)
}

pub fn user(world: &mut World, request: &Request) -> Reply {
    match session(world, request) {
        Ok(session) => {
            let account = session.account;
            Reply::json(200, &json!({ "login": account.login, "name": account.name, "email": account.email }))
        }
        Err(refusal) => refusal,
    }
}

/// The login behind a GitHub token; `token X` is as good as `Bearer X`. The API wants a user agent.
pub fn session<'a>(world: &'a World, request: &Request) -> Result<&'a Session, Reply> {
    if request.header("user-agent").is_none() {
        return Err(Reply::text(
            403,
            "text/plain",
            "Request forbidden by administrative rules: no User-Agent.",
        ));
    }
    let (scheme, token) =
        request.header("authorization").and_then(|text| text.split_once(' ')).unwrap_or_default();
    let known = ["bearer", "token"].contains(&scheme.to_ascii_lowercase().as_str());
    let session = world.github.tokens.check(token, world.now()).ok().filter(|_| known);
    session.ok_or_else(bad_credentials)
}

fn bad_credentials() -> Reply {
    let page = "https://docs.github.com/rest";
    Reply::json(401, &json!({ "message": "Bad credentials", "documentation_url": page, "status": "401" }))
}
