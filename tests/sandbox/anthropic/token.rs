//! Anthropic's token endpoint: JSON, `state` in the exchange, refresh tokens of single use.

use serde_json::json;

use crate::anthropic::{self, CLIENT_ID};
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request, words};
use crate::tokens::{Bad, Session};
use crate::workload;
use crate::world::World;

/// The endpoint at the current host.
pub fn token(world: &mut World, request: &Request) -> Reply {
    if let Some(refusal) = filter(world, request) {
        return refusal;
    }
    let fields = match world.switches.anthropic.accept_form {
        true => request.fields(),
        false => request.json(),
    };
    let Some(fields) = fields else {
        return malformed();
    };
    if fields.get("grant_type") == Some(workload::BEARER) {
        return federate(world, request, &fields);
    }
    if fields.get("client_id") != Some(CLIENT_ID) {
        return Reply::oauth_error(401, "invalid_client", "Client not found");
    }
    match fields.get("grant_type") {
        Some("authorization_code") => exchange(world, &fields),
        Some("refresh_token") => refresh(world, &fields),
        Some(_) => Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type"),
        None => malformed(),
    }
}

/// The endpoint at the old host: gone for codes, and here for everything.
pub fn old_host(_: &mut World, _: &Request) -> Reply {
    anthropic::error(404, "not_found_error", "Not found")
}

/// Workload identity federation: JSON, two beta names, a rule of one organization, and no refresh token.
fn federate(world: &mut World, request: &Request, fields: &Fields) -> Reply {
    let known = [
        "grant_type",
        "assertion",
        "federation_rule_id",
        "organization_id",
        "service_account_id",
        "workspace_id",
    ];
    let betas = request.header("anthropic-beta").unwrap_or_default();
    let has_beta = |name: &str| betas.split(',').any(|beta| beta.trim() == name);
    let begins = |name: &str, start: &str| fields.get(name).is_none_or(|id| id.starts_with(start));
    let is_formed = request.json().is_some()
        && workload::has_only(fields, &known)
        && has_beta("oauth-2025-04-20")
        && has_beta("oidc-federation-2026-04-01")
        && begins("service_account_id", "svac_")
        && (begins("workspace_id", "wrkspc_") || fields.get("workspace_id") == Some("default"));
    let (Some(assertion), Some(rule), Some(organization), true) =
        (fields.get("assertion"), fields.get("federation_rule_id"), fields.get("organization_id"), is_formed)
    else {
        return malformed();
    };
    if (rule, organization) != ("fdrl_sandbox", "org-sandbox") {
        return invalid_grant("The federation rule is not known.");
    }
    let audiences = ["https://api.anthropic.com".to_owned(), format!("{}/anthropic", world.base)];
    if let Err(reason) = workload::check(world, assertion, &audiences) {
        return invalid_grant(reason);
    }
    let lifetime = world.switches.workload.lifetime;
    let (access, mut body) = workload::given(world, "sk-ant-oat01-", lifetime);
    let family = world.anthropic.tokens.open(workload::session("workload"));
    world.anthropic.tokens.add_access(family, &access, world.clock.now(), lifetime);
    body.as_object_mut().map(|body| body.remove("issued_token_type"));
    Reply::json(200, &body)
}

fn malformed() -> Reply {
    anthropic::error(400, "invalid_request_error", "Invalid request format")
}

/// The filter by user agent, which comes before everything else.
fn filter(world: &World, request: &Request) -> Option<Reply> {
    let agent = request.header("user-agent").unwrap_or_default();
    if !world.switches.anthropic.user_agent_filter {
        None
    } else if agent.starts_with("claude-cli/") {
        Some(anthropic::error(404, "not_found_error", "Not found"))
    } else if agent.starts_with("claude-code/") {
        let message = "Rate limited. Please try again later.";
        Some(Reply::json(429, &json!({ "error": { "type": "rate_limit_error", "message": message } })))
    } else {
        None
    }
}

fn exchange(world: &mut World, fields: &Fields) -> Reply {
    let (Some(code), Some(verifier)) = (fields.get("code"), fields.get("code_verifier")) else {
        return malformed();
    };
    if world.switches.anthropic.require_state && fields.get("state").is_none() {
        return malformed();
    }
    let now = world.now();
    let Some(grant) = world.anthropic.codes.get_mut(code) else {
        return invalid_grant("Invalid 'code' in request.");
    };
    if let Some(family) = grant.spent {
        // A second use of a code is an attack or a fault: what the first one gave ends (RFC 6749, 4.1.2).
        world.anthropic.tokens.end_family(family);
        return invalid_grant("Invalid 'code' in request.");
    }
    if grant.is_expired(now) {
        return invalid_grant("The code has expired.");
    }
    let same_redirect = grant.redirect_uri.as_deref() == fields.get("redirect_uri");
    let same_state = fields.get("state").is_none_or(|state| grant.state.as_deref() == Some(state));
    let met = grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier));
    if !(same_redirect && same_state && met) {
        world.anthropic.codes.burn(code);
        return invalid_grant("Invalid 'redirect_uri', 'state' or 'code_verifier' in request.");
    }
    let family = world.anthropic.tokens.open(Session {
        client_id: CLIENT_ID.to_owned(),
        account: grant.account,
        scopes: grant.scopes.clone(),
        via: grant.via,
        resource: None,
    });
    grant.spent = Some(family);
    granted(world, family, None)
}

fn refresh(world: &mut World, fields: &Fields) -> Reply {
    let Some(presented) = fields.get("refresh_token") else {
        return malformed();
    };
    let rules = world.switches.anthropic.tokens.clone();
    let scopes = words(fields.or_empty("scope"));
    if scopes.iter().any(|scope| scope == "org:create_api_key") {
        return Reply::oauth_error(400, "invalid_scope", "The requested scope is invalid.");
    }
    let family = match world.anthropic.tokens.spend(presented, CLIENT_ID, &rules) {
        Ok(family) => family,
        Err(Bad::Unknown) => return invalid_grant("Refresh token not found or invalid"),
        Err(_) => return invalid_grant("Refresh token has been used or revoked"),
    };
    granted(world, family, Some(presented))
}

fn invalid_grant(description: &str) -> Reply {
    Reply::oauth_error(400, "invalid_grant", description)
}

/// New tokens of a family; `presented` is the refresh token that was just spent.
pub fn granted(world: &mut World, family: usize, presented: Option<&str>) -> Reply {
    let rules = &world.switches.anthropic.tokens;
    let now = world.clock.now();
    let tokens = &mut world.anthropic.tokens;
    let access = format!("sk-ant-oat01-{}", random::token());
    tokens.add_access(family, &access, now, rules.lifetime);
    let account = tokens.session(family).account;
    let mut body = json!({
        "access_token": access,
        "scope": tokens.session(family).scopes.join(" "),
        "organization": { "uuid": account.uuid, "name": account.organization },
        "account": { "uuid": account.uuid, "email_address": account.email },
    });
    let made = format!("sk-ant-ort01-{}", random::token());
    if let Some(refresh) = tokens.next_refresh(family, presented, made, rules) {
        body["refresh_token"] = refresh.into();
    }
    rules.describe(&mut body);
    Reply::json(200, &body)
}
