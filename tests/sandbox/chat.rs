//! The API behind a login: a small completion for whoever comes with a valid credential and the right
//! headers.

use serde_json::{Value, json};

use crate::reply::Reply;
use crate::request::{Fields, Request};
use crate::routes::Route;
use crate::world::World;
use crate::{anthropic, generic, openrouter, random};

/// The chat and model routes.
pub const ROUTES: &[Route] = &[
    Route::new("openrouter.chat", "POST", "/openrouter/api/v1/chat/completions", openrouter_chat),
    Route::new("openrouter.models", "GET", "/openrouter/api/v1/models", openrouter_models),
    Route::new("anthropic.messages", "POST", "/anthropic/v1/messages", anthropic_messages),
    Route::new("anthropic.models", "GET", "/anthropic/v1/models", anthropic_models),
    Route::new("generic.chat", "POST", "/generic/v1/chat/completions", generic_chat),
    Route::new("generic.messages", "POST", "/generic/v1/messages", generic_messages),
];

fn openrouter_chat(world: &mut World, request: &Request) -> Reply {
    match openrouter_refusal(world, request) {
        Some(refusal) => refusal,
        None => openai_shaped(request, &|message| openrouter::error(400, message)),
    }
}

fn openrouter_refusal(world: &World, request: &Request) -> Option<Reply> {
    match request.bearer() {
        None => Some(openrouter::error(401, "Missing Authentication header")),
        Some(key) if world.openrouter.keys.contains_key(key) => None,
        Some(_) => Some(openrouter::error(401, "User not found.")),
    }
}

fn openrouter_models(_: &mut World, _: &Request) -> Reply {
    let model = json!({ "id": "sandbox/parrot", "name": "Parrot", "context_length": 8192 });
    Reply::json(200, &json!({ "data": [model] }))
}

fn anthropic_messages(world: &mut World, request: &Request) -> Reply {
    match anthropic_refusal(world, request) {
        Some(refusal) => refusal,
        None => anthropic_shaped(request),
    }
}

fn anthropic_models(world: &mut World, request: &Request) -> Reply {
    let model = json!({ "type": "model", "id": "sandbox-parrot", "display_name": "Parrot" });
    match anthropic_refusal(world, request) {
        Some(refusal) => refusal,
        None => Reply::json(200, &json!({ "data": [model], "has_more": false })),
    }
}

/// Why Anthropic's API does not take the request's headers.
fn anthropic_refusal(world: &World, request: &Request) -> Option<Reply> {
    let refused = |message: &str| Some(anthropic::error(401, "authentication_error", message));
    let bad = |message: &str| Some(anthropic::error(400, "invalid_request_error", message));
    if request.header("anthropic-version") != Some("2023-06-01") {
        return bad("anthropic-version: header is required");
    }
    match (request.header("x-api-key"), request.bearer()) {
        (Some(_), Some(_)) => refused("x-api-key and a bearer token were both given"),
        (Some(key), None) if world.anthropic.keys.contains(key) => None,
        (Some(_), None) => refused("invalid x-api-key"),
        (None, None) => refused("x-api-key header is required"),
        (None, Some(token)) => match world.anthropic.tokens.check(token, world.now()) {
            Err(reason) => refused(anthropic::reason(reason)),
            Ok(_) if !betas(request).contains(&"oauth-2025-04-20") => {
                refused("OAuth authentication is currently not supported.")
            }
            Ok(_) if betas(request).iter().any(|beta| beta.starts_with("context-1m")) => {
                bad("The long context beta is not yet available for this subscription.")
            }
            Ok(session) if !session.scopes.iter().any(|scope| scope == "user:inference") => {
                let message = "OAuth token does not meet scope requirement user:inference";
                Some(anthropic::error(403, "permission_error", message))
            }
            Ok(_) => None,
        },
    }
}

fn betas(request: &Request) -> Vec<&str> {
    let named = request.headers.get_all("anthropic-beta").iter();
    let texts = named.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim).collect()
}

/// A company's own API in OpenAI's form, behind its own sign-in.
fn generic_chat(world: &mut World, request: &Request) -> Reply {
    let refused = |message: &str| {
        let error = json!({ "message": message, "type": "authentication_error", "code": "invalid_api_key" });
        Reply::json(401, &json!({ "error": error }))
    };
    match generic::check_bearer(world, request) {
        Err(reason) => refused(reason),
        Ok(()) => {
            openai_shaped(request, &|message| Reply::json(400, &json!({ "error": { "message": message } })))
        }
    }
}

/// The same in Anthropic's form.
fn generic_messages(world: &mut World, request: &Request) -> Reply {
    if request.header("x-api-key").is_some() {
        return anthropic::error(401, "authentication_error", "x-api-key is not taken here");
    }
    match generic::check_bearer(world, request) {
        Err(reason) => anthropic::error(401, "authentication_error", reason),
        Ok(()) => anthropic_shaped(request),
    }
}

/// What the model says: an echo, so that a test can tell that its own message arrived.
fn words(fields: &Fields) -> Option<String> {
    let last = fields.0.get("messages")?.as_array()?.last()?;
    let content = last.get("content")?;
    let said = match content.as_array() {
        Some(parts) => parts.iter().find_map(|part| part.get("text")?.as_str())?,
        None => content.as_str()?,
    };
    Some(format!("The sandbox hears you. You said: {said}"))
}

/// OpenAI's chat completion, streamed if asked for. `bad` makes the provider's own error of a message.
pub fn openai_shaped(request: &Request, bad: &dyn Fn(&str) -> Reply) -> Reply {
    let Some(fields) = request.json() else {
        return bad("The body is not JSON.");
    };
    let (Some(model), Some(text)) = (fields.get("model"), words(&fields)) else {
        return bad("model and messages are required.");
    };
    let id = format!("chatcmpl-{}", random::hex(8));
    let shape = |object: &str, choice: Value| json!({ "id": id, "object": object, "created": 0, "model": model, "choices": [choice] });
    if fields.0.get("stream") == Some(&Value::Bool(true)) {
        let piece = |delta: Value, finish: Value| {
            let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
            format!("data: {}\n\n", shape("chat.completion.chunk", choice))
        };
        let mut stream = piece(json!({ "role": "assistant", "content": "" }), Value::Null);
        for word in text.split_inclusive(' ') {
            stream += &piece(json!({ "content": word }), Value::Null);
        }
        stream += &piece(json!({}), "stop".into());
        return events(stream + "data: [DONE]\n\n");
    }
    let message = json!({ "role": "assistant", "content": text });
    let mut whole =
        shape("chat.completion", json!({ "index": 0, "message": message, "finish_reason": "stop" }));
    whole["usage"] = json!({ "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2 });
    Reply::json(200, &whole)
}

fn events(stream: String) -> Reply {
    Reply::text(200, "text/event-stream", stream)
}

/// Anthropic's message, streamed if asked for.
fn anthropic_shaped(request: &Request) -> Reply {
    let bad = |message: &str| anthropic::error(400, "invalid_request_error", message);
    let Some(fields) = request.json() else {
        return bad("The request body is not valid JSON");
    };
    let limit = fields.0.get("max_tokens").and_then(Value::as_u64);
    let (Some(model), Some(text), Some(_)) = (fields.get("model"), words(&fields), limit) else {
        return bad("model, messages and max_tokens: Field required");
    };
    let message = |content: Value, stop: Value| {
        json!({
            "id": format!("msg_{}", random::hex(8)), "type": "message", "role": "assistant", "model": model,
            "content": content, "stop_reason": stop, "stop_sequence": null,
            "usage": { "input_tokens": 1, "output_tokens": 1 },
        })
    };
    if fields.0.get("stream") == Some(&Value::Bool(true)) {
        return anthropic_events(&message(json!([]), Value::Null), &text);
    }
    Reply::json(200, &message(json!([{ "type": "text", "text": text }]), "end_turn".into()))
}

fn anthropic_events(start: &Value, text: &str) -> Reply {
    let mut stream = String::new();
    let mut event = |data: Value| {
        let name = data["type"].as_str().unwrap_or_default();
        stream += &format!("event: {name}\ndata: {data}\n\n");
    };
    event(json!({ "type": "message_start", "message": start }));
    event(
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
    );
    for word in text.split_inclusive(' ') {
        let delta = json!({ "type": "text_delta", "text": word });
        event(json!({ "type": "content_block_delta", "index": 0, "delta": delta }));
    }
    event(json!({ "type": "content_block_stop", "index": 0 }));
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    event(json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 1 } }));
    event(json!({ "type": "message_stop" }));
    events(stream)
}
