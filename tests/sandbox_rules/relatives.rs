//! Hugging Face, Poe, NanoGPT, LLM Gateway and Kimi's second region: providers-2.md 2.5 to 2.10.

use serde_json::{Value, json};

use crate::common::http::{Response, get, get_with, post_form, post_form_with, post_json, post_json_with};
use crate::common::{Sandbox, approve, approve_device, deny};
use crate::pkce::{VERIFIER, but, challenge, param, with_query};

const CLIENT: &str = "sandbox-client";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const HF_REDIRECT: &str = "http://localhost:17421/callback";
const POE_REDIRECT: &str = "http://127.0.0.1:4711/callback";

fn chat(url: &str, token: &str) -> u16 {
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    post_json_with(url, &[("authorization", &format!("Bearer {token}"))], &body).status
}

fn authorize(redirect: &'static str, scope: &'static str, challenge: &str) -> Vec<(&'static str, String)> {
    let params = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", redirect),
        ("scope", scope),
        ("state", "st"),
        ("code_challenge_method", "S256"),
    ];
    let mut params: Vec<_> = params.map(|(name, value)| (name, value.to_owned())).to_vec();
    params.push(("code_challenge", challenge.to_owned()));
    params
}

fn at(url: &str, params: &[(&'static str, String)], name: &'static str, value: &str) -> String {
    let params: Vec<_> = params.iter().map(|(name, value)| (*name, value.as_str())).collect();
    with_query(url, &if name.is_empty() { params } else { but(&params, name, value) })
}

fn exchange(url: &str, code: &str, redirect: &str, verifier: &str) -> Response {
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", CLIENT),
        ("code", code),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
    ];
    post_form(url, &fields)
}

#[test]
fn hugging_face_checks_the_request_and_gives_tokens_that_rotate() {
    let sandbox = Sandbox::start();
    let (page, token) = (sandbox.at("/huggingface/oauth/authorize"), sandbox.at("/huggingface/oauth/token"));
    let params = authorize(HF_REDIRECT, "openid profile inference-api", &challenge());
    for (name, value) in [
        ("response_type", "token"),
        ("client_id", "other"),
        ("redirect_uri", "http://localhost:17422/callback"),
        ("redirect_uri", "http://127.0.0.1:17421/callback"),
        ("redirect_uri", "https://example.com/callback"),
        ("scope", "inference"),
        ("code_challenge", ""),
        ("code_challenge_method", "plain"),
    ] {
        assert_eq!(get(&at(&page, &params, name, value)).status, 400, "{name} {value}");
    }
    let url = at(&page, &params, "", "");
    let denied = deny(&url);
    assert_eq!(param(&denied, "error").as_deref(), Some("access_denied"));
    let back = approve(&url);
    assert_eq!(param(&back, "state").as_deref(), Some("st"));
    let code = param(&back, "code").unwrap();
    let tokens = exchange(&token, &code, HF_REDIRECT, VERIFIER).json();
    assert_eq!(exchange(&token, &code, HF_REDIRECT, VERIFIER).json()["error"], "invalid_grant");
    let access = tokens["access_token"].as_str().unwrap();
    assert!(access.starts_with("hf_oauth_"));
    let api = sandbox.at("/huggingface/router/v1/chat/completions");
    assert_eq!((chat(&api, access), chat(&api, "other")), (200, 401));
    let bearer = format!("Bearer {access}");
    let who = get_with(&sandbox.at("/huggingface/oauth/userinfo"), &[("authorization", &bearer)]).json();
    assert_eq!(who["preferred_username"], "ada");
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", CLIENT),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(post_form(&token, &refresh).status, 200);
    assert_eq!(post_form(&token, &refresh).json()["error"], "invalid_grant");
    for (redirect, verifier) in
        [("http://localhost:1/callback", VERIFIER.to_owned()), (HF_REDIRECT, VERIFIER.replace('d', "e"))]
    {
        let code = param(&approve(&url), "code").unwrap();
        assert_eq!(exchange(&token, &code, redirect, &verifier).json()["error"], "invalid_grant");
    }
}

#[test]
fn hugging_face_has_device_codes() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/huggingface/oauth/device");
    assert_eq!(post_form(&url, &[("client_id", "other")]).status, 401);
    let bad = post_form(&url, &[("client_id", CLIENT), ("scope", "everything")]);
    assert_eq!(bad.json()["error"], "invalid_scope");
    let started = post_form(&url, &[("client_id", CLIENT), ("scope", "openid")]).json();
    assert_eq!((&started["expires_in"], &started["interval"]), (&json!(900), &json!(5)));
    let poll = || {
        let code = started["device_code"].as_str().unwrap();
        let fields = [("grant_type", DEVICE_GRANT), ("client_id", CLIENT), ("device_code", code)];
        post_form(&sandbox.at("/huggingface/oauth/token"), &fields).json()
    };
    assert_eq!(poll()["error"], "authorization_pending");
    assert_eq!(poll()["error"], "slow_down");
    approve_device(&url, started["user_code"].as_str().unwrap(), "ada");
    sandbox.advance(10);
    let tokens = poll();
    let api = sandbox.at("/huggingface/router/v1/chat/completions");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(chat(&api, access), 401, "a token that may not infer");
    assert!(tokens["refresh_token"].is_string());
}

#[test]
fn poe_checks_the_request_and_gives_a_key() {
    let sandbox = Sandbox::start();
    let (page, token) = (sandbox.at("/poe/oauth/authorize"), sandbox.at("/poe/token"));
    let params = authorize(POE_REDIRECT, "apikey:create", &challenge());
    for (name, value) in [
        ("response_type", ""),
        ("client_id", "other"),
        ("redirect_uri", "https://example.com/"),
        ("scope", "openid"),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
    ] {
        assert_eq!(get(&at(&page, &params, name, value)).status, 400, "{name} {value}");
    }
    let url = at(&page, &params, "", "");
    let code = || param(&approve(&url), "code").unwrap();
    assert_eq!(exchange(&token, &code(), POE_REDIRECT, &VERIFIER.replace('d', "e")).status, 400);
    assert_eq!(exchange(&token, &code(), "http://127.0.0.1:1/callback", VERIFIER).status, 400);
    assert_eq!(post_json(&token, &json!({ "code": code() })).status, 400, "JSON is no form");
    let spent = code();
    let reply = exchange(&token, &spent, POE_REDIRECT, VERIFIER).json();
    assert!(reply["api_key_expires_in"].is_null());
    assert_eq!(
        chat(&sandbox.at("/key/api.poe.com/v1/chat/completions"), reply["api_key"].as_str().unwrap()),
        200
    );
    assert_eq!(exchange(&token, &spent, POE_REDIRECT, VERIFIER).json()["error"], "invalid_grant");
    sandbox.switch(json!({ "poe": { "expires_in": 60 } }));
    assert_eq!(exchange(&token, &code(), POE_REDIRECT, VERIFIER).json()["api_key_expires_in"], 60);
}

#[test]
fn nanogpt_answers_polls_by_status() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/nanogpt/api/cli-login/start");
    assert_eq!(post_json(&url, &json!({ "client_name": "x".repeat(65) })).status, 400);
    assert_eq!(post_form(&url, &[]).status, 400);
    let start = || post_json(&url, &json!({ "client_name": "Convocations" })).json();
    let poll = |started: &Value| {
        post_json(
            &sandbox.at("/nanogpt/api/cli-login/poll"),
            &json!({ "device_code": started["device_code"] }),
        )
    };
    let started = start();
    assert_eq!((&started["expires_in"], &started["interval"]), (&json!(600), &json!(2)));
    assert_eq!((poll(&started).status, poll(&started).status), (202, 429));
    let (page, code) =
        (started["verification_uri"].as_str().unwrap(), started["user_code"].as_str().unwrap());
    assert!(get(started["verification_uri_complete"].as_str().unwrap()).text().contains(code));
    approve_device(page, code, "ada");
    sandbox.advance(10);
    let key = poll(&started).json()["key"].as_str().unwrap().to_owned();
    assert_eq!(chat(&sandbox.at("/key/nano-gpt.com/api/v1/chat/completions"), &key), 200);
    assert_eq!(poll(&started).status, 409);
    assert_eq!(poll(&json!({ "device_code": "other" })).status, 404);
    let late = start();
    sandbox.advance(600);
    assert_eq!(poll(&late).status, 410);
}

#[test]
fn llm_gateway_sends_the_key_to_this_machine_alone() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/llmgateway/connect/cli");
    let params =
        [("callback", POE_REDIRECT), ("state", "st"), ("org", "devpass"), ("name", "N"), ("source", "s")];
    for (name, value) in [("callback", "https://example.com/"), ("state", ""), ("org", "other")] {
        assert_eq!(get(&with_query(&url, &but(&params, name, value))).status, 400, "{name}");
    }
    let back = approve(&with_query(&url, &params));
    assert_eq!(param(&back, "state").as_deref(), Some("st"));
    let key = param(&back, "key").unwrap();
    assert_eq!(chat(&sandbox.at("/key/api.llmgateway.io/v1/chat/completions"), &key), 200);
    assert_eq!(param(&deny(&with_query(&url, &params)), "error").as_deref(), Some("access_denied"));
}

#[test]
fn kimis_regions_know_nothing_of_each_other() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({ "kimi": { "require_headers": false } }));
    let client = ("client_id", "17e5f671-d194-4dfb-9706-5516cb48c098");
    let started = post_form(&sandbox.at("/kimi-ai/api/oauth/device_authorization"), &[client]).json();
    approve_device(
        started["verification_uri"].as_str().unwrap(),
        started["user_code"].as_str().unwrap(),
        "ada",
    );
    let fields =
        [client, ("grant_type", DEVICE_GRANT), ("device_code", started["device_code"].as_str().unwrap())];
    assert_eq!(post_form(&sandbox.at("/kimi/api/oauth/token"), &fields).json()["error"], "invalid_grant");
    let tokens = post_form_with(&sandbox.at("/kimi-ai/api/oauth/token"), &[], &fields).json();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(chat(&sandbox.at("/kimi-ai/coding/v1/chat/completions"), access), 200);
    assert_eq!(chat(&sandbox.at("/kimi/coding/v1/chat/completions"), access), 401);
}
