//! Google's Code Assist: providers.md part 5, as far as the table of fakes asks for it.

use serde_json::{Value, json};

use crate::common::http::{Response, get, get_with, post_form, post_json_with};
use crate::common::{Sandbox, approve};
use crate::pkce::{VERIFIER, challenge, param, with_query};

const CLIENT: &str = "sandbox.apps.googleusercontent.test";
const REDIRECT: &str = "http://127.0.0.1:4711/oauth2callback";

fn authorize(sandbox: &Sandbox, access_type: &str, challenge: &str) -> String {
    let params = [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("access_type", access_type),
        ("state", "s"),
        ("code_challenge", challenge),
        ("code_challenge_method", if challenge.is_empty() { "" } else { "S256" }),
    ];
    with_query(&sandbox.at("/google/o/oauth2/v2/auth"), &params)
}

fn post(sandbox: &Sandbox, fields: &[(&str, &str)]) -> Response {
    let mut all = vec![("client_id", CLIENT), ("client_secret", "sandbox-google-secret")];
    all.extend(fields);
    post_form(&sandbox.at("/google/token"), &all)
}

fn exchange(sandbox: &Sandbox, page: &str, verifier: &str) -> Response {
    let code = param(&approve(page), "code").unwrap();
    let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT)];
    let mut fields = fields.to_vec();
    fields.push(("code_verifier", verifier));
    post(sandbox, &fields)
}

#[test]
fn a_refresh_gives_no_new_refresh_token() {
    let sandbox = Sandbox::start();
    let tokens = exchange(&sandbox, &authorize(&sandbox, "offline", &challenge()), VERIFIER).json();
    assert!(tokens["access_token"].as_str().unwrap().starts_with("ya29."));
    let token = tokens["refresh_token"].as_str().unwrap();
    for _ in 0..2 {
        let next = post(&sandbox, &[("grant_type", "refresh_token"), ("refresh_token", token)]).json();
        assert!(next["access_token"].is_string() && next["refresh_token"].is_null());
    }
    let online = exchange(&sandbox, &authorize(&sandbox, "online", ""), "").json();
    assert_eq!(online["refresh_token"], Value::Null);
    assert_eq!(post_form(&sandbox.at("/google/revoke"), &[("token", token)]).status, 200);
    let refused = post(&sandbox, &[("grant_type", "refresh_token"), ("refresh_token", token)]);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &json!("invalid_grant")));
}

#[test]
fn the_secret_the_redirect_and_the_verifier_are_checked() {
    let sandbox = Sandbox::start();
    let without =
        post_form(&sandbox.at("/google/token"), &[("client_id", CLIENT), ("grant_type", "refresh_token")]);
    assert_eq!(without.json()["error"], "invalid_client");
    let wrong = VERIFIER.replace('d', "e");
    assert_eq!(exchange(&sandbox, &authorize(&sandbox, "offline", &challenge()), &wrong).status, 400);
    let elsewhere = authorize(&sandbox, "offline", "").replace("127.0.0.1%3A4711", "example.com");
    assert_eq!(get(&elsewhere).status, 400);
}

#[test]
fn an_account_is_prepared_step_by_step() {
    let sandbox = Sandbox::start();
    let token = sandbox.mint("google", "oauth")["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let auth = [("authorization", bearer.as_str())];
    let call = |name: &str, body: Value| {
        post_json_with(&sandbox.at(&format!("/google/v1internal:{name}")), &auth, &body)
    };
    assert!(call("loadCodeAssist", json!({})).json()["currentTier"].is_null());
    let with_project = json!({ "tierId": "free-tier", "cloudaicompanionProject": "p" });
    assert_eq!(call("onboardUser", with_project).status, 400);
    let mut operation = call("onboardUser", json!({ "tierId": "free-tier" })).json();
    let mut polls = 0;
    while operation["done"] == false {
        let name = operation["name"].as_str().unwrap();
        operation = get_with(&sandbox.at(&format!("/google/v1internal/{name}")), &auth).json();
        polls += 1;
    }
    assert_eq!(
        (polls, &operation["response"]["cloudaicompanionProject"]["id"]),
        (2, &json!("sandbox-project"))
    );
    assert_eq!(call("loadCodeAssist", json!({})).json()["cloudaicompanionProject"], "sandbox-project");
    sandbox.switch(json!({ "google": { "validation_required": true } }));
    let load = call("loadCodeAssist", json!({})).json();
    assert_eq!(load["ineligibleTiers"][0]["reasonCode"], "VALIDATION_REQUIRED");
    sandbox.expire("google");
    assert_eq!(call("loadCodeAssist", json!({})).status, 401);
}
