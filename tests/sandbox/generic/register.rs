//! Dynamic registration (RFC 7591).

use serde_json::{Value, json};
use url::Url;

use crate::generic::client::{self, Client};
use crate::generic::switches::RegistrationDialect;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::world::World;

pub fn register(world: &mut World, request: &Request) -> Reply {
    if !world.switches.generic.registration {
        return Reply::text(404, "text/plain", "Not Found");
    }
    let Some(fields) = request.json() else {
        return error("invalid_client_metadata", "The body is no JSON object.");
    };
    let redirect_uris = match redirects(&fields) {
        Some(uris) if uris.iter().all(|uri| is_allowed(uri)) => uris,
        _ => return error("invalid_redirect_uri", "redirect_uris must be https, or http on loopback."),
    };
    if let Some(message) = unsupported(&fields).or_else(|| by_dialect(&fields, world)) {
        return error("invalid_client_metadata", message);
    }
    let is_confidential = fields.get("token_endpoint_auth_method") != Some("none");
    let secret = (is_confidential || world.switches.generic.registration_secret).then(random::token);
    let client_id = format!("client-{}", random::hex(12));
    let name = fields.get("client_name").unwrap_or("A program without a name").to_owned();
    let reply = described(&fields, &client_id, secret.as_deref(), world);
    let grants = grants(&fields);
    world.generic.clients.insert(client_id, Client { name, redirect_uris, secret, grants });
    Reply::json(201, &reply)
}

fn error(code: &str, description: &str) -> Reply {
    Reply::oauth_error(400, code, description)
}

fn redirects(fields: &Fields) -> Option<Vec<String>> {
    let uris = fields.0.get("redirect_uris")?.as_array()?;
    let uris: Option<Vec<String>> = uris.iter().map(|uri| uri.as_str().map(str::to_owned)).collect();
    uris.filter(|uris| !uris.is_empty())
}

fn is_allowed(uri: &str) -> bool {
    Url::parse(uri)
        .is_ok_and(|url| url.fragment().is_none() && (url.scheme() == "https" || client::is_loopback(&url)))
}

fn unsupported(fields: &Fields) -> Option<&'static str> {
    let each_in = |name: &str, known: &[&str]| match fields.0.get(name) {
        None => true,
        Some(Value::Array(values)) => {
            values.iter().all(|value| value.as_str().is_some_and(|text| known.contains(&text)))
        }
        Some(_) => false,
    };
    let method = fields.get("token_endpoint_auth_method");
    if !matches!(method, None | Some("none" | "client_secret_basic")) {
        return Some("token_endpoint_auth_method is not supported.");
    }
    let grants = ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"];
    if !each_in("grant_types", &grants) {
        return Some("grant_types is not supported.");
    }
    (!each_in("response_types", &["code"])).then_some("response_types is not supported.")
}

/// The grants that a client registers for (RFC 7591, 2).
fn grants(fields: &Fields) -> Vec<String> {
    let listed = fields.0.get("grant_types").and_then(Value::as_array);
    let listed: Vec<_> = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    if listed.is_empty() { vec!["authorization_code".to_owned()] } else { listed }
}

fn by_dialect(fields: &Fields, world: &World) -> Option<&'static str> {
    let grants = grants(fields);
    let has = |name: &str| grants.iter().any(|grant| grant == name);
    let is_public = fields.get("token_endpoint_auth_method") == Some("none");
    match world.switches.generic.registration_dialect {
        RegistrationDialect::OneGrant if grants.len() > 1 => Some("One grant type for each application."),
        RegistrationDialect::CodeAndRefresh if !has("authorization_code") || !has("refresh_token") => {
            Some("grant_types must be authorization_code and refresh_token.")
        }
        RegistrationDialect::Confidential if is_public => Some("Public clients are not supported."),
        RegistrationDialect::NoScope if fields.get("scope").is_some() => {
            Some("Requested scopes are not valid.")
        }
        _ => None,
    }
}

/// What was registered: the request's own words, and what the server adds.
fn described(fields: &Fields, client_id: &str, secret: Option<&str>, world: &World) -> Value {
    let mut body = Value::Object(fields.0.clone());
    body["client_id"] = client_id.into();
    body["client_id_issued_at"] = world.now().into();
    if let Some(secret) = secret {
        body["client_secret"] = secret.into();
        body["client_secret_expires_at"] = json!(0);
        if fields.get("token_endpoint_auth_method") == Some("none") {
            body["token_endpoint_auth_method"] = "client_secret_post".into();
        }
    }
    body
}
