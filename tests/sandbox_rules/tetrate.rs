//! Tetrate, a relative of OpenRouter: providers.md 6.9.

use serde_json::{Value, json};

use crate::common::http::{Response, get, post_form, post_json, post_json_with};
use crate::common::{Sandbox, approve, deny};
use crate::pkce::{VERIFIER, challenge, param, with_query};

const CALLBACK: &str = "http://127.0.0.1:4711/callback/secret";

fn page(sandbox: &Sandbox, callback: &str, challenge: &str) -> String {
    with_query(&sandbox.at("/tetrate/auth"), &[("callback", callback), ("code_challenge", challenge)])
}

fn verify(sandbox: &Sandbox, code: &str, verifier: &str) -> Response {
    let body = json!({ "code": code, "code_verifier": verifier });
    post_json(&sandbox.at("/tetrate/api/api-keys/verify"), &body)
}

fn code(sandbox: &Sandbox) -> String {
    param(&approve(&page(sandbox, CALLBACK, &challenge())), "code").unwrap()
}

#[test]
fn a_code_becomes_a_key_once() {
    let sandbox = Sandbox::start();
    let code = code(&sandbox);
    let key = verify(&sandbox, &code, VERIFIER).json()["key"].as_str().unwrap().to_owned();
    assert_eq!(verify(&sandbox, &code, VERIFIER).status, 401);
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let bearer = format!("Bearer {key}");
    let url = sandbox.at("/key/tetrate/v1/chat/completions");
    assert_eq!(post_json_with(&url, &[("authorization", &bearer)], &body).status, 200);
}

#[test]
fn everything_is_checked() {
    let sandbox = Sandbox::start();
    let wrong = VERIFIER.replace('d', "e");
    assert_eq!(verify(&sandbox, &code(&sandbox), &wrong).status, 401);
    let late = code(&sandbox);
    sandbox.advance(600);
    assert_eq!(verify(&sandbox, &late, VERIFIER).status, 401);
    assert_eq!(post_form(&sandbox.at("/tetrate/api/api-keys/verify"), &[("code", "x")]).status, 400);
    assert_eq!(get(&page(&sandbox, "https://example.com/", &challenge())).status, 400);
    assert_eq!(get(&page(&sandbox, CALLBACK, "")).status, 400);
    let denied = deny(&page(&sandbox, CALLBACK, &challenge()));
    assert_eq!(param(&denied, "error").as_deref(), Some("access_denied"));
}

#[test]
fn by_switches_the_key_has_another_name_and_an_end() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "tetrate": { "key_name": "api_key", "expires_in": 60 } }));
    let reply = verify(&sandbox, &code(&sandbox), VERIFIER).json();
    assert!(reply["api_key"].is_string() && reply["key"] == Value::Null && reply["api_key_expires_in"] == 60);
}
