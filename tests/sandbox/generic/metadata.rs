//! The server's documents about itself (RFC 8414, OpenID Connect Discovery), with switches for what a client
//! must notice.

use serde_json::{Value, json};

use crate::generic::switches::{Document, IssuerSwitch, OldMcp, PkceSwitch, RegistrationDialect};
use crate::generic::{SCOPES, issuer};
use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

pub fn rfc8414(world: &mut World, _: &Request) -> Reply {
    document(world, Document::Rfc8414)
}

pub fn oidc_inserted(world: &mut World, _: &Request) -> Reply {
    document(world, Document::OpenidInserted)
}

pub fn oidc_appended(world: &mut World, _: &Request) -> Reply {
    document(world, Document::OpenidAppended)
}

/// At the origin, where MCP servers of 2025-03-26 have it.
pub fn at_origin(world: &mut World, _: &Request) -> Reply {
    if world.switches.generic.old_mcp != OldMcp::Described {
        return Reply::text(404, "text/plain", "Not Found");
    }
    let mut body = about(world);
    body["issuer"] = world.base.clone().into();
    Reply::json(200, &body)
}

fn document(world: &World, which: Document) -> Reply {
    if !world.switches.generic.documents.contains(&which) {
        return Reply::text(404, "text/plain", "Not Found");
    }
    let mut body = about(world);
    if which != Document::Rfc8414 {
        body["subject_types_supported"] = json!(["public"]);
        body["id_token_signing_alg_values_supported"] = json!(["RS256"]);
        body["jwks_uri"] = format!("{}/jwks", issuer(world)).into();
    }
    Reply::json(200, &body)
}

fn about(world: &World) -> Value {
    let switches = &world.switches.generic;
    let right = issuer(world);
    let at = |path: &str| Value::String(format!("{right}/{path}"));
    let scopes = SCOPES.iter().filter(|scope| switches.offline_access || **scope != "offline_access");
    let mut body = json!({
        "issuer": match switches.issuer {
            IssuerSwitch::Right => right.clone(),
            IssuerSwitch::Wrong => format!("{}/other", world.base),
            IssuerSwitch::Slash => format!("{right}/"),
        },
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"),
        "response_types_supported": ["code"],
        "grant_types_supported": grants(world),
        "token_endpoint_auth_methods_supported": match switches.registration_dialect {
            RegistrationDialect::Confidential => json!(["client_secret_basic"]),
            _ => json!(["none", "client_secret_post", "client_secret_basic"]),
        },
        "scopes_supported": scopes.collect::<Vec<_>>(),
        "client_id_metadata_document_supported": switches.cimd,
    });
    match switches.pkce {
        PkceSwitch::S256 => body["code_challenge_methods_supported"] = json!(["S256"]),
        PkceSwitch::Plain => body["code_challenge_methods_supported"] = json!(["plain"]),
        PkceSwitch::Absent => {}
    }
    if switches.iss_advertised {
        body["authorization_response_iss_parameter_supported"] = true.into();
    }
    if switches.registration {
        body["registration_endpoint"] = at("register");
    }
    if switches.device {
        body["device_authorization_endpoint"] = at("device");
    }
    if switches.revocation {
        body["revocation_endpoint"] = at("revoke");
    }
    body
}

fn grants(world: &World) -> Vec<&'static str> {
    let mut grants = vec!["authorization_code", "refresh_token", "client_credentials"];
    if world.switches.generic.device {
        grants.push("urn:ietf:params:oauth:grant-type:device_code");
    }
    grants
}
