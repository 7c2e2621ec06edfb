//! The provider that follows the standards: RFC 6749, 7009, 7591, 7636, 8414, 9207.

use base64::Engine as _;
use serde_json::{Value, json};

use crate::common::http::{Response, get, get_with, post_form, post_form_with, post_json};
use crate::common::{Sandbox, approve, deny};
use crate::pkce::{VERIFIER, but, challenge, param, with_query};

pub const CLIENT: &str = "sandbox-public";
const REDIRECT: &str = "http://127.0.0.1:4711/callback";

pub fn params(challenge: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid email offline_access"),
        ("prompt", "consent"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("state", "s"),
    ]
}

pub fn authorize(sandbox: &Sandbox, params: &[(&str, &str)]) -> String {
    with_query(&sandbox.at("/generic/authorize"), params)
}

pub fn exchange(sandbox: &Sandbox, callback: &str, extra: &[(&str, &str)]) -> Response {
    let code = param(callback, "code").unwrap_or_else(|| panic!("no code in {callback}"));
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", &code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", REDIRECT),
    ];
    for (name, value) in extra {
        fields = but(&fields, name, value);
    }
    post_form(&sandbox.at("/generic/token"), &fields)
}

fn login(sandbox: &Sandbox) -> Value {
    let reply = exchange(sandbox, &approve(&authorize(sandbox, &params(&challenge()))), &[]);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn refresh(sandbox: &Sandbox, token: &Value, scope: &str) -> Response {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", token.as_str().unwrap()),
        ("scope", scope),
    ];
    post_form(&sandbox.at("/generic/token"), &fields)
}

#[track_caller]
fn refused(reply: &Response, status: u16, error: &str) {
    assert_eq!((reply.status, &reply.json()["error"]), (status, &json!(error)), "{}", reply.text());
}

#[test]
fn metadata_is_where_the_path_is_inserted_and_names_its_issuer() {
    let sandbox = Sandbox::start();
    let paths = [
        ("rfc8414", "/.well-known/oauth-authorization-server/generic"),
        ("openid-inserted", "/.well-known/openid-configuration/generic"),
        ("openid-appended", "/generic/.well-known/openid-configuration"),
    ];
    for (name, path) in paths {
        let document = get(&sandbox.at(path)).json();
        assert_eq!(document["issuer"], sandbox.at("/generic"));
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        sandbox.switch(json!({ "generic": { "documents": [name] } }));
        let found: Vec<u16> = paths.iter().map(|(_, path)| get(&sandbox.at(path)).status).collect();
        assert_eq!(found.iter().filter(|status| **status == 200).count(), 1, "{name}");
        assert_eq!(get(&sandbox.at(path)).status, 200, "{name}");
        sandbox.reset();
    }
    assert_eq!(get(&sandbox.at("/generic/.well-known/oauth-authorization-server")).status, 404);
}

#[test]
fn metadata_can_be_wrong_in_each_way_that_a_client_must_notice() {
    let sandbox = Sandbox::start();
    let metadata = |switches: Value| {
        sandbox.switch(json!({ "generic": switches }));
        get(&sandbox.at("/.well-known/oauth-authorization-server/generic")).json()
    };
    assert_eq!(metadata(json!({ "issuer": "wrong" }))["issuer"], sandbox.at("/other"));
    assert_eq!(metadata(json!({ "issuer": "slash" }))["issuer"], sandbox.at("/generic/"));
    assert_eq!(metadata(json!({ "pkce": "plain" }))["code_challenge_methods_supported"], json!(["plain"]));
    assert_eq!(metadata(json!({ "pkce": "absent" }))["code_challenge_methods_supported"], Value::Null);
    let off = metadata(
        json!({ "registration": false, "device": false, "revocation": false, "iss_advertised": false }),
    );
    for name in ["registration_endpoint", "device_authorization_endpoint", "revocation_endpoint"] {
        assert_eq!(off[name], Value::Null);
    }
    assert_eq!(off["authorization_response_iss_parameter_supported"], Value::Null);
    let scopes = metadata(json!({ "offline_access": false }))["scopes_supported"].clone();
    assert!(!scopes.as_array().unwrap().contains(&json!("offline_access")));
    assert_eq!(metadata(json!({ "cimd": true }))["client_id_metadata_document_supported"], true);
}

#[test]
fn client_and_redirect_faults_stay_and_others_go_back() {
    let sandbox = Sandbox::start();
    let challenge = challenge();
    let right = params(&challenge);
    for (name, value) in [
        ("client_id", "other"),
        ("redirect_uri", ""),
        ("redirect_uri", "http://example.com/callback"),
        ("redirect_uri", "https://127.0.0.1:1/callback"),
    ] {
        assert_eq!(get(&authorize(&sandbox, &but(&right, name, value))).status, 400, "{name}={value}");
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", "openid everything", "invalid_scope"),
        ("resource", "https://example.com/mcp", "invalid_target"),
    ] {
        let back = get(&authorize(&sandbox, &but(&right, name, value))).location();
        assert!(back.starts_with(REDIRECT), "{back}");
        assert_eq!(param(&back, "error").as_deref(), Some(error), "{name}={value}");
        assert_eq!(param(&back, "state").as_deref(), Some("s"));
        assert_eq!(param(&back, "iss"), Some(sandbox.at("/generic")));
    }
}

#[test]
fn the_response_names_its_issuer_or_not() {
    let sandbox = Sandbox::start();
    let url = authorize(&sandbox, &params(&challenge()));
    assert_eq!(param(&approve(&url), "iss"), Some(sandbox.at("/generic")));
    assert_eq!(param(&deny(&url), "iss"), Some(sandbox.at("/generic")));
    sandbox.switch(json!({ "generic": { "iss": "wrong" } }));
    assert_eq!(param(&approve(&url), "iss"), Some(sandbox.at("/other")));
    sandbox.switch(json!({ "generic": { "iss": "absent" } }));
    assert_eq!(param(&approve(&url), "iss"), None);
}

#[test]
fn an_exchange_is_checked_and_a_second_use_ends_the_login() {
    let sandbox = Sandbox::start();
    let callback = || approve(&authorize(&sandbox, &params(&challenge())));
    let wrong = VERIFIER.replace('d', "e");
    refused(&exchange(&sandbox, &callback(), &[("code_verifier", &wrong)]), 400, "invalid_grant");
    refused(
        &exchange(&sandbox, &callback(), &[("redirect_uri", "http://127.0.0.1:1/callback")]),
        400,
        "invalid_grant",
    );
    refused(&exchange(&sandbox, &callback(), &[("client_id", "other")]), 401, "invalid_client");
    refused(&exchange(&sandbox, &callback(), &[("client_secret", "guess")]), 401, "invalid_client");
    refused(&exchange(&sandbox, &callback(), &[("grant_type", "password")]), 400, "unsupported_grant_type");
    let body = json!({ "grant_type": "authorization_code", "client_id": CLIENT });
    refused(&post_json(&sandbox.at("/generic/token"), &body), 400, "invalid_request");
    let callback = callback();
    let tokens = exchange(&sandbox, &callback, &[]).json();
    refused(&exchange(&sandbox, &callback, &[]), 400, "invalid_grant");
    refused(&refresh(&sandbox, &tokens["refresh_token"], ""), 400, "invalid_grant");
}

#[test]
fn offline_access_wants_consent() {
    let sandbox = Sandbox::start();
    assert!(login(&sandbox)["refresh_token"].is_string());
    let challenge = challenge();
    let tokens = |name, value| {
        exchange(&sandbox, &approve(&authorize(&sandbox, &but(&params(&challenge), name, value))), &[]).json()
    };
    assert_eq!(tokens("prompt", "")["refresh_token"], Value::Null);
    assert_eq!(tokens("scope", "openid")["refresh_token"], Value::Null);
    sandbox.switch(json!({ "generic": { "offline_needs_consent": false } }));
    assert!(tokens("prompt", "")["refresh_token"].is_string());
    sandbox.switch(json!({ "generic": { "offline_access": false } }));
    assert!(tokens("scope", "openid")["refresh_token"].is_string());
}

#[test]
fn a_refresh_rotates_and_may_not_widen() {
    let sandbox = Sandbox::start();
    let tokens = login(&sandbox);
    refused(&refresh(&sandbox, &tokens["refresh_token"], "openid tools:write"), 400, "invalid_scope");
    let next = refresh(&sandbox, &tokens["refresh_token"], "openid").json();
    refused(&refresh(&sandbox, &tokens["refresh_token"], ""), 400, "invalid_grant");
    assert_eq!(refresh(&sandbox, &next["refresh_token"], "").status, 200);
    sandbox.switch(json!({ "generic": { "tokens": { "rotation": "omit", "reuse": "revoke-family" } } }));
    let stays = login(&sandbox);
    assert_eq!(refresh(&sandbox, &stays["refresh_token"], "").json()["refresh_token"], Value::Null);
    assert_eq!(refresh(&sandbox, &stays["refresh_token"], "").status, 200);
}

#[test]
fn access_tokens_can_be_jwts_without_expires_in() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "generic": { "jwt": true, "tokens": { "expires_in": false } } }));
    let tokens = login(&sandbox);
    assert_eq!(tokens["access_token"].as_str().unwrap().split('.').count(), 3);
    assert_eq!(tokens["expires_in"], Value::Null);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let userinfo = get_with(&sandbox.at("/generic/userinfo"), &[("authorization", &bearer)]);
    assert_eq!(userinfo.json()["email"], "ada@sandbox.test");
    sandbox.expire("generic");
    assert_eq!(get_with(&sandbox.at("/generic/userinfo"), &[("authorization", &bearer)]).status, 401);
}

#[test]
fn revocation_is_a_form_and_forgives_unknown_tokens() {
    let sandbox = Sandbox::start();
    let tokens = login(&sandbox);
    let revoke = |token: &str, hint: &str| {
        let fields = [("token", token), ("token_type_hint", hint), ("client_id", CLIENT)];
        post_form(&sandbox.at("/generic/revoke"), &fields)
    };
    refused(&post_json(&sandbox.at("/generic/revoke"), &json!({ "token": "x" })), 400, "invalid_request");
    refused(&post_form(&sandbox.at("/generic/revoke"), &[("token", "x")]), 401, "invalid_client");
    refused(&revoke("x", "password"), 400, "unsupported_token_type");
    assert_eq!(revoke("unknown", "refresh_token").status, 200);
    assert_eq!(revoke(tokens["refresh_token"].as_str().unwrap(), "refresh_token").status, 200);
    refused(&refresh(&sandbox, &tokens["refresh_token"], ""), 400, "invalid_grant");
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(get_with(&sandbox.at("/generic/userinfo"), &[("authorization", &bearer)]).status, 401);
}

fn register(sandbox: &Sandbox, body: Value) -> Response {
    post_json(&sandbox.at("/generic/register"), &body)
}

fn metadata(redirect: &str) -> Value {
    json!({
        "client_name": "Convocations", "redirect_uris": [redirect], "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        "application_type": "native",
    })
}

#[test]
fn a_program_registers_itself() {
    let sandbox = Sandbox::start();
    let reply = register(&sandbox, metadata("http://127.0.0.1/callback"));
    assert_eq!(reply.status, 201);
    let id = reply.json()["client_id"].as_str().unwrap().to_owned();
    let challenge = challenge();
    let mine = but(&params(&challenge), "client_id", &id).to_vec();
    let tokens = exchange(&sandbox, &approve(&authorize(&sandbox, &mine)), &[("client_id", &id)]);
    assert_eq!(tokens.status, 200, "the port is free, {}", tokens.text());
    let other_path = but(&mine, "redirect_uri", "http://127.0.0.1:4711/other");
    assert_eq!(get(&authorize(&sandbox, &other_path)).status, 400);
    let other_host = but(&mine, "redirect_uri", "http://localhost:4711/callback");
    assert_eq!(get(&authorize(&sandbox, &other_host)).status, 400);
    sandbox.control("expire", json!({ "provider": "generic", "what": "clients" }));
    assert_eq!(get(&authorize(&sandbox, &mine)).status, 400, "the registration is forgotten");
}

#[test]
fn registrations_are_checked() {
    let sandbox = Sandbox::start();
    for redirect in ["http://example.com/x", "nothing", "http://127.0.0.1/x#fragment"] {
        refused(&register(&sandbox, metadata(redirect)), 400, "invalid_redirect_uri");
    }
    refused(&register(&sandbox, json!({})), 400, "invalid_redirect_uri");
    for (name, value) in [
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("grant_types", json!(["implicit"])),
        ("response_types", json!("code")),
    ] {
        let mut body = metadata("http://127.0.0.1/callback");
        body[name] = value;
        refused(&register(&sandbox, body), 400, "invalid_client_metadata");
    }
    sandbox.switch(json!({ "generic": { "registration": false } }));
    assert_eq!(register(&sandbox, metadata("http://127.0.0.1/callback")).status, 404);
}

#[test]
fn a_secret_is_demanded_where_one_was_given() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "generic": { "registration_secret": true } }));
    let reply = register(&sandbox, metadata("http://127.0.0.1/callback")).json();
    assert_eq!(reply["client_secret_expires_at"], 0);
    let (id, secret) = (reply["client_id"].as_str().unwrap(), reply["client_secret"].as_str().unwrap());
    let challenge = challenge();
    let callback = || approve(&authorize(&sandbox, &but(&params(&challenge), "client_id", id)));
    refused(&exchange(&sandbox, &callback(), &[("client_id", id)]), 401, "invalid_client");
    let posted = [("client_id", id), ("client_secret", secret)];
    assert_eq!(exchange(&sandbox, &callback(), &posted).status, 200);
    let fields = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    let pair = "sandbox-confidential:sandbox-confidential-secret";
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let by_basic = post_form_with(&sandbox.at("/generic/token"), &[("authorization", &basic)], &fields);
    refused(&by_basic, 400, "invalid_grant");
}

#[test]
fn a_metadata_document_names_a_client_if_the_server_supports_it() {
    let sandbox = Sandbox::start();
    let challenge = challenge();
    let id = "https://convocations.example/client.json";
    let url = authorize(&sandbox, &but(&params(&challenge), "client_id", id));
    assert_eq!(get(&url).status, 400);
    sandbox.switch(json!({ "generic": { "cimd": true } }));
    assert_eq!(exchange(&sandbox, &approve(&url), &[("client_id", id)]).status, 200);
}
