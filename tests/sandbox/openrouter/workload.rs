//! Workload identity: a form, a policy, and an access token of 15 minutes.

use crate::reply::Reply;
use crate::request::Request;
use crate::workload::{EXCHANGE, JWT, check, given, has_only};
use crate::world::World;

/// Longest body, in bytes.
const MAX_BODY: usize = 32 << 10;
/// Longest identity token, in bytes.
const MAX_TOKEN: usize = 16 << 10;

pub fn token(world: &mut World, request: &Request) -> Reply {
    if request.body.len() > MAX_BODY {
        return Reply::oauth_error(413, "invalid_request", "The body is too large.");
    }
    let known = ["grant_type", "subject_token_type", "subject_token", "federation_policy_id", "scope"];
    let Some(fields) = request.form().filter(|fields| has_only(fields, &known)) else {
        return Reply::oauth_error(400, "invalid_request", "The body is no form, or names something else.");
    };
    if fields.get("grant_type") != Some(EXCHANGE) {
        return Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type.");
    }
    if fields.get("scope").is_some_and(|scope| scope != "inference") {
        return Reply::oauth_error(400, "invalid_scope", "The scope is not known.");
    }
    let is_typed = fields.get("subject_token_type") == Some(JWT);
    let (Some(token), Some(policy), true) =
        (fields.get("subject_token"), fields.get("federation_policy_id"), is_typed)
    else {
        return Reply::oauth_error(400, "invalid_request", "A parameter is missing.");
    };
    if token.len() > MAX_TOKEN {
        return Reply::oauth_error(413, "invalid_request", "The token is too large.");
    }
    let audiences = ["https://openrouter.ai".to_owned(), format!("{}/openrouter", world.base)];
    if policy != "pol_sandbox" {
        return Reply::oauth_error(400, "invalid_grant", "The policy is not known.");
    }
    if let Err(reason) = check(world, token, &audiences) {
        return Reply::oauth_error(400, "invalid_grant", reason);
    }
    let (access, mut body) = given(world, "eyJ", 900);
    world.openrouter.keys.insert(access, "workload".to_owned());
    body["scope"] = "inference".into();
    Reply::json(200, &body)
}
