//! What an access token is good for beside chatting: the profile, and making an API key.

use serde_json::json;

use crate::anthropic::error;
use crate::reply::Reply;
use crate::request::Request;
use crate::tokens::{Bad, Session};
use crate::world::World;

/// The login behind the request's access token.
fn session<'a>(world: &'a World, request: &Request) -> Result<&'a Session, Reply> {
    let token = request.bearer().ok_or_else(|| refused("Missing bearer token"))?;
    world.anthropic.tokens.check(token, world.now()).map_err(|bad| refused(reason(bad)))
}

fn refused(message: &str) -> Reply {
    error(401, "authentication_error", message)
}

/// What the API says about a bearer token that it does not take.
pub fn reason(bad: Bad) -> &'static str {
    match bad {
        Bad::Expired => "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        Bad::Revoked => "OAuth token has been revoked. Please obtain a new token.",
        _ => "Invalid bearer token",
    }
}

pub fn profile(world: &mut World, request: &Request) -> Reply {
    let session = match session(world, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    if !session.scopes.iter().any(|scope| scope == "user:profile") {
        return error(403, "permission_error", "OAuth token does not meet scope requirement user:profile");
    }
    let account = session.account;
    let body = json!({
        "account": { "uuid": account.uuid, "email": account.email, "full_name": account.name },
        "organization": { "uuid": account.uuid, "name": account.organization },
    });
    Reply::json(200, &body)
}

pub fn roles(world: &mut World, request: &Request) -> Reply {
    match session(world, request) {
        Ok(session) => Reply::json(200, &json!({ "organization_name": session.account.organization })),
        Err(refusal) => refusal,
    }
}

/// Only a token that came through the console's page, with the scope for it, makes keys.
pub fn create_key(world: &mut World, request: &Request) -> Reply {
    let session = match session(world, request) {
        Ok(session) => session,
        Err(refusal) => return refusal,
    };
    let may = session.scopes.iter().any(|scope| scope == "org:create_api_key");
    if !may || session.via != "console" {
        let message = "OAuth token does not meet scope requirement org:create_api_key";
        return error(403, "permission_error", message);
    }
    Reply::json(200, &json!({ "raw_key": world.anthropic.mint_key() }))
}
