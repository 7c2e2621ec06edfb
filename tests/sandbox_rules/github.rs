//! GitHub and Copilot: providers.md part 3, line by line.

use serde_json::{Value, json};

use crate::common::http::{Response, get_with, post_form, post_form_with, post_json_with};
use crate::common::{Sandbox, approve_device, browser, deny_device};

const CLIENT: &str = "Iv1.b507a08c87ecfe98";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const JSON: (&str, &str) = ("accept", "application/json");
const AGENT: (&str, &str) = ("user-agent", "convocations/0.1.0");
const EDITOR: (&str, &str) = ("editor-version", "Neovim/0.11.4");
const PLUGIN: (&str, &str) = ("editor-plugin-version", "convocations/0.1.0");
const INTEGRATION: (&str, &str) = ("copilot-integration-id", "vscode-chat");

fn start(sandbox: &Sandbox) -> Value {
    let fields = [("client_id", CLIENT), ("scope", "read:user")];
    post_form_with(&sandbox.at("/github/login/device/code"), &[JSON], &fields).json()
}

fn poll(sandbox: &Sandbox, started: &Value) -> Value {
    let code = started["device_code"].as_str().unwrap();
    let fields = [("client_id", CLIENT), ("device_code", code), ("grant_type", GRANT)];
    let reply = post_form_with(&sandbox.at("/github/login/oauth/access_token"), &[JSON], &fields);
    assert_eq!(reply.status, 200, "errors come with 200");
    reply.json()
}

fn approve(sandbox: &Sandbox, started: &Value) {
    let (page, code) = (&started["verification_uri"], &started["user_code"]);
    assert_eq!(page, &json!(sandbox.at("/github/login/device")));
    approve_device(page.as_str().unwrap(), code.as_str().unwrap(), "ada");
}

fn copilot_token(sandbox: &Sandbox, github: &str) -> Response {
    let bearer = format!("Bearer {github}");
    let headers = [("authorization", bearer.as_str()), JSON, AGENT, EDITOR, PLUGIN];
    get_with(&sandbox.at("/github/api/copilot_internal/v2/token"), &headers)
}

fn minted(sandbox: &Sandbox) -> String {
    sandbox.mint("github", "oauth")["access_token"].as_str().unwrap().to_owned()
}

fn chat(base: &str, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let headers = [("authorization", bearer.as_str()), EDITOR, INTEGRATION];
    post_json_with(&format!("{base}/chat/completions"), &headers, &body).status
}

#[test]
fn a_device_login_gives_a_token_that_knows_its_user() {
    let sandbox = Sandbox::start();
    let started = start(&sandbox);
    assert_eq!((&started["interval"], &started["expires_in"]), (&json!(5), &json!(900)));
    sandbox.advance(5);
    assert_eq!(poll(&sandbox, &started)["error"], "authorization_pending");
    approve(&sandbox, &started);
    sandbox.advance(5);
    let granted = poll(&sandbox, &started);
    let token = granted["access_token"].as_str().unwrap();
    assert!(
        token.starts_with("ghu_") && granted["token_type"] == "bearer" && granted["refresh_token"].is_null()
    );
    let user = |scheme: &str| {
        let authorization = format!("{scheme} {token}");
        get_with(&sandbox.at("/github/api/user"), &[("authorization", authorization.as_str()), AGENT])
    };
    assert_eq!(user("Bearer").json()["login"], "ada");
    assert_eq!(user("token").status, 200);
    assert_eq!(user("Basic").status, 401);
    sandbox.advance(5);
    assert_eq!(poll(&sandbox, &started)["error"], "incorrect_device_code", "a code works once");
}

#[test]
fn a_poll_before_its_time_is_told_to_slow_down_for_good() {
    let sandbox = Sandbox::start();
    let started = start(&sandbox);
    let early = poll(&sandbox, &started);
    assert_eq!((&early["error"], &early["interval"]), (&json!("slow_down"), &json!(10)));
    sandbox.advance(9);
    assert_eq!(poll(&sandbox, &started)["interval"], 15);
    sandbox.advance(15);
    assert_eq!(poll(&sandbox, &started)["error"], "authorization_pending");
}

#[test]
fn denial_and_expiry_end_the_code() {
    let sandbox = Sandbox::start();
    let denied = start(&sandbox);
    deny_device(denied["verification_uri"].as_str().unwrap(), denied["user_code"].as_str().unwrap());
    sandbox.advance(5);
    assert_eq!(poll(&sandbox, &denied)["error"], "access_denied");
    let late = start(&sandbox);
    sandbox.advance(900);
    assert_eq!(poll(&sandbox, &late)["error"], "expired_token");
    let page = browser::open(late["verification_uri"].as_str().unwrap());
    let answer = page.press("approve", &[("user_code", late["user_code"].as_str().unwrap())]);
    assert_eq!(answer.status, 400, "an old user code connects nothing");
}

#[test]
fn without_accept_the_replies_are_forms() {
    let sandbox = Sandbox::start();
    let reply = post_form(&sandbox.at("/github/login/device/code"), &[("client_id", CLIENT)]);
    assert!(reply.header("content-type").unwrap().starts_with("application/x-www-form-urlencoded"));
    assert!(reply.text().contains("device_code=") && reply.text().contains("interval=5"));
    let reply = post_form(&sandbox.at("/github/login/oauth/access_token"), &[("client_id", CLIENT)]);
    assert!(reply.text().starts_with("error=unsupported_grant_type"), "{}", reply.text());
}

#[test]
fn clients_and_grants_are_checked() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/github/login/device/code");
    assert_eq!(post_form_with(&url, &[JSON], &[("client_id", "other")]).status, 404);
    sandbox.switch(json!({ "github": { "clients": ["other"] } }));
    assert_eq!(post_form_with(&url, &[JSON], &[("client_id", "other")]).status, 200);
    let token = sandbox.at("/github/login/oauth/access_token");
    let wrong = post_form_with(&token, &[JSON], &[("client_id", CLIENT)]).json();
    assert_eq!(wrong["error"], "incorrect_client_credentials");
}

#[test]
fn the_exchange_gives_a_token_for_one_host() {
    let sandbox = Sandbox::start();
    let reply = copilot_token(&sandbox, &minted(&sandbox)).json();
    let token = reply["token"].as_str().unwrap();
    assert!(token.contains(";exp=") && token.contains(";proxy-ep=proxy."));
    assert_eq!(reply["refresh_in"], 1500);
    let base = reply["endpoints"]["api"].as_str().unwrap();
    assert_eq!(chat(base, token), 200);
    assert_eq!(chat(&sandbox.at("/github/copilot-business"), token), 421);
    sandbox.switch(json!({ "github": { "endpoint": "business" } }));
    let other = copilot_token(&sandbox, &minted(&sandbox)).json();
    assert!(other["endpoints"]["api"].as_str().unwrap().ends_with("/copilot-business"));
    sandbox.switch(json!({ "github": { "endpoint": "unnamed" } }));
    assert_eq!(copilot_token(&sandbox, &minted(&sandbox)).json()["endpoints"], Value::Null);
}

#[test]
fn the_copilot_token_ends_after_half_an_hour() {
    let sandbox = Sandbox::start();
    let github = minted(&sandbox);
    let reply = copilot_token(&sandbox, &github).json();
    let (base, token) = (reply["endpoints"]["api"].as_str().unwrap(), reply["token"].as_str().unwrap());
    sandbox.advance(1795);
    assert_eq!(chat(base, token), 200);
    sandbox.advance(6);
    assert_eq!(chat(base, token), 401);
    let again = copilot_token(&sandbox, &github).json();
    assert_eq!(chat(base, again["token"].as_str().unwrap()), 200);
    sandbox.expire("github");
    assert_eq!(chat(base, again["token"].as_str().unwrap()), 401);
    assert_eq!(copilot_token(&sandbox, &github).status, 200);
}

#[test]
fn a_wrong_clock_names_an_end_in_the_past() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "github": { "skew": -7200 } }));
    let reply = copilot_token(&sandbox, &minted(&sandbox)).json();
    let now = crate::common::get(&sandbox.at("/_control/clock")).json()["now"].as_i64().unwrap();
    assert!(reply["expires_at"].as_i64().unwrap() < now);
    assert_eq!(chat(reply["endpoints"]["api"].as_str().unwrap(), reply["token"].as_str().unwrap()), 200);
}

#[test]
fn the_exchange_refuses_as_the_real_one_does() {
    let sandbox = Sandbox::start();
    let bad = copilot_token(&sandbox, "ghu_unknown");
    assert_eq!((bad.status, &bad.json()["message"]), (401, &json!("Bad credentials")));
    let github = minted(&sandbox);
    let bearer = format!("Bearer {github}");
    let url = sandbox.at("/github/api/copilot_internal/v2/token");
    assert_eq!(get_with(&url, &[("authorization", &bearer), EDITOR, PLUGIN]).status, 403, "no user agent");
    assert_eq!(get_with(&url, &[("authorization", &bearer), AGENT]).status, 400, "no editor");
    sandbox.switch(json!({ "github": { "copilot_access": false } }));
    let none = copilot_token(&sandbox, &github);
    assert_eq!(none.status, 403);
    assert_eq!(none.json()["error_details"]["notification_id"], "no_copilot_access");
    sandbox.revoke_all("github");
    assert_eq!(copilot_token(&sandbox, &github).status, 401);
}

#[test]
fn the_api_wants_the_editor_headers() {
    let sandbox = Sandbox::start();
    let reply = copilot_token(&sandbox, &minted(&sandbox)).json();
    let url = format!("{}/chat/completions", reply["endpoints"]["api"].as_str().unwrap());
    let bearer = format!("Bearer {}", reply["token"].as_str().unwrap());
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let status = |headers: &[(&str, &str)]| post_json_with(&url, headers, &body).status;
    assert_eq!(status(&[("authorization", &bearer), EDITOR]), 400);
    assert_eq!(status(&[("authorization", &bearer), INTEGRATION]), 400);
    assert_eq!(status(&[EDITOR, INTEGRATION]), 401);
    assert_eq!(status(&[("authorization", &bearer), EDITOR, INTEGRATION]), 200);
}

#[test]
fn the_github_token_goes_directly_where_the_switch_allows_it() {
    let sandbox = Sandbox::start();
    let github = minted(&sandbox);
    assert_eq!(chat(&sandbox.at("/github/copilot-individual"), &github), 200);
    assert_eq!(chat(&sandbox.at("/github/copilot-business"), &github), 403, "not the advertised host");
    sandbox.switch(json!({ "github": { "direct": false } }));
    assert_eq!(chat(&sandbox.at("/github/copilot-individual"), &github), 401);
}

#[test]
fn models_and_their_policy() {
    let sandbox = Sandbox::start();
    let reply = copilot_token(&sandbox, &minted(&sandbox)).json();
    let base = reply["endpoints"]["api"].as_str().unwrap();
    let bearer = format!("Bearer {}", reply["token"].as_str().unwrap());
    let auth = ("authorization", bearer.as_str());
    let models = get_with(&format!("{base}/models"), &[auth, EDITOR, INTEGRATION]).json();
    let id = models["data"][0]["id"].as_str().unwrap();
    let url = format!("{base}/models/{id}/policy");
    let intent = ("openai-intent", "chat-policy");
    let enable = json!({ "state": "enabled" });
    assert_eq!(post_json_with(&url, &[auth, EDITOR, INTEGRATION, intent], &enable).status, 200);
    assert_eq!(post_json_with(&url, &[auth, EDITOR, INTEGRATION], &enable).status, 400);
}
