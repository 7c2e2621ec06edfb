//! Kimi: providers.md 6.2, line by line.

use serde_json::{Value, json};

use crate::common::http::{Response, post_form, post_form_with, post_json, post_json_with};
use crate::common::{Sandbox, approve_device};

const CLIENT: &str = "17e5f671-d194-4dfb-9706-5516cb48c098";
const HEADERS: [(&str, &str); 6] = [
    ("x-msh-platform", "convocations"),
    ("x-msh-version", "0.1.0"),
    ("x-msh-device-name", "desk"),
    ("x-msh-device-model", "Linux"),
    ("x-msh-os-version", "6"),
    ("x-msh-device-id", "1"),
];

fn post(sandbox: &Sandbox, path: &str, fields: &[(&str, &str)]) -> Response {
    let mut all = vec![("client_id", CLIENT)];
    all.extend(fields);
    post_form_with(&sandbox.at(path), &HEADERS, &all)
}

fn poll(sandbox: &Sandbox, started: &Value) -> Response {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let fields = [("grant_type", grant), ("device_code", started["device_code"].as_str().unwrap())];
    post(sandbox, "/kimi/api/oauth/token", &fields)
}

fn refresh(sandbox: &Sandbox, token: &Value) -> Response {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())];
    post(sandbox, "/kimi/api/oauth/token", &fields)
}

#[test]
fn a_device_login_gives_short_tokens_that_rotate() {
    let sandbox = Sandbox::start();
    let started = post(&sandbox, "/kimi/api/oauth/device_authorization", &[]).json();
    assert_eq!(poll(&sandbox, &started).json()["error"], "authorization_pending");
    assert_eq!(poll(&sandbox, &started).json()["error"], "slow_down");
    let (page, code) =
        (started["verification_uri_complete"].as_str().unwrap(), started["user_code"].as_str().unwrap());
    assert!(page.contains(code));
    approve_device(page, code, "ada");
    sandbox.advance(10);
    let tokens = poll(&sandbox, &started).json();
    assert_eq!(tokens["expires_in"], 900);
    let next = refresh(&sandbox, &tokens["refresh_token"]).json();
    let reused = refresh(&sandbox, &tokens["refresh_token"]);
    assert_eq!((reused.status, &reused.json()["error"]), (401, &json!("invalid_grant")));
    let chat = |token: &Value| {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        let url = sandbox.at("/kimi/coding/v1/chat/completions");
        post_json_with(&url, &[("authorization", &bearer)], &body).status
    };
    assert_eq!(chat(&next["access_token"]), 200);
    sandbox.advance(901);
    assert_eq!(chat(&next["access_token"]), 401);
}

#[test]
fn headers_form_and_client_are_checked() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/kimi/api/oauth/device_authorization");
    let client = [("client_id", CLIENT)];
    assert_eq!(post_form(&url, &client).status, 400);
    assert_eq!(post_form_with(&url, &HEADERS[..5], &client).status, 400);
    let mut foreign = HEADERS;
    foreign[2].1 = "büro";
    assert_eq!(post_form_with(&url, &foreign, &client).status, 400, "ASCII only");
    assert_eq!(post_form_with(&url, &HEADERS, &[("client_id", "other")]).status, 401);
    assert_eq!(post_json_with(&url, &HEADERS, &json!({ "client_id": CLIENT })).status, 400);
    assert_eq!(post_form_with(&url, &HEADERS, &client).status, 200);
    sandbox.switch(json!({ "kimi": { "require_headers": false } }));
    assert_eq!(post_form(&url, &client).status, 200);
    assert_eq!(post_json(&url, &json!({ "client_id": CLIENT })).status, 400);
}
