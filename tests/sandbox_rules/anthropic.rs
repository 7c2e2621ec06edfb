//! Anthropic: providers.md part 2, line by line.

use serde_json::{Value, json};

use crate::common::http::{Response, get, get_with, post_form, post_json, post_json_with};
use crate::common::{Sandbox, approve, browser, deny};
use crate::pkce::{VERIFIER, but, challenge, param, with_query};

const CLIENT: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
const LOOPBACK: &str = "http://localhost:43210/callback";
const PASTE: &str = "https://platform.claude.com/oauth/code/callback";
const SCOPE: &str = "org:create_api_key user:profile user:inference";

/// A request that is right in every respect.
fn params<'a>(redirect: &'a str, challenge: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("code", "true"),
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", redirect),
        ("scope", SCOPE),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("state", "state-of-this-login"),
    ]
}

fn authorize(sandbox: &Sandbox, redirect: &str) -> String {
    with_query(&sandbox.at("/anthropic/oauth/authorize"), &params(redirect, &challenge()))
}

fn exchange_body(code: &str) -> Value {
    json!({
        "grant_type": "authorization_code", "client_id": CLIENT, "code": code, "code_verifier": VERIFIER,
        "redirect_uri": LOOPBACK, "state": "state-of-this-login",
    })
}

fn post(sandbox: &Sandbox, body: &Value) -> Response {
    post_json(&sandbox.at("/anthropic/v1/oauth/token"), body)
}

fn code(sandbox: &Sandbox) -> String {
    param(&approve(&authorize(sandbox, LOOPBACK)), "code").unwrap()
}

fn login(sandbox: &Sandbox) -> Value {
    let reply = post(sandbox, &exchange_body(&code(sandbox)));
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn refresh(sandbox: &Sandbox, token: &Value) -> Response {
    post(sandbox, &json!({ "grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": token }))
}

fn profile(sandbox: &Sandbox, token: &Value) -> Response {
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    get_with(&sandbox.at("/anthropic/api/oauth/profile"), &[("authorization", &bearer)])
}

#[track_caller]
fn invalid_grant(response: &Response) {
    assert_eq!(
        (response.status, &response.json()["error"]),
        (400, &json!("invalid_grant")),
        "{}",
        response.text()
    );
}

#[track_caller]
fn invalid_request(response: &Response) {
    assert_eq!(response.status, 400, "{}", response.text());
    let body = response.json();
    assert_eq!(body["error"]["type"], "invalid_request_error");
    assert!(body["type"] == "error" && body["request_id"].as_str().unwrap().starts_with("req_"));
}

#[test]
fn a_login_gives_what_the_provider_gives() {
    let sandbox = Sandbox::start();
    let callback = approve(&authorize(&sandbox, LOOPBACK));
    assert!(callback.starts_with(LOOPBACK));
    assert_eq!(param(&callback, "state").as_deref(), Some("state-of-this-login"));
    let reply = login(&sandbox);
    assert!(reply["access_token"].as_str().unwrap().starts_with("sk-ant-oat01-"));
    assert!(reply["refresh_token"].as_str().unwrap().starts_with("sk-ant-ort01-"));
    assert_eq!((&reply["token_type"], &reply["expires_in"]), (&json!("Bearer"), &json!(28800)));
    assert_eq!(reply["account"]["email_address"], "ada@sandbox.test");
    assert_eq!(profile(&sandbox, &reply["access_token"]).json()["account"]["email"], "ada@sandbox.test");
}

#[test]
fn the_authorize_page_names_each_fault() {
    let sandbox = Sandbox::start();
    let challenge = challenge();
    let right = params(LOOPBACK, &challenge);
    let cases = [
        ("client_id", "other", "Invalid client id: other"),
        ("response_type", "token", "Invalid response_type"),
        (
            "redirect_uri",
            "http://localhost:1/other",
            "Redirect URI http://localhost:1/other is not supported",
        ),
        ("redirect_uri", "http://127.0.0.1:1/callback", "is not supported by client"),
        ("redirect_uri", "https://localhost:1/callback", "is not supported by client"),
        ("redirect_uri", "http://localhost:1/callback?x=1", "is not supported by client"),
        ("redirect_uri", "", "Missing redirect_uri parameter"),
        ("scope", "user:profile user:everything", "Unknown scope: user:everything"),
        ("scope", "", "Missing scope parameter"),
        ("state", "", "Missing state parameter"),
        ("code_challenge_method", "", "Invalid code_challenge_method: missing"),
        ("code_challenge_method", "plain", "Invalid code_challenge_method: plain"),
        ("code_challenge", "short", "Invalid code_challenge"),
    ];
    for (name, value, message) in cases {
        let page = get(&with_query(&sandbox.at("/anthropic/oauth/authorize"), &but(&right, name, value)));
        assert_eq!(page.status, 400, "{name}={value}");
        assert!(page.text().contains(message), "{name}={value}: {}", page.text());
    }
    let twice = with_query(&authorize(&sandbox, LOOPBACK), &[("state", "second")]);
    assert_eq!(get(&twice).status, 400);
}

#[test]
fn the_paste_page_shows_code_and_state() {
    let sandbox = Sandbox::start();
    let own = sandbox.at("/anthropic/oauth/code/callback");
    for page in [PASTE, "https://console.anthropic.com/oauth/code/callback", own.as_str()] {
        let shown = browser::approve_and_copy(&authorize(&sandbox, page));
        let (code, state) = shown.split_once('#').unwrap();
        assert_eq!(state, "state-of-this-login");
        let mut body = exchange_body(code);
        body["redirect_uri"] = page.into();
        assert_eq!(post(&sandbox, &body).status, 200, "{page}");
    }
    let challenge = challenge();
    let without = but(&params(PASTE, &challenge), "code", "").to_vec();
    assert_eq!(get(&with_query(&sandbox.at("/anthropic/oauth/authorize"), &without)).status, 400);
}

#[test]
fn a_denial_comes_back_with_state_and_the_moved_page_redirects() {
    let sandbox = Sandbox::start();
    let denied = deny(&authorize(&sandbox, LOOPBACK));
    assert_eq!(param(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(&denied, "state").as_deref(), Some("state-of-this-login"));
    let moved = authorize(&sandbox, LOOPBACK).replace("/anthropic/oauth/", "/anthropic/cai/oauth/");
    assert_eq!(get(&moved).status, 307);
    assert!(param(&approve(&moved), "code").is_some());
}

#[test]
fn the_exchange_checks_everything_and_burns_the_code() {
    let sandbox = Sandbox::start();
    let wrong_verifier = VERIFIER.replace('d', "e");
    let cases = [
        ("code_verifier", json!(wrong_verifier)),
        ("code_verifier", json!("short")),
        ("redirect_uri", json!("http://localhost:43211/callback")),
        ("redirect_uri", Value::Null),
        ("state", json!("another")),
    ];
    for (name, value) in cases {
        let mut body = exchange_body(&code(&sandbox));
        let right = body.clone();
        body[name] = value;
        invalid_grant(&post(&sandbox, &body));
        invalid_grant(&post(&sandbox, &right));
    }
    invalid_grant(&post(&sandbox, &exchange_body("unknown")));
}

#[test]
fn the_exchange_wants_state_and_json() {
    let sandbox = Sandbox::start();
    let code = code(&sandbox);
    for missing in ["state", "code", "code_verifier", "grant_type"] {
        let mut body = exchange_body(&code);
        body[missing] = Value::Null;
        invalid_request(&post(&sandbox, &body));
    }
    let body = exchange_body(&code);
    let fields: Vec<(&str, &str)> = body
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let url = sandbox.at("/anthropic/v1/oauth/token");
    invalid_request(&post_form(&url, &fields));
    sandbox.switch(json!({ "anthropic": { "accept_form": true } }));
    assert_eq!(post_form(&url, &fields).status, 200);
}

#[test]
fn state_may_be_made_optional_by_a_switch() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "anthropic": { "require_state": false } }));
    let mut body = exchange_body(&code(&sandbox));
    body["state"] = Value::Null;
    assert_eq!(post(&sandbox, &body).status, 200);
}

#[test]
fn client_and_grant_type_are_checked() {
    let sandbox = Sandbox::start();
    let mut body = exchange_body(&code(&sandbox));
    body["client_id"] = "other".into();
    assert_eq!(post(&sandbox, &body).json()["error"], "invalid_client");
    body["client_id"] = CLIENT.into();
    body["grant_type"] = "password".into();
    assert_eq!(post(&sandbox, &body).json()["error"], "unsupported_grant_type");
}

#[test]
fn a_code_works_once_and_its_second_use_ends_the_login() {
    let sandbox = Sandbox::start();
    let body = exchange_body(&code(&sandbox));
    let tokens = post(&sandbox, &body).json();
    assert_eq!(profile(&sandbox, &tokens["access_token"]).status, 200);
    invalid_grant(&post(&sandbox, &body));
    assert_eq!(profile(&sandbox, &tokens["access_token"]).status, 401);
    invalid_grant(&refresh(&sandbox, &tokens["refresh_token"]));
}

#[test]
fn a_code_lives_ten_minutes() {
    let sandbox = Sandbox::start();
    let body = exchange_body(&code(&sandbox));
    sandbox.advance(600);
    invalid_grant(&post(&sandbox, &body));
}

#[test]
fn a_refresh_token_is_spent_by_its_use() {
    let sandbox = Sandbox::start();
    let first = login(&sandbox);
    let second = refresh(&sandbox, &first["refresh_token"]).json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_ne!(first["access_token"], second["access_token"]);
    invalid_grant(&refresh(&sandbox, &first["refresh_token"]));
    assert_eq!(refresh(&sandbox, &second["refresh_token"]).status, 200, "the family goes on");
    invalid_grant(&refresh(&sandbox, &json!("unknown")));
    assert_eq!(sandbox.refreshes("anthropic.token"), 4);
}

#[test]
fn by_a_switch_reuse_ends_the_family() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "anthropic": { "tokens": { "reuse": "revoke-family" } } }));
    let first = login(&sandbox);
    let second = refresh(&sandbox, &first["refresh_token"]).json();
    invalid_grant(&refresh(&sandbox, &first["refresh_token"]));
    invalid_grant(&refresh(&sandbox, &second["refresh_token"]));
    assert_eq!(profile(&sandbox, &second["access_token"]).status, 401);
}

#[test]
fn by_a_switch_the_refresh_token_stays() {
    let sandbox = Sandbox::start();
    let first = login(&sandbox);
    sandbox.switch(json!({ "anthropic": { "tokens": { "rotation": "same" } } }));
    assert_eq!(refresh(&sandbox, &first["refresh_token"]).json()["refresh_token"], first["refresh_token"]);
    sandbox.switch(json!({ "anthropic": { "tokens": { "rotation": "omit" } } }));
    assert_eq!(refresh(&sandbox, &first["refresh_token"]).json()["refresh_token"], Value::Null);
    assert_eq!(refresh(&sandbox, &first["refresh_token"]).status, 200);
}

#[test]
fn by_switches_the_reply_says_less_or_other_things() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "anthropic": { "tokens": { "expires_in": false, "token_type": "bEaReR" } } }));
    let reply = login(&sandbox);
    assert_eq!((&reply["expires_in"], &reply["token_type"]), (&Value::Null, &json!("bEaReR")));
    sandbox.switch(json!({ "anthropic": { "tokens": { "token_type": "" } } }));
    assert_eq!(login(&sandbox)["token_type"], Value::Null);
}

#[test]
fn a_refresh_may_not_ask_for_key_creation() {
    let sandbox = Sandbox::start();
    let tokens = login(&sandbox);
    let mut body = json!({ "grant_type": "refresh_token", "client_id": CLIENT, "scope": SCOPE });
    body["refresh_token"] = tokens["refresh_token"].clone();
    assert_eq!(post(&sandbox, &body).json()["error"], "invalid_scope");
    assert_eq!(refresh(&sandbox, &tokens["refresh_token"]).status, 200, "the refusal spent nothing");
}

#[test]
fn an_access_token_ends_with_its_time_or_before() {
    let sandbox = Sandbox::start();
    sandbox.lifetime(60);
    let tokens = login(&sandbox);
    assert_eq!(tokens["expires_in"], 60);
    sandbox.advance(59);
    assert_eq!(profile(&sandbox, &tokens["access_token"]).status, 200);
    sandbox.advance(2);
    let expired = profile(&sandbox, &tokens["access_token"]);
    assert_eq!((expired.status, &expired.json()["error"]["type"]), (401, &json!("authentication_error")));
    let fresh = refresh(&sandbox, &tokens["refresh_token"]).json();
    assert_eq!(profile(&sandbox, &fresh["access_token"]).status, 200);
    sandbox.expire("anthropic");
    assert_eq!(profile(&sandbox, &fresh["access_token"]).status, 401);
    assert_eq!(refresh(&sandbox, &fresh["refresh_token"]).status, 200);
}

#[test]
fn the_user_agent_filter_comes_first() {
    let sandbox = Sandbox::start();
    let body = exchange_body(&code(&sandbox));
    let url = sandbox.at("/anthropic/v1/oauth/token");
    let status = |agent: &str| post_json_with(&url, &[("user-agent", agent)], &body).status;
    assert_eq!((status("claude-cli/2.0"), status("claude-code/2.0")), (404, 429));
    assert_eq!(status("convocations/0.1.0"), 200, "the code was not looked at before");
}

#[test]
fn the_old_host_is_gone() {
    let sandbox = Sandbox::start();
    let body = exchange_body(&code(&sandbox));
    assert_eq!(post_json(&sandbox.at("/anthropic/console/v1/oauth/token"), &body).status, 404);
    assert_eq!(post(&sandbox, &body).status, 200);
}

#[test]
fn only_a_console_login_with_the_scope_makes_keys() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/anthropic/api/oauth/claude_cli/create_api_key");
    let create = |tokens: &Value| {
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
        post_json_with(&url, &[("authorization", &bearer)], &json!({}))
    };
    assert_eq!(create(&login(&sandbox)).status, 403);
    let challenge = challenge();
    let by_console = |scope: &str| {
        let all = params(LOOPBACK, &challenge);
        let page = with_query(&sandbox.at("/anthropic/console/oauth/authorize"), &but(&all, "scope", scope));
        post(&sandbox, &exchange_body(&param(&approve(&page), "code").unwrap())).json()
    };
    assert_eq!(create(&by_console("user:profile user:inference")).status, 403);
    let key = create(&by_console(SCOPE)).json()["raw_key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("sk-ant-"));
    assert_eq!(post_json(&url, &json!({})).status, 401);
}

#[test]
fn the_profile_needs_its_scope_and_names_who_approved() {
    let sandbox = Sandbox::start();
    let challenge = challenge();
    let page = |scope| {
        with_query(
            &sandbox.at("/anthropic/oauth/authorize"),
            &but(&params(LOOPBACK, &challenge), "scope", scope),
        )
    };
    let callback = browser::approve_as(&page("user:inference"), "grace");
    let tokens = post(&sandbox, &exchange_body(&param(&callback, "code").unwrap())).json();
    assert_eq!(tokens["account"]["email_address"], "grace@sandbox.test");
    assert_eq!(profile(&sandbox, &tokens["access_token"]).status, 403);
}
