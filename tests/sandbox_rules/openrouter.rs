//! OpenRouter: providers.md part 1, line by line.

use serde_json::{Value, json};

use crate::common::http::{self, Response, get, get_with, post_form, post_json};
use crate::common::{Sandbox, approve, browser, deny};
use crate::pkce::{VERIFIER, challenge, param, with_query};

const CALLBACK: &str = "http://localhost:3000/oauth/callback/secret?kept=1";

fn authorize(sandbox: &Sandbox, callback: &str, challenge: &str, method: &str) -> String {
    let params =
        [("callback_url", callback), ("code_challenge", challenge), ("code_challenge_method", method)];
    with_query(&sandbox.at("/openrouter/auth"), &params)
}

fn code(sandbox: &Sandbox) -> String {
    param(&approve(&authorize(sandbox, CALLBACK, &challenge(), "S256")), "code").unwrap()
}

fn exchange(sandbox: &Sandbox, code: &str, verifier: &str, method: Value) -> Response {
    let body = json!({ "code": code, "code_verifier": verifier, "code_challenge_method": method });
    post_json(&sandbox.at("/openrouter/api/v1/auth/keys"), &body)
}

#[track_caller]
fn refused(response: &Response, status: u16, message: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    let error = &response.json()["error"];
    assert_eq!((error["code"].as_u64(), error["message"].as_str()), (Some(status.into()), Some(message)));
}

#[test]
fn a_code_becomes_a_key_once() {
    let sandbox = Sandbox::start();
    let callback = approve(&authorize(&sandbox, CALLBACK, &challenge(), "S256"));
    assert!(callback.starts_with(CALLBACK), "the callback's own query is kept: {callback}");
    let code = param(&callback, "code").unwrap();
    let reply = exchange(&sandbox, &code, VERIFIER, json!("S256"));
    let key = reply.json()["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("sk-or-v1-") && key.len() == 9 + 64, "{key}");
    assert!(reply.json()["user_id"].is_string());
    refused(&exchange(&sandbox, &code, VERIFIER, json!("S256")), 403, "Invalid code or code_verifier");
}

#[test]
fn a_wrong_verifier_burns_the_code() {
    let sandbox = Sandbox::start();
    let code = code(&sandbox);
    let wrong = VERIFIER.replace('d', "e");
    refused(&exchange(&sandbox, &code, &wrong, json!("S256")), 403, "Invalid code or code_verifier");
    refused(&exchange(&sandbox, &code, VERIFIER, json!("S256")), 403, "Invalid code or code_verifier");
}

#[test]
fn the_method_must_be_equal_in_both_steps() {
    let sandbox = Sandbox::start();
    let code = code(&sandbox);
    for method in [json!("plain"), Value::Null] {
        refused(&exchange(&sandbox, &code, VERIFIER, method), 400, "Invalid code_challenge_method");
    }
    assert_eq!(exchange(&sandbox, &code, VERIFIER, json!("S256")).status, 200);
    let plain = approve(&authorize(&sandbox, CALLBACK, VERIFIER, "plain"));
    let plain = param(&plain, "code").unwrap();
    refused(&exchange(&sandbox, &plain, VERIFIER, json!("S256")), 400, "Invalid code_challenge_method");
    assert_eq!(exchange(&sandbox, &plain, VERIFIER, json!("plain")).status, 200);
    let unknown = get(&authorize(&sandbox, CALLBACK, &challenge(), "S512"));
    assert_eq!(unknown.status, 400);
}

#[test]
fn a_code_lives_ten_minutes() {
    let sandbox = Sandbox::start();
    let (early, late) = (code(&sandbox), code(&sandbox));
    sandbox.advance(595);
    assert_eq!(exchange(&sandbox, &early, VERIFIER, json!("S256")).status, 200);
    sandbox.advance(10);
    refused(&exchange(&sandbox, &late, VERIFIER, json!("S256")), 403, "Authorization code expired");
}

#[test]
fn only_json_by_post_is_taken() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/openrouter/api/v1/auth/keys");
    let code = code(&sandbox);
    let form = [("code", code.as_str()), ("code_verifier", VERIFIER), ("code_challenge_method", "S256")];
    refused(&post_form(&url, &form), 400, "Invalid request parameters");
    refused(&get(&url), 405, "Method Not Allowed");
    refused(&post_json(&url, &json!({ "code_verifier": VERIFIER })), 400, "Invalid request parameters");
    assert_eq!(exchange(&sandbox, &code, VERIFIER, json!("S256")).status, 200);
}

#[test]
fn callbacks_are_https_or_loopback() {
    let sandbox = Sandbox::start();
    let status = |callback: &str| get(&authorize(&sandbox, callback, &challenge(), "S256")).status;
    for good in ["https://example.com/x", "http://127.0.0.1:1/x", "http://localhost:65535/x"] {
        assert_eq!(status(good), 200, "{good}");
    }
    for bad in ["http://example.com/x", "http://localhost.example.com/x", "ftp://localhost/x", "nothing"] {
        assert_eq!(status(bad), 400, "{bad}");
    }
}

#[test]
fn without_callback_the_page_shows_the_code_and_a_challenge_is_demanded() {
    let sandbox = Sandbox::start();
    assert_eq!(get(&authorize(&sandbox, "", "", "")).status, 400);
    let code = browser::approve_and_copy(&authorize(&sandbox, "", &challenge(), "S256"));
    assert_eq!(exchange(&sandbox, &code, VERIFIER, json!("S256")).status, 200);
    let denied = browser::open(&authorize(&sandbox, "", &challenge(), "S256")).press("deny", &[]);
    assert!(denied.text().contains("Denied"));
}

#[test]
fn with_a_callback_the_challenge_may_be_left_out() {
    let sandbox = Sandbox::start();
    let code = param(&approve(&authorize(&sandbox, CALLBACK, "", "")), "code").unwrap();
    let reply = post_json(&sandbox.at("/openrouter/api/v1/auth/keys"), &json!({ "code": code }));
    assert_eq!(reply.status, 200);
}

#[test]
fn a_denial_says_so_and_state_comes_back_only_by_switch() {
    let sandbox = Sandbox::start();
    let url = with_query(&authorize(&sandbox, CALLBACK, &challenge(), "S256"), &[("state", "s1")]);
    let denied = deny(&url);
    assert_eq!(param(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(&denied, "state"), None);
    assert_eq!(param(&approve(&url), "state"), None);
    sandbox.switch(json!({ "openrouter": { "echo_state": true } }));
    assert_eq!(param(&approve(&url), "state").as_deref(), Some("s1"));
    assert_eq!(param(&deny(&url), "state").as_deref(), Some("s1"));
}

#[test]
fn a_page_is_answered_once_and_no_parameter_is_given_twice() {
    let sandbox = Sandbox::start();
    let url = authorize(&sandbox, CALLBACK, &challenge(), "S256");
    let page = browser::open(&url);
    assert_eq!(page.press("approve", &[]).status, 303);
    assert_eq!(page.press("approve", &[]).status, 400);
    assert_eq!(get(&with_query(&url, &[("code_challenge", "other")])).status, 400);
}

#[test]
fn the_page_escapes_what_it_shows() {
    let sandbox = Sandbox::start();
    let url = authorize(&sandbox, "http://localhost:1/<script>alert(1)</script>", &challenge(), "S256");
    let url = with_query(&url, &[("client_id", "<b>me</b>"), ("key_label", "\"><img src=x>")]);
    let html = browser::open(&url).html;
    assert!(!html.contains("<script") && !html.contains("<b>me") && !html.contains("<img"), "{html}");
    let long = with_query(&authorize(&sandbox, CALLBACK, "", ""), &[("key_label", &"x".repeat(101))]);
    assert_eq!(get(&long).status, 400);
}

#[test]
fn a_key_tells_about_itself_until_its_page_deletes_it() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/openrouter/api/v1/key");
    refused(&get(&url), 401, "Missing Authentication header");
    let key = sandbox.mint("openrouter", "api-key")["key"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {key}");
    let info = get_with(&url, &[("authorization", &bearer)]).json();
    assert!(info["data"]["is_free_tier"].is_boolean() && info["data"]["limit"].is_null());
    let page = sandbox.at(&format!("/openrouter/keys/{}", sha256_hex(&key)));
    assert_eq!(get(&page).status, 200);
    assert_eq!(http::request("POST", &page, &[], b"").status, 200);
    refused(&get_with(&url, &[("authorization", &bearer)]), 401, "User not found.");
    assert_eq!(get(&page).status, 404);
}

fn sha256_hex(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
