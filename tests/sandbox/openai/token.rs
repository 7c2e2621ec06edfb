//! auth.openai.com's token and revocation endpoints: form for codes, form or JSON for refreshes, JSON to
//! revoke.

use serde_json::{Value, json};

use crate::jwt;
use crate::openai::CLIENT_ID;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::tokens::{Bad, Session};
use crate::workload;
use crate::world::World;

pub fn token(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.fields() else {
        return error(world, 400, "invalid_request", "Could not read the request.");
    };
    if fields.get("grant_type") == Some(workload::EXCHANGE) {
        return federate(world, request);
    }
    if fields.get("client_id") != Some(CLIENT_ID) {
        return error(world, 401, "invalid_client", "Unknown client.");
    }
    match fields.get("grant_type") {
        // codex sends JSON for refreshes only; for a code every client sends a form.
        Some("authorization_code") if request.form().is_some() => exchange(world, &fields),
        Some("refresh_token") => refresh(world, &fields),
        Some("authorization_code") | None => {
            error(world, 400, "invalid_request", "Could not read the request.")
        }
        Some(_) => error(world, 400, "unsupported_grant_type", "Unsupported grant type."),
    }
}

/// Workload identity of the API platform: JSON, a provider and a service account, an hour at most.
fn federate(world: &mut World, request: &Request) -> Reply {
    let known =
        ["grant_type", "subject_token_type", "subject_token", "identity_provider_id", "service_account_id"];
    let Some(fields) = request.json().filter(|fields| workload::has_only(fields, &known)) else {
        return error(world, 400, "invalid_request", "Could not read the request.");
    };
    let ids = (fields.get("identity_provider_id"), fields.get("service_account_id"));
    let is_typed = [workload::JWT, workload::ID_TOKEN].contains(&fields.or_empty("subject_token_type"));
    let (Some(token), (Some(_), Some(_)), true) = (fields.get("subject_token"), ids, is_typed) else {
        return error(world, 400, "invalid_request", "A parameter is missing.");
    };
    if ids != (Some("idp_sandbox"), Some("svc_sandbox")) {
        return invalid_grant("No mapping fits.");
    }
    let audiences = ["https://api.openai.com/v1".to_owned(), format!("{}/openai", world.base)];
    if let Err(reason) = workload::check(world, token, &audiences) {
        return Reply::oauth_error(400, "invalid_subject_token", reason);
    }
    let lifetime = world.switches.workload.lifetime.min(3600);
    let (access, mut body) = workload::given(world, "eyJ", lifetime);
    world.openai.keys.insert(access);
    body["expires_at"] = (world.now() + lifetime).into();
    Reply::json(200, &body)
}

/// An object in `error`, or by the switch `openai.string_error` a string.
fn error(world: &World, status: u16, code: &str, message: &str) -> Reply {
    let body = match world.switches.openai.string_error {
        true => json!({ "error": code, "error_description": message }),
        false => {
            json!({ "error": { "message": message, "type": "invalid_request_error", "param": null, "code": code } })
        }
    };
    Reply::json(status, &body)
}

fn exchange(world: &mut World, fields: &Fields) -> Reply {
    let (code, now) = (fields.or_empty("code"), world.now());
    let Some(grant) = world.openai.codes.get_mut(code) else {
        return invalid_grant("Unknown code.");
    };
    if let Some(family) = grant.spent {
        world.openai.tokens.end_family(family);
        return invalid_grant("The code has been used.");
    }
    let verifier = fields.or_empty("code_verifier");
    let same_redirect = grant.redirect_uri.as_deref() == fields.get("redirect_uri");
    let met = grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier));
    if grant.is_expired(now) || !same_redirect || !met {
        world.openai.codes.burn(code);
        return invalid_grant("The code does not belong to this request.");
    }
    let family = world.openai.tokens.open(Session {
        client_id: CLIENT_ID.to_owned(),
        account: grant.account,
        scopes: grant.scopes.clone(),
        via: grant.via,
        resource: grant.resource.clone(),
    });
    grant.spent = Some(family);
    granted(world, family, None)
}

fn invalid_grant(description: &str) -> Reply {
    Reply::oauth_error(400, "invalid_grant", description)
}

fn refresh(world: &mut World, fields: &Fields) -> Reply {
    let presented = fields.or_empty("refresh_token");
    let rules = world.switches.openai.tokens.clone();
    let status = world.switches.openai.refused_status;
    match world.openai.tokens.spend(presented, CLIENT_ID, &rules) {
        Ok(family) => granted(world, family, Some(presented)),
        Err(Bad::Spent) => {
            let message = "Your refresh token has already been used to generate a new access token. \
                           Please try signing in again.";
            error(world, status, "refresh_token_reused", message)
        }
        Err(Bad::Revoked) => error(world, status, "refresh_token_invalidated", "Your session has ended."),
        Err(_) => error(world, status, "refresh_token_expired", "Your refresh token has expired."),
    }
}

/// New tokens of a family; `presented` is the refresh token that was just spent.
pub fn granted(world: &mut World, family: usize, presented: Option<&str>) -> Reply {
    let (switches, now) = (world.switches.openai.clone(), world.clock.now());
    let session = world.openai.tokens.session(family).clone();
    let lifetime = switches.tokens.lifetime;
    let access = jwt::token(&claims(&session, now, lifetime, switches.account_claim, "access"));
    world.openai.tokens.add_access(family, &access, now, lifetime);
    let mut body = json!({ "access_token": access, "scope": session.scopes.join(" ") });
    if presented.is_none() || switches.id_token_on_refresh {
        let id_token = jwt::token(&claims(&session, now, 3600, switches.account_claim, "id"));
        body["id_token"] = id_token.as_str().into();
        world.openai.id_tokens.push(id_token);
    }
    if session.scopes.iter().any(|scope| scope == "offline_access") {
        let made = format!("rt_{}", random::token());
        let next = world.openai.tokens.next_refresh(family, presented, made, &switches.tokens);
        if let Some(refresh) = next {
            body["refresh_token"] = refresh.into();
        }
    }
    switches.tokens.describe(&mut body);
    Reply::json(200, &body)
}

fn claims(session: &Session, now: i64, lifetime: i64, with_account: bool, kind: &str) -> Value {
    let account = session.account;
    let mut auth = json!({
        "chatgpt_plan_type": account.plan, "chatgpt_user_id": format!("user-{}", account.login),
        "user_id": format!("user-{}", account.login), "organization_id": format!("org-{}", account.login),
        "completed_platform_onboarding": true, "is_org_owner": true,
    });
    if with_account {
        auth["chatgpt_account_id"] = session.resource.as_deref().unwrap_or(account.uuid).into();
    }
    let mut claims = json!({
        "iss": "https://auth.openai.com", "sub": format!("auth0|{}", account.login), "iat": now, "nbf": now,
        "jti": random::hex(8), "https://api.openai.com/auth": auth,
    });
    if lifetime > 0 {
        claims["exp"] = (now + lifetime).into();
    }
    if kind == "id" {
        claims["aud"] = json!([CLIENT_ID]);
        claims["email"] = account.email.into();
        claims["email_verified"] = true.into();
        claims["name"] = account.name.into();
        claims["organizations"] = json!([{ "id": format!("org-{}", account.login), "is_default": true }]);
    } else {
        claims["aud"] = json!(["https://api.openai.com/v1"]);
        claims["client_id"] = CLIENT_ID.into();
        claims["scp"] = json!(session.scopes);
        claims["https://api.openai.com/profile"] = json!({ "email": account.email, "email_verified": true });
    }
    claims
}

/// JSON only; `client_id` with a refresh token and not with an access token.
pub fn revoke(world: &mut World, request: &Request) -> Reply {
    let Some(fields) = request.json() else {
        return error(world, 400, "invalid_request", "Could not read the request.");
    };
    let client = fields.get("client_id");
    let fits = match fields.get("token_type_hint") {
        Some("refresh_token") => client == Some(CLIENT_ID),
        Some("access_token") => client.is_none(),
        _ => false,
    };
    match fields.get("token").filter(|_| fits) {
        Some(token) => {
            world.openai.tokens.revoke(token);
            Reply::json(200, &json!({}))
        }
        None => error(world, 400, "invalid_request", "token, token_type_hint and client_id do not fit."),
    }
}
