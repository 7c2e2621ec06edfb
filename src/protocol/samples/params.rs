//! Samples of each method's parameters.

use serde_json::{Value, json};

use super::pair;
use crate::protocol::PROTOCOL;

/// Parameters by method: with all fields, and with those that must be there.
pub fn all() -> Value {
    let none = || pair(json!({}), json!({}));
    let one = |login: &str| json!({ "login": login });
    json!({
        "hello": pair(
            json!({ "protocol": PROTOCOL, "version": "0.1.0", "options": {} }),
            json!({ "protocol": PROTOCOL, "version": "0.1.0" }),
        ),
        "providers": none(),
        "status": pair(one("anthropic"), json!({})),
        "get": pair(json!({ "login": "anthropic", "min_validity": 60 }), one("anthropic")),
        "invalidate": pair(
            json!({ "login": "anthropic", "token": "tok-1" }),
            json!({ "login": "anthropic", "token": "tok-1" }),
        ),
        "usage": pair(one("anthropic"), one("anthropic")),
        "login.start": pair(
            json!({ "login": "anthropic", "method": "subscription", "browser": true, "confirmed": true,
                "challenge": "Bearer error=\"insufficient_scope\", scope=\"tools:write\"",
                "organization": "5a17b0c5-0000-4000-8000-000000007ea0" }),
            one("anthropic"),
        ),
        "login.input": pair(json!({ "id": 7, "text": "code" }), json!({ "id": 7, "text": "code" })),
        "login.cancel": pair(json!({ "id": 7 }), json!({ "id": 7 })),
        "command.cancel": none(),
        "logout": pair(one("anthropic"), one("anthropic")),
        "gateway.open": pair(
            json!({ "key": "conv-1", "port": 4000, "logins": ["anthropic"], "socket": "/run/x" }),
            json!({ "key": "conv-1", "port": 4000, "logins": ["anthropic"] }),
        ),
        "agent.open": pair(
            json!({ "logins": ["anthropic"], "socket": "/run/x", "id": "3fa2c1", "token": true, "lasting": true,
                "duration": 3600, "label": "work@host", "confirm": true }),
            json!({ "socket": "/run/x" }),
        ),
        "agent.answer": pair(json!({ "id": 1, "answer": "once" }), json!({ "id": 1, "answer": "once" })),
        "agent.revoke": pair(json!({ "id": "3fa2c1" }), json!({ "id": "3fa2c1" })),
        "shutdown": none(),
    })
}
