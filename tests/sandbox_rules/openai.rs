//! OpenAI: providers.md part 4, line by line.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::common::http::{Response, get, post_form, post_json, post_json_with};
use crate::common::{Sandbox, approve, approve_device, browser, deny, deny_device, fault};
use crate::pkce::{VERIFIER, but, challenge, param, with_query};

const CLIENT: &str = "app_EMoamEEZ73f0CkXaXp7hrann";
const REDIRECT: &str = "http://localhost:1455/auth/callback";

fn params(challenge: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email offline_access"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("state", "state-of-this-login"),
        ("originator", "convocations"),
    ]
}

fn authorize(sandbox: &Sandbox, params: &[(&str, &str)]) -> String {
    with_query(&sandbox.at("/openai/oauth/authorize"), params)
}

fn code(sandbox: &Sandbox) -> String {
    param(&approve(&authorize(sandbox, &params(&challenge()))), "code").unwrap()
}

fn exchange_with(sandbox: &Sandbox, code: &str, verifier: &str, redirect: &str) -> Response {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("code_verifier", verifier),
        ("redirect_uri", redirect),
    ];
    post_form(&sandbox.at("/openai/oauth/token"), &fields)
}

fn login(sandbox: &Sandbox) -> Value {
    let reply = exchange_with(sandbox, &code(sandbox), VERIFIER, REDIRECT);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

fn refresh(sandbox: &Sandbox, token: &Value) -> Response {
    let body = json!({ "client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": token });
    post_json(&sandbox.at("/openai/oauth/token"), &body)
}

fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn a_login_gives_jwts_that_name_the_person() {
    let sandbox = Sandbox::start();
    let tokens = login(&sandbox);
    let (id, access) = (claims(&tokens["id_token"]), claims(&tokens["access_token"]));
    let auth = "https://api.openai.com/auth";
    assert_eq!(id["email"], "ada@sandbox.test");
    assert_eq!(access["https://api.openai.com/profile"]["email"], "ada@sandbox.test");
    assert_eq!(id[auth]["chatgpt_account_id"], access[auth]["chatgpt_account_id"]);
    assert_eq!(id[auth]["chatgpt_plan_type"], "plus");
    assert!(access["exp"].as_i64().unwrap() > access["iat"].as_i64().unwrap());
    assert!(tokens["refresh_token"].is_string() && tokens["expires_in"].is_number());
    sandbox.switch(json!({ "openai": { "account_claim": false, "tokens": { "expires_in": false } } }));
    let tokens = login(&sandbox);
    assert_eq!(claims(&tokens["id_token"])[auth]["chatgpt_account_id"], Value::Null);
    assert_eq!(tokens["expires_in"], Value::Null);
}

#[test]
fn the_authorize_page_refuses_what_is_not_registered() {
    let sandbox = Sandbox::start();
    let challenge = challenge();
    let right = params(&challenge);
    for redirect in [REDIRECT, "http://localhost:1457/auth/callback"] {
        assert_eq!(
            get(&authorize(&sandbox, &but(&right, "redirect_uri", redirect))).status,
            200,
            "{redirect}"
        );
    }
    let wrong = [
        ("redirect_uri", "http://localhost:1456/auth/callback"),
        ("redirect_uri", "http://127.0.0.1:1455/auth/callback"),
        ("redirect_uri", "http://localhost:1455/callback"),
        ("client_id", "other"),
        ("response_type", "token"),
        ("scope", "openid everything"),
        ("scope", "email"),
        ("state", ""),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
    ];
    for (name, value) in wrong {
        assert_eq!(get(&authorize(&sandbox, &but(&right, name, value))).status, 400, "{name}={value}");
    }
    sandbox.switch(json!({ "openai": { "ports": [] } }));
    let any = but(&right, "redirect_uri", "http://localhost:40000/auth/callback");
    assert_eq!(get(&authorize(&sandbox, &any)).status, 200);
}

#[test]
fn the_exchange_checks_and_denial_comes_back() {
    let sandbox = Sandbox::start();
    let wrong = VERIFIER.replace('d', "e");
    let refused =
        |reply: Response| assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_grant")));
    refused(exchange_with(&sandbox, &code(&sandbox), &wrong, REDIRECT));
    refused(exchange_with(&sandbox, &code(&sandbox), VERIFIER, "http://localhost:1457/auth/callback"));
    let used = code(&sandbox);
    assert_eq!(exchange_with(&sandbox, &used, VERIFIER, REDIRECT).status, 200);
    refused(exchange_with(&sandbox, &used, VERIFIER, REDIRECT));
    let late = code(&sandbox);
    sandbox.advance(600);
    refused(exchange_with(&sandbox, &late, VERIFIER, REDIRECT));
    let denied = deny(&authorize(&sandbox, &params(&challenge())));
    assert_eq!(param(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(param(&denied, "state").as_deref(), Some("state-of-this-login"));
    let body = json!({ "grant_type": "authorization_code", "client_id": CLIENT, "code": "x" });
    assert_eq!(post_json(&sandbox.at("/openai/oauth/token"), &body).status, 400, "codes come by form");
}

#[test]
fn a_refresh_comes_as_form_or_json_and_rotates() {
    let sandbox = Sandbox::start();
    let first = login(&sandbox);
    let second = refresh(&sandbox, &first["refresh_token"]).json();
    let form = [
        ("client_id", CLIENT),
        ("grant_type", "refresh_token"),
        ("refresh_token", second["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(post_form(&sandbox.at("/openai/oauth/token"), &form).status, 200);
    let reused = refresh(&sandbox, &first["refresh_token"]);
    assert_eq!((reused.status, &reused.json()["error"]["code"]), (401, &json!("refresh_token_reused")));
    sandbox.switch(json!({ "openai": { "refused_status": 400, "string_error": true } }));
    let reused = refresh(&sandbox, &first["refresh_token"]);
    assert_eq!((reused.status, &reused.json()["error"]), (400, &json!("refresh_token_reused")));
}

#[test]
fn refused_refreshes_have_their_names() {
    let sandbox = Sandbox::start();
    let code = |reply: Response| reply.json()["error"]["code"].as_str().unwrap().to_owned();
    assert_eq!(code(refresh(&sandbox, &json!("unknown"))), "refresh_token_expired");
    let tokens = login(&sandbox);
    sandbox.revoke_all("openai");
    assert_eq!(code(refresh(&sandbox, &tokens["refresh_token"])), "refresh_token_invalidated");
    sandbox.switch(json!({ "openai": { "id_token_on_refresh": false } }));
    let tokens = login(&sandbox);
    assert_eq!(refresh(&sandbox, &tokens["refresh_token"]).json()["id_token"], Value::Null);
}

#[test]
fn revocation_is_json_and_wants_the_client_with_a_refresh_token_only() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/openai/oauth/revoke");
    let tokens = login(&sandbox);
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(post_form(&url, &[("token", token), ("client_id", CLIENT)]).status, 400);
    let without = json!({ "token": token, "token_type_hint": "refresh_token" });
    assert_eq!(post_json(&url, &without).status, 400);
    let access =
        json!({ "token": tokens["access_token"], "token_type_hint": "access_token", "client_id": CLIENT });
    assert_eq!(post_json(&url, &access).status, 400);
    let right = json!({ "token": token, "token_type_hint": "refresh_token", "client_id": CLIENT });
    assert_eq!(post_json(&url, &right).status, 200);
    assert_eq!(refresh(&sandbox, &tokens["refresh_token"]).status, 401);
    sandbox.fault("openai.revoke", 1, fault::delay(50));
    assert_eq!(post_json(&url, &right).status, 200, "late, and also for a token that has ended");
}

fn start_device(sandbox: &Sandbox) -> Response {
    post_json(&sandbox.at("/openai/api/accounts/deviceauth/usercode"), &json!({ "client_id": CLIENT }))
}

fn poll(sandbox: &Sandbox, started: &Value) -> Response {
    let body = json!({ "device_auth_id": started["device_auth_id"], "user_code": started["user_code"] });
    post_json(&sandbox.at("/openai/api/accounts/deviceauth/token"), &body)
}

#[test]
fn the_device_login_hands_over_a_code_with_its_verifier() {
    let sandbox = Sandbox::start();
    let started = start_device(&sandbox).json();
    assert_eq!(started["interval"], "5", "the interval is text");
    assert_eq!(poll(&sandbox, &started).status, 403, "the first poll may come at once");
    let early = poll(&sandbox, &started);
    assert_eq!((early.status, &early.json()["error"]["code"]), (403, &json!("slow_down")));
    approve_device(&sandbox.at("/openai/codex/device"), started["user_code"].as_str().unwrap(), "grace");
    sandbox.advance(10);
    let over = poll(&sandbox, &started).json();
    let redirect = sandbox.at("/openai/deviceauth/callback");
    let (code, verifier) =
        (over["authorization_code"].as_str().unwrap(), over["code_verifier"].as_str().unwrap());
    let reply = exchange_with(&sandbox, code, verifier, &redirect).json();
    assert_eq!(claims(&reply["id_token"])["email"], "grace@sandbox.test");
}

#[test]
fn the_device_login_in_its_other_forms() {
    let sandbox = Sandbox::start();
    let set = |switches: Value| sandbox.switch(json!({ "openai": switches }));
    set(json!({ "interval": "number", "user_code_name": "usercode", "pending_status": 404 }));
    let started = start_device(&sandbox).json();
    assert_eq!(started["interval"], 5);
    assert!(started["usercode"].is_string() && started["user_code"].is_null());
    let named = json!({ "device_auth_id": started["device_auth_id"], "user_code": started["usercode"] });
    assert_eq!(poll(&sandbox, &named).status, 404);
    set(json!({ "interval": "missing", "user_code_name": "user_code" }));
    let started = start_device(&sandbox).json();
    assert_eq!(started["interval"], Value::Null);
    deny_device(&sandbox.at("/openai/codex/device"), started["user_code"].as_str().unwrap());
    assert_eq!(poll(&sandbox, &started).json()["error"]["code"], "access_denied");
    let late = start_device(&sandbox).json();
    sandbox.advance(900);
    assert_eq!(poll(&sandbox, &late).json()["error"]["code"], "expired_token");
    set(json!({ "device": false }));
    assert_eq!(start_device(&sandbox).status, 404);
}

#[test]
fn the_backend_wants_the_account_and_its_own_kind_of_body() {
    let sandbox = Sandbox::start();
    let tokens = login(&sandbox);
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let claims = claims(&tokens["access_token"]);
    let id = claims["https://api.openai.com/auth"]["chatgpt_account_id"].as_str().unwrap();
    let url = sandbox.at("/openai/backend-api/codex/responses");
    let body = json!({ "model": "m", "input": "hi", "store": false, "stream": true });
    let right = [("authorization", bearer.as_str()), ("ChatGPT-Account-Id", id)];
    assert!(post_json_with(&url, &right, &body).text().contains("response.completed"));
    assert_eq!(post_json_with(&url, &right[..1], &body).status, 403);
    assert_eq!(post_json_with(&url, &[right[0], ("ChatGPT-Account-Id", "other")], &body).status, 403);
    assert_eq!(post_json_with(&url, &right, &json!({ "model": "m", "input": "hi" })).status, 400);
    sandbox.advance(864_001);
    assert_eq!(post_json_with(&url, &right, &body).json()["error"]["code"], "token_expired");
}

#[test]
fn the_platform_takes_keys_only() {
    let sandbox = Sandbox::start();
    let key = sandbox.mint("openai", "api-key")["key"].as_str().unwrap().to_owned();
    let token = login(&sandbox)["access_token"].as_str().unwrap().to_owned();
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let status = |token: &str| {
        let bearer = format!("Bearer {token}");
        post_json_with(&sandbox.at("/openai/v1/chat/completions"), &[("authorization", &bearer)], &body)
            .status
    };
    assert_eq!((status(&key), status(&token)), (200, 401));
}

#[test]
fn the_page_names_who_asks() {
    let sandbox = Sandbox::start();
    let html = browser::open(&authorize(&sandbox, &params(&challenge()))).html;
    assert!(html.contains("convocations wants to use your ChatGPT account"), "{html}");
}
