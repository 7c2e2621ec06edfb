//! The chat endpoints take a valid credential with the right headers, and nothing else.

use serde_json::{Value, json};

use crate::common::Sandbox;
use crate::common::http::{Response, post_json_with};

fn body(stream: bool) -> Value {
    json!({ "model": "m", "max_tokens": 9, "stream": stream, "messages": [{ "role": "user", "content": "hi there" }] })
}

fn messages(sandbox: &Sandbox, headers: &[(&str, &str)]) -> Response {
    post_json_with(&sandbox.at("/anthropic/v1/messages"), headers, &body(false))
}

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const BETA: (&str, &str) = ("anthropic-beta", "oauth-2025-04-20");

#[test]
fn openrouter_wants_its_key_as_bearer() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/openrouter/api/v1/chat/completions");
    let key = sandbox.mint("openrouter", "api-key")["key"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {key}");
    let reply = post_json_with(&url, &[("authorization", &bearer)], &body(false)).json();
    assert!(reply["choices"][0]["message"]["content"].as_str().unwrap().contains("hi there"));
    assert_eq!(post_json_with(&url, &[], &body(false)).status, 401);
    assert_eq!(post_json_with(&url, &[("x-api-key", &key)], &body(false)).status, 401);
    assert_eq!(post_json_with(&url, &[("authorization", "Bearer sk-or-v1-0")], &body(false)).status, 401);
    assert_eq!(post_json_with(&url, &[("authorization", &bearer)], &json!({ "model": "m" })).status, 400);
    sandbox.revoke_all("openrouter");
    assert_eq!(post_json_with(&url, &[("authorization", &bearer)], &body(false)).status, 401);
}

#[test]
fn openrouter_streams_if_asked() {
    let sandbox = Sandbox::start();
    let key = sandbox.mint("openrouter", "api-key")["key"].as_str().unwrap().to_owned();
    let url = sandbox.at("/openrouter/api/v1/chat/completions");
    let reply = post_json_with(&url, &[("authorization", &format!("Bearer {key}"))], &body(true));
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let text = reply.text();
    let pieces = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let said: String = pieces
        .map(|data| serde_json::from_str::<Value>(data).unwrap())
        .filter_map(|data| Some(data["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert!(said.contains("hi there") && text.ends_with("data: [DONE]\n\n"), "{text}");
}

#[test]
fn anthropic_takes_a_key_in_its_own_header_only() {
    let sandbox = Sandbox::start();
    let key = sandbox.mint("anthropic", "api-key")["key"].as_str().unwrap().to_owned();
    assert_eq!(messages(&sandbox, &[("x-api-key", &key), VERSION]).status, 200);
    assert_eq!(messages(&sandbox, &[("x-api-key", &key)]).status, 400, "no version");
    assert_eq!(messages(&sandbox, &[("authorization", &format!("Bearer {key}")), VERSION, BETA]).status, 401);
    assert_eq!(messages(&sandbox, &[VERSION]).status, 401);
    sandbox.revoke_all("anthropic");
    assert_eq!(messages(&sandbox, &[("x-api-key", &key), VERSION]).status, 401);
}

#[test]
fn anthropic_takes_a_token_as_bearer_with_the_beta_only() {
    let sandbox = Sandbox::start();
    let token = sandbox.mint("anthropic", "oauth")["access_token"].as_str().unwrap().to_owned();
    let bearer = format!("Bearer {token}");
    let auth = ("authorization", bearer.as_str());
    assert_eq!(messages(&sandbox, &[auth, VERSION, BETA]).status, 200);
    assert_eq!(messages(&sandbox, &[auth, VERSION, ("anthropic-beta", "a-1, oauth-2025-04-20")]).status, 200);
    assert_eq!(messages(&sandbox, &[auth, VERSION]).status, 401, "no beta");
    assert_eq!(messages(&sandbox, &[auth, BETA]).status, 400, "no version");
    assert_eq!(messages(&sandbox, &[("x-api-key", &token), VERSION, BETA]).status, 401);
    assert_eq!(messages(&sandbox, &[auth, ("x-api-key", &token), VERSION, BETA]).status, 401, "both");
    let long = ("anthropic-beta", "oauth-2025-04-20,context-1m-2025-08-07");
    assert_eq!(messages(&sandbox, &[auth, VERSION, long]).status, 400);
    sandbox.expire("anthropic");
    assert_eq!(messages(&sandbox, &[auth, VERSION, BETA]).status, 401);
}

#[test]
fn anthropic_streams_if_asked() {
    let sandbox = Sandbox::start();
    let key = sandbox.mint("anthropic", "api-key")["key"].as_str().unwrap().to_owned();
    let url = sandbox.at("/anthropic/v1/messages");
    let text = post_json_with(&url, &[("x-api-key", &key), VERSION], &body(true)).text();
    let events: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((events.first(), events.last()), (Some(&"message_start"), Some(&"message_stop")));
    assert!(text.contains("there"));
}
