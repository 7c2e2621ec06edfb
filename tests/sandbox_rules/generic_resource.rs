//! The protected resource, as an MCP server is one: RFC 9728 and RFC 8707.

use serde_json::{Value, json};

use crate::common::http::{Response, get, post_json, post_json_with};
use crate::common::{Sandbox, approve};
use crate::generic::{authorize, exchange, params};
use crate::pkce::{but, challenge};

fn call(sandbox: &Sandbox, token: &Value, method: &str) -> Response {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    post_json_with(&sandbox.at("/generic/mcp"), &[("authorization", &bearer)], &body)
}

#[test]
fn a_refusal_says_where_tokens_come_from() {
    let sandbox = Sandbox::start();
    let refusal = post_json(&sandbox.at("/generic/mcp"), &json!({}));
    assert_eq!(refusal.status, 401);
    let told = refusal.header("www-authenticate").unwrap();
    let hint = format!("resource_metadata=\"{}\"", sandbox.at("/generic/resource-metadata"));
    assert!(
        told.starts_with("Bearer ") && told.contains(&hint) && told.contains("scope=\"tools:read\""),
        "{told}"
    );
    let document = get(&sandbox.at("/generic/resource-metadata")).json();
    assert_eq!(document["resource"], sandbox.at("/generic/mcp"));
    assert_eq!(document["authorization_servers"], json!([sandbox.at("/generic")]));
    sandbox.switch(json!({ "generic": { "resource_hint": false } }));
    let told =
        post_json(&sandbox.at("/generic/mcp"), &json!({})).header("www-authenticate").unwrap().to_owned();
    assert!(!told.contains("resource_metadata"), "{told}");
}

#[test]
fn the_document_is_at_one_place_or_the_other_and_can_be_of_another_resource() {
    let sandbox = Sandbox::start();
    let inserted = sandbox.at("/.well-known/oauth-protected-resource/generic/mcp");
    let root = sandbox.at("/.well-known/oauth-protected-resource");
    let found = |place: &str| {
        sandbox.switch(json!({ "generic": { "resource_document": place } }));
        (get(&inserted).status, get(&root).status)
    };
    assert_eq!(found("both"), (200, 200));
    assert_eq!(found("inserted"), (200, 404));
    assert_eq!(found("root"), (404, 200));
    assert_eq!(found("none"), (404, 404));
    sandbox.switch(json!({ "generic": { "resource_matches": false } }));
    let document = get(&sandbox.at("/generic/resource-metadata")).json();
    assert_ne!(document["resource"], sandbox.at("/generic/mcp"));
}

#[test]
fn only_a_token_for_this_resource_with_the_scope_is_taken() {
    let sandbox = Sandbox::start();
    let (challenge, resource) = (challenge(), sandbox.at("/generic/mcp"));
    let all = params(&challenge);
    let asked = but(&but(&all, "resource", &resource), "scope", "tools:read").to_vec();
    let callback = approve(&authorize(&sandbox, &asked));
    let missing = exchange(&sandbox, &callback, &[]);
    assert_eq!(missing.json()["error"], "invalid_target", "the token request names it too");
    let tokens = exchange(&sandbox, &callback, &[("resource", &resource)]).json();
    assert_eq!(call(&sandbox, &tokens["access_token"], "initialize").status, 200);
    assert_eq!(call(&sandbox, &tokens["access_token"], "tools/list").status, 200);
    let more = call(&sandbox, &tokens["access_token"], "tools/call");
    assert_eq!(more.status, 403);
    let told = more.header("www-authenticate").unwrap();
    assert!(told.contains("insufficient_scope") && told.contains("tools:write"), "{told}");
    let other = exchange(&sandbox, &approve(&authorize(&sandbox, &all)), &[]).json();
    assert_eq!(call(&sandbox, &other["access_token"], "initialize").status, 401, "made for nobody");
}
