//! ChatGPT's backend, for access tokens with their account, and the platform API, for keys.

use serde_json::{Value, json};

use crate::chat;
use crate::random;
use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::tokens::Bad;
use crate::world::World;

fn error(status: u16, code: &str, message: &str) -> Reply {
    let kind = "invalid_request_error";
    Reply::json(
        status,
        &json!({ "error": { "message": message, "type": kind, "param": null, "code": code } }),
    )
}

pub fn responses(world: &mut World, request: &Request) -> Reply {
    let Some(token) = request.bearer() else {
        return error(401, "missing_token", "Missing bearer authentication.");
    };
    let session = match world.openai.tokens.check(token, world.now()) {
        Ok(session) => session,
        Err(Bad::Expired) => return error(401, "token_expired", "Provided authentication token is expired."),
        Err(_) => return error(401, "token_invalidated", "Your authentication token has been invalidated."),
    };
    if request.header("chatgpt-account-id")
        != Some(session.resource.as_deref().unwrap_or(session.account.uuid))
    {
        return error(403, "account_mismatch", "ChatGPT-Account-Id is missing or of another account.");
    }
    let fields = request.json();
    match fields.as_ref().and_then(said) {
        Some(text) => stream(&text),
        None => error(400, "invalid_request", "model, input, store: false and stream: true are required."),
    }
}

/// The last text of `input`, if the body is of the one form that this backend takes.
fn said(fields: &Fields) -> Option<String> {
    let flags = fields.0.get("store") == Some(&Value::Bool(false))
        && fields.0.get("stream") == Some(&Value::Bool(true));
    let input = fields.0.get("input")?;
    fields.get("model").filter(|_| flags)?;
    match input.as_str() {
        Some(text) => Some(text.to_owned()),
        None => Some(
            input.as_array()?.last()?.get("content")?.as_array()?.last()?.get("text")?.as_str()?.to_owned(),
        ),
    }
}

fn stream(said: &str) -> Reply {
    let text = format!("The sandbox hears you. You said: {said}");
    let id = format!("resp_{}", random::hex(8));
    let events = [
        json!({ "type": "response.created", "response": { "id": id, "status": "in_progress" } }),
        json!({ "type": "response.output_text.delta", "delta": text }),
        json!({ "type": "response.completed", "response": { "id": id, "status": "completed" } }),
    ];
    let line =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    Reply::text(200, "text/event-stream", events.iter().map(line).collect::<String>())
}

pub fn chat(world: &mut World, request: &Request) -> Reply {
    match key_refusal(world, request) {
        Some(refusal) => refusal,
        None => chat::openai_shaped(request, &|message| error(400, "invalid_request", message)),
    }
}

pub fn models(world: &mut World, request: &Request) -> Reply {
    let model = json!({ "id": "sandbox-parrot", "object": "model", "owned_by": "sandbox" });
    key_refusal(world, request)
        .unwrap_or_else(|| Reply::json(200, &json!({ "object": "list", "data": [model] })))
}

fn key_refusal(world: &World, request: &Request) -> Option<Reply> {
    match request.bearer() {
        Some(key) if world.openai.keys.contains(key) => None,
        Some(_) => Some(error(401, "invalid_api_key", "Incorrect API key provided.")),
        None => Some(error(401, "invalid_api_key", "You didn't provide an API key.")),
    }
}
