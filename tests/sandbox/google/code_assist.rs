//! The steps that prepare an account for Code Assist.

use serde_json::json;

use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

fn refusal(world: &World, request: &Request) -> Option<Reply> {
    let good = request.bearer().is_some_and(|token| world.google.tokens.check(token, world.now()).is_ok());
    let error =
        json!({ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "Invalid credentials" } });
    (!good).then(|| Reply::json(401, &error))
}

pub fn load(world: &mut World, request: &Request) -> Reply {
    if let Some(refusal) = refusal(world, request) {
        return refusal;
    }
    if world.switches.google.validation_required {
        let reason = json!({
            "reasonCode": "VALIDATION_REQUIRED", "reasonMessage": "Verify your account to continue.",
            "validationUrl": format!("{}/google/verify", world.base),
        });
        return Reply::json(200, &json!({ "ineligibleTiers": [reason] }));
    }
    let tier = json!({ "id": "free-tier", "name": "Free", "isDefault": true });
    match world.google.onboarded {
        true => {
            Reply::json(200, &json!({ "currentTier": tier, "cloudaicompanionProject": "sandbox-project" }))
        }
        false => Reply::json(200, &json!({ "allowedTiers": [tier] })),
    }
}

pub fn onboard(world: &mut World, request: &Request) -> Reply {
    if let Some(refusal) = refusal(world, request) {
        return refusal;
    }
    let fields = request.json();
    let project = fields.as_ref().and_then(|fields| fields.get("cloudaicompanionProject"));
    if project.is_some() {
        let message = "Precondition check failed.";
        let error = json!({ "error": { "code": 400, "status": "FAILED_PRECONDITION", "message": message } });
        return Reply::json(400, &error);
    }
    world.google.polls = 0;
    progress(world)
}

pub fn operation(world: &mut World, request: &Request) -> Reply {
    refusal(world, request).unwrap_or_else(|| progress(world))
}

/// The long-running operation: not done the first two times (switch `google.operation_polls`).
fn progress(world: &mut World) -> Reply {
    let name = "operations/sandbox";
    if world.google.polls < world.switches.google.operation_polls {
        world.google.polls += 1;
        return Reply::json(200, &json!({ "name": name, "done": false }));
    }
    world.google.onboarded = true;
    let response = json!({ "cloudaicompanionProject": { "id": "sandbox-project" } });
    Reply::json(200, &json!({ "name": name, "done": true, "response": response }))
}
