//! The device grant (RFC 8628).

use serde_json::json;

use crate::device::{self, Poll, Wanted};
use crate::generic::{SCOPES, client, resource, token};
use crate::pages;
use crate::reply::Reply;
use crate::request::{Fields, Request, words};
use crate::tokens::Session;
use crate::world::World;

/// Its `grant_type`.
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The interval that holds where none is named (RFC 8628, 3.2).
const UNNAMED: i64 = 5;

pub fn device_code(world: &mut World, request: &Request) -> Reply {
    let rules = world.switches.generic.clone();
    let Some(fields) = request.form() else {
        return Reply::oauth_error(400, "invalid_request", "The body is no form.");
    };
    if !rules.device {
        return Reply::text(404, "text/plain", "Not Found");
    }
    let Some(client_id) = client::authenticated(world, request, &fields) else {
        return Reply::oauth_error(401, "invalid_client", "The client is unknown or proves nothing.");
    };
    let entitled = client::find(world, &client_id).is_some_and(|client| client.may_ask_by(GRANT));
    if !rules.device_entitled || !entitled {
        return Reply::oauth_error(400, "unauthorized_client", "The client may not use device codes.");
    }
    let scopes = words(fields.or_empty("scope"));
    if !scopes.iter().all(|scope| SCOPES.contains(&scope.as_str())) {
        return Reply::oauth_error(400, "invalid_scope", "A scope is unknown.");
    }
    let resource = fields.get("resource").map(str::to_owned);
    if resource.as_ref().is_some_and(|named| *named != resource::identifier(world)) {
        return Reply::oauth_error(400, "invalid_target", "The resource is unknown.");
    }
    let interval = rules.interval.unwrap_or(UNNAMED);
    let lifetime = rules.device_lifetime;
    let wanted = Wanted { client_id, scopes, resource, interval, lifetime };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (device_code, user_code) = world.generic.devices.start(wanted, now, consent);
    let page = format!("{}/generic/device/verify", world.base);
    let mut reply = json!({
        "device_code": device_code, "user_code": user_code, "verification_uri": page, "expires_in": lifetime,
    });
    if let Some(interval) = rules.interval {
        reply["interval"] = interval.into();
    }
    if rules.verification_uri_complete {
        reply["verification_uri_complete"] = format!("{page}?user_code={user_code}").into();
    }
    Reply::json(200, &reply)
}

/// A poll at the token endpoint. The first one may come at once: the RFC only speaks of the time between
/// polls.
pub fn poll(world: &mut World, fields: &Fields, client_id: &str) -> Reply {
    let error = |code: &str| Reply::oauth_error(400, code, "See the code.");
    let now = world.clock.now_ms();
    match world.generic.devices.poll(fields.or_empty("device_code"), client_id, now, false) {
        Poll::Pending => error("authorization_pending"),
        Poll::SlowDown(_) => error("slow_down"),
        Poll::Denied => error("access_denied"),
        Poll::Expired => error("expired_token"),
        Poll::Unknown => error("invalid_grant"),
        Poll::Granted(device, account) => {
            let family = world.generic.tokens.open(Session {
                client_id: device.client_id,
                account,
                scopes: device.scopes,
                via: "device",
                resource: device.resource,
            });
            token::granted(world, family, None)
        }
    }
}

pub fn page(_: &mut World, request: &Request) -> Reply {
    device::page("Standards Inc.", request)
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return pages::problem(400, "The provider", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("Standards Inc.", world.generic.devices.answer(&user_code, decision, now), decision)
}
