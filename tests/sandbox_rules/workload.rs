//! Identity tokens of machines and what takes them: providers-2.md 5.

use serde_json::{Value, json};

use crate::common::Sandbox;
use crate::common::http::{Response, get, post_form, post_json, post_json_with, request};

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const BETAS: (&str, &str) = ("anthropic-beta", "oauth-2025-04-20,oidc-federation-2026-04-01");

fn identity(sandbox: &Sandbox, wanted: Value) -> String {
    sandbox.control("assertion", wanted)["token"].as_str().unwrap().to_owned()
}

fn for_provider(sandbox: &Sandbox, name: &str) -> String {
    identity(sandbox, json!({ "audience": sandbox.at(&format!("/{name}")) }))
}

/// The body with one field changed or, by null, left out.
fn with(body: &Value, name: &str, value: Value) -> Value {
    let mut body = body.clone();
    match value {
        Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
        value => body[name] = value,
    }
    body
}

fn federate(sandbox: &Sandbox, body: &Value, headers: &[(&str, &str)]) -> Response {
    post_json_with(&sandbox.at("/anthropic/v1/oauth/token"), headers, body)
}

fn claude(token: &str) -> Value {
    json!({ "grant_type": BEARER, "assertion": token, "federation_rule_id": "fdrl_sandbox", "organization_id": "org-sandbox" })
}

#[test]
fn anthropic_wants_json_both_beta_names_and_a_rule_of_the_organization() {
    let sandbox = Sandbox::start();
    let body = claude(&for_provider(&sandbox, "anthropic"));
    let good = federate(&sandbox, &body, &[BETAS]);
    assert_eq!(good.status, 200, "{}", good.text());
    let reply = good.json();
    assert!(reply.get("refresh_token").is_none() && reply["expires_in"].is_i64(), "{reply}");
    assert_eq!(federate(&sandbox, &body, &[("anthropic-beta", "oauth-2025-04-20")]).status, 400);
    for (name, value) in [
        ("assertion", json!("a.b.c")),
        ("assertion", Value::Null),
        ("federation_rule_id", json!("fdrl_other")),
        ("organization_id", Value::Null),
        ("service_account_id", json!("other")),
        ("workspace_id", json!("other")),
        ("client_id", json!("x")),
    ] {
        assert_eq!(federate(&sandbox, &with(&body, name, value), &[BETAS]).status, 400, "{name}");
    }
}

#[test]
fn an_identity_token_has_claims_an_end_and_one_audience() {
    let sandbox = Sandbox::start();
    let audience = sandbox.at("/anthropic");
    for wanted in [
        json!({ "audience": "https://somebody.else" }),
        json!({ "audience": audience, "lifetime": -1 }),
        json!({ "audience": audience, "without": ["sub"] }),
        json!({ "audience": audience, "without": ["exp"] }),
        json!({ "audience": audience, "padding": 20_000 }),
    ] {
        let refused = federate(&sandbox, &claude(&identity(&sandbox, wanted.clone())), &[BETAS]);
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (400, Some("invalid_grant")),
            "{wanted}"
        );
    }
    let once = claude(&for_provider(&sandbox, "anthropic"));
    assert_eq!(
        [federate(&sandbox, &once, &[BETAS]).status, federate(&sandbox, &once, &[BETAS]).status],
        [200, 200]
    );
    sandbox.switch(json!({ "workload": { "once": true } }));
    let once = claude(&for_provider(&sandbox, "anthropic"));
    assert_eq!(
        [federate(&sandbox, &once, &[BETAS]).status, federate(&sandbox, &once, &[BETAS]).status],
        [200, 400]
    );
}

#[test]
fn openai_wants_json_a_provider_and_a_service_account() {
    let sandbox = Sandbox::start();
    let body = json!({ "grant_type": EXCHANGE, "subject_token_type": JWT, "subject_token": for_provider(&sandbox, "openai"),
        "identity_provider_id": "idp_sandbox", "service_account_id": "svc_sandbox" });
    let ask = |body: &Value| post_json(&sandbox.at("/openai/oauth/token"), body);
    let reply = ask(&body).json();
    assert!(reply["expires_in"].as_i64().unwrap() <= 3600 && reply["expires_at"].is_i64(), "{reply}");
    assert_eq!(ask(&with(&body, "subject_token", json!("a.b.c"))).json()["error"], "invalid_subject_token");
    for (name, value) in [
        ("identity_provider_id", Value::Null),
        ("service_account_id", json!("other")),
        ("subject_token_type", json!("jwt")),
        ("client_id", json!("x")),
    ] {
        assert_eq!(ask(&with(&body, name, value)).status, 400, "{name}");
    }
}

#[test]
fn openrouter_wants_a_form_and_a_policy() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/openrouter/api/v1/oauth/token");
    let token = for_provider(&sandbox, "openrouter");
    let form = |changed: &str, value: &str| {
        let mut fields = vec![
            ("grant_type", EXCHANGE),
            ("subject_token_type", JWT),
            ("subject_token", token.as_str()),
            ("federation_policy_id", "pol_sandbox"),
        ];
        fields.retain(|(name, _)| *name != changed);
        if !value.is_empty() {
            fields.push((changed, value));
        }
        post_form(&url, &fields)
    };
    let reply = form("", "").json();
    assert_eq!(
        (reply["expires_in"].as_i64(), reply["scope"].as_str()),
        (Some(900), Some("inference")),
        "{reply}"
    );
    for (name, value, status, error) in [
        ("grant_type", "client_credentials", 400, "unsupported_grant_type"),
        ("subject_token_type", "jwt", 400, "invalid_request"),
        ("subject_token", "a.b.c", 400, "invalid_grant"),
        ("subject_token", &*"x".repeat(17_000), 413, "invalid_request"),
        ("federation_policy_id", "", 400, "invalid_request"),
        ("scope", "admin", 400, "invalid_scope"),
    ] {
        let refused = form(name, value);
        assert_eq!((refused.status, refused.json()["error"].as_str()), (status, Some(error)), "{name}");
    }
    assert_eq!(post_json(&url, &json!({ "grant_type": EXCHANGE })).status, 400, "JSON");
}

#[test]
fn github_gives_one_to_a_job_that_may_ask() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/workload/github/token?api-version=2.0&audience=x");
    assert_eq!(get(&url).status, 401);
    let bearer = ("authorization", "Bearer sandbox-actions-request-token");
    let given = request("GET", &url, &[bearer], b"");
    assert_eq!(given.json()["value"].as_str().unwrap().split('.').count(), 3);
}

#[test]
fn the_standards_are_kept() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/workload/token");
    let token = for_provider(&sandbox, "workload");
    let bearer = post_form(&url, &[("grant_type", BEARER), ("assertion", &token)]).json();
    assert!(bearer.get("issued_token_type").is_none() && bearer["access_token"].is_string(), "{bearer}");
    let exchange = [("grant_type", EXCHANGE), ("subject_token", token.as_str()), ("subject_token_type", JWT)];
    assert_eq!(
        post_form(&url, &exchange).json()["issued_token_type"],
        "urn:ietf:params:oauth:token-type:access_token"
    );
    assert_eq!(post_form(&url, &exchange[..2]).json()["error"], "invalid_request");
    assert_eq!(post_form(&url, &[("grant_type", "password")]).json()["error"], "unsupported_grant_type");
    assert_eq!(post_form(&url, &[("grant_type", BEARER)]).json()["error"], "invalid_request");
}
