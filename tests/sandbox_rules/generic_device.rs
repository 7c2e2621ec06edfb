//! The device grant of the provider that follows the standards: RFC 8628.

use serde_json::{Value, json};

use crate::common::http::{Response, post_form};
use crate::common::{Sandbox, approve_device, deny_device};
use crate::generic::CLIENT;

fn start(sandbox: &Sandbox) -> Value {
    let fields = [("client_id", CLIENT), ("scope", "openid offline_access")];
    post_form(&sandbox.at("/generic/device"), &fields).json()
}

fn poll(sandbox: &Sandbox, started: &Value) -> Response {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("client_id", CLIENT),
        ("device_code", started["device_code"].as_str().unwrap()),
    ];
    post_form(&sandbox.at("/generic/token"), &fields)
}

fn error(sandbox: &Sandbox, started: &Value) -> String {
    let reply = poll(sandbox, started);
    assert_eq!(reply.status, 400);
    reply.json()["error"].as_str().unwrap().to_owned()
}

#[test]
fn from_code_to_tokens() {
    let sandbox = Sandbox::start();
    let started = start(&sandbox);
    let code = started["user_code"].as_str().unwrap();
    assert!(started["verification_uri_complete"].as_str().unwrap().contains(code));
    assert_eq!(error(&sandbox, &started), "authorization_pending");
    // As a person types it: without the dash, in lower case.
    approve_device(
        started["verification_uri"].as_str().unwrap(),
        &code.replace('-', "").to_lowercase(),
        "ada",
    );
    sandbox.advance(5);
    let tokens = poll(&sandbox, &started).json();
    assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_string());
    assert_eq!(error(&sandbox, &started), "invalid_grant", "a code works once");
}

#[test]
fn too_fast_is_slower_for_all_later_polls() {
    let sandbox = Sandbox::start();
    let started = start(&sandbox);
    assert_eq!(error(&sandbox, &started), "authorization_pending");
    sandbox.advance(3);
    assert_eq!(error(&sandbox, &started), "slow_down");
    sandbox.advance(8);
    assert_eq!(error(&sandbox, &started), "slow_down", "ten seconds now");
    sandbox.advance(15);
    assert_eq!(error(&sandbox, &started), "authorization_pending");
}

#[test]
fn five_seconds_hold_where_no_interval_is_named() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "generic": { "interval": null, "verification_uri_complete": false } }));
    let started = start(&sandbox);
    assert_eq!((&started["interval"], &started["verification_uri_complete"]), (&Value::Null, &Value::Null));
    assert_eq!(error(&sandbox, &started), "authorization_pending");
    sandbox.advance(4);
    assert_eq!(error(&sandbox, &started), "slow_down");
}

#[test]
fn it_ends_by_denial_and_by_time() {
    let sandbox = Sandbox::start();
    let denied = start(&sandbox);
    deny_device(denied["verification_uri"].as_str().unwrap(), denied["user_code"].as_str().unwrap());
    assert_eq!(error(&sandbox, &denied), "access_denied");
    let late = start(&sandbox);
    sandbox.advance(600);
    assert_eq!(error(&sandbox, &late), "expired_token");
    sandbox.control("consent", json!({ "mode": "auto" }));
    assert_eq!(poll(&sandbox, &start(&sandbox)).status, 200);
    sandbox.control("consent", json!({ "mode": "deny" }));
    assert_eq!(error(&sandbox, &start(&sandbox)), "access_denied");
}

#[test]
fn what_is_asked_for_is_checked() {
    let sandbox = Sandbox::start();
    let ask = |client: &str, scope: &str| {
        post_form(&sandbox.at("/generic/device"), &[("client_id", client), ("scope", scope)]).json()["error"]
            .clone()
    };
    assert_eq!(ask("other", "openid"), "invalid_client");
    assert_eq!(ask(CLIENT, "everything"), "invalid_scope");
    sandbox.switch(json!({ "generic": { "device": false } }));
    assert_eq!(post_form(&sandbox.at("/generic/device"), &[("client_id", CLIENT)]).status, 404);
}
