//! Providers that know only keys, and the pages where keys are made by hand.

use serde_json::json;

use crate::common::http::{self, get, get_with, post_json_with};
use crate::common::{Sandbox, browser};

#[test]
fn a_key_works_for_every_host_in_any_of_the_usual_headers() {
    let sandbox = Sandbox::start();
    let key = sandbox.mint("key", "api-key")["key"].as_str().unwrap().to_owned();
    let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let url = sandbox.at("/key/api.groq.com/openai/v1/chat/completions");
    let bearer = format!("Bearer {key}");
    for header in [("authorization", bearer.as_str()), ("x-goog-api-key", &key), ("x-api-key", &key)] {
        assert_eq!(post_json_with(&url, &[header], &body).status, 200, "{header:?}");
    }
    assert_eq!(post_json_with(&url, &[("authorization", "Bearer sk-other")], &body).status, 401);
    let models = sandbox.at("/key/api.x.ai/v1/models");
    assert_eq!((get(&models).status, get_with(&models, &[("x-api-key", &key)]).status), (401, 200));
    sandbox.revoke_all("key");
    assert_eq!(post_json_with(&url, &[("x-api-key", &key)], &body).status, 401);
}

#[test]
fn a_key_is_made_by_hand_on_a_page() {
    let sandbox = Sandbox::start();
    for (page, name) in [("/openrouter/keys", "openrouter"), ("/anthropic/settings/keys", "anthropic")] {
        assert!(get(&sandbox.at(page)).text().contains("Make a key"));
        let shown = browser::shown_code(&http::request("POST", &sandbox.at(page), &[], b"").text());
        assert_eq!(sandbox.tokens()[name]["keys"], json!([shown]));
    }
}
