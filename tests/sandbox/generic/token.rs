//! The token and the revocation endpoint: forms only.

use serde_json::json;

use crate::generic::switches::NonceSwitch;
use crate::generic::{client, device, issuer};
use crate::jwt;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request, words};
use crate::tokens::{Session, Tokens};
use crate::world::World;

pub fn token(world: &mut World, request: &Request) -> Reply {
    let (fields, client_id) = match client(world, request) {
        Ok(client) => client,
        Err(refusal) => return refusal,
    };
    let grant = fields.get("grant_type").unwrap_or_default();
    let known = client::find(world, &client_id).is_some_and(|client| client.may_ask_by(grant));
    // A server that issues a refresh token takes it back, whatever the client registered for.
    if !known && !matches!(grant, "" | "refresh_token") {
        return Reply::oauth_error(400, "unauthorized_client", "The client did not register for this grant.");
    }
    match fields.get("grant_type") {
        Some("authorization_code") => exchange(world, &fields, &client_id),
        Some("client_credentials") => for_itself(world, &fields, &client_id),
        Some("refresh_token") => refresh(world, &fields, &client_id),
        Some(device::GRANT) if world.switches.generic.device => device::poll(world, &fields, &client_id),
        Some(_) => Reply::oauth_error(400, "unsupported_grant_type", "Unsupported grant type."),
        None => Reply::oauth_error(400, "invalid_request", "grant_type is missing."),
    }
}

fn client(world: &World, request: &Request) -> Result<(Fields, String), Reply> {
    let fields = request.form();
    let fields = fields.ok_or_else(|| Reply::oauth_error(400, "invalid_request", "The body is no form."))?;
    match client::authenticated(world, request, &fields) {
        Some(client_id) => Ok((fields, client_id)),
        None => {
            let refusal =
                Reply::oauth_error(401, "invalid_client", "The client is unknown or proves nothing.");
            Err(refusal.with("www-authenticate", "Basic realm=\"sandbox\""))
        }
    }
}

fn invalid_grant(description: &str) -> Reply {
    Reply::oauth_error(400, "invalid_grant", description)
}

fn exchange(world: &mut World, fields: &Fields, client_id: &str) -> Reply {
    let (code, now) = (fields.or_empty("code"), world.now());
    let Some(grant) = world.generic.codes.get_mut(code).filter(|grant| grant.client_id == client_id) else {
        return invalid_grant("The code is unknown.");
    };
    if let Some(family) = grant.spent {
        world.generic.tokens.end_family(family);
        return invalid_grant("The code has been used.");
    }
    // RFC 8707, 2.2: what was authorized for a resource is asked for again for that resource.
    if grant.resource.as_deref() != fields.get("resource") {
        return Reply::oauth_error(400, "invalid_target", "The resource is not the one that was authorized.");
    }
    let verifier = fields.or_empty("code_verifier");
    let met = grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier));
    if grant.is_expired(now) || grant.redirect_uri.as_deref() != fields.get("redirect_uri") || !met {
        world.generic.codes.burn(code);
        return invalid_grant("The code does not belong to this request.");
    }
    let family = world.generic.tokens.open(Session {
        client_id: client_id.to_owned(),
        account: grant.account,
        scopes: grant.scopes.clone(),
        via: grant.via,
        resource: grant.resource.clone(),
    });
    grant.spent = Some(family);
    let nonce = world.generic.nonces.remove(code);
    world.generic.nonces.extend(nonce.map(|nonce| (family.to_string(), nonce)));
    granted(world, family, None)
}

/// RFC 6749, 4.4: for clients that proved who they are, and without a refresh token.
fn for_itself(world: &mut World, fields: &Fields, client_id: &str) -> Reply {
    if client::find(world, client_id).is_none_or(|client| client.secret.is_none()) {
        return Reply::oauth_error(400, "unauthorized_client", "A client without a secret is nobody.");
    }
    let family = world.generic.tokens.open(Session {
        client_id: client_id.to_owned(),
        account: crate::account::find(None),
        scopes: words(fields.or_empty("scope"))
            .into_iter()
            .filter(|scope| scope != "offline_access")
            .collect(),
        via: "client",
        resource: fields.get("resource").map(str::to_owned),
    });
    let mut reply = granted(world, family, None).body_json().unwrap_or_default();
    if let Some(body) = reply.as_object_mut() {
        body.remove("refresh_token");
    }
    Reply::json(200, &reply)
}

fn refresh(world: &mut World, fields: &Fields, client_id: &str) -> Reply {
    let presented = fields.or_empty("refresh_token");
    let rules = world.switches.generic.tokens.clone();
    if let Some(session) = world.generic.tokens.refresh_session(presented) {
        let asked = words(fields.or_empty("scope"));
        if !asked.iter().all(|scope| session.scopes.contains(scope)) {
            return Reply::oauth_error(400, "invalid_scope", "More was asked for than was granted.");
        }
        if fields.get("resource").is_some_and(|resource| session.resource.as_deref() != Some(resource)) {
            return Reply::oauth_error(
                400,
                "invalid_target",
                "The resource is not the one that was authorized.",
            );
        }
    }
    match world.generic.tokens.spend(presented, client_id, &rules) {
        Ok(family) => granted(world, family, Some(presented)),
        Err(_) => invalid_grant("The refresh token is not valid."),
    }
}

/// New tokens of a family; `presented` is the refresh token that was just spent.
pub fn granted(world: &mut World, family: usize, presented: Option<&str>) -> Reply {
    let (switches, now) = (world.switches.generic.clone(), world.clock.now());
    let session = world.generic.tokens.session(family).clone();
    let lifetime = switches.tokens.lifetime;
    let iss = issuer(world);
    let mut claims = json!({
        "iss": iss, "sub": session.account.uuid, "aud": session.client_id, "iat": now, "exp": now + lifetime,
        "jti": random::hex(8), "email": session.account.email,
    });
    let access = if switches.jwt { jwt::token(&claims) } else { random::token() };
    let tokens: &mut Tokens = &mut world.generic.tokens;
    tokens.add_access(family, &access, now, lifetime);
    let has = |name: &str| session.scopes.iter().any(|scope| scope == name);
    let mut body = json!({ "access_token": access, "scope": session.scopes.join(" ") });
    if has("openid") {
        if let Some(nonce) = world.generic.nonces.get(&family.to_string()) {
            match switches.nonce {
                NonceSwitch::Right => claims["nonce"] = nonce.as_str().into(),
                NonceSwitch::Wrong => claims["nonce"] = random::token().into(),
                NonceSwitch::Absent => {}
            }
        }
        body["id_token"] = jwt::token(&claims).into();
    }
    // Where offline_access is not offered, every login may refresh.
    if has("offline_access") || !switches.offline_access {
        let next = tokens.next_refresh(family, presented, random::token(), &switches.tokens);
        if let Some(refresh) = next {
            body["refresh_token"] = refresh.into();
        }
    }
    switches.tokens.describe(&mut body);
    Reply::json(200, &body)
}

/// 200 also for a token that nobody knows (RFC 7009, 2.2).
pub fn revoke(world: &mut World, request: &Request) -> Reply {
    let (fields, _) = match client(world, request) {
        Ok(client) => client,
        Err(refusal) => return refusal,
    };
    match (fields.get("token"), fields.get("token_type_hint")) {
        (None, _) => Reply::oauth_error(400, "invalid_request", "token is missing."),
        (Some(token), None | Some("refresh_token" | "access_token")) => {
            let rules = &world.switches.generic.tokens;
            world.generic.tokens.revoke_by(token, rules);
            Reply::text(200, "text/plain", "")
        }
        _ => Reply::oauth_error(400, "unsupported_token_type", "The token type is not supported."),
    }
}
