//! Hugging Face: OAuth with and without a browser for public clients that somebody registered, and a router
//! that takes its tokens, and keys, where they may infer.

use serde_json::{Value, json};
use url::Url;

use crate::account::Account;
use crate::codes::{Challenge, Codes};
use crate::consent::{self, Decision, PublicClient, Waiting};
use crate::device::{self, Devices, Poll, Wanted};
use crate::pages::{self, Ask};
use crate::provider::Provider;
use crate::reply::Reply;
use crate::request::{Fields, Params, Request, words};
use crate::routes::Route;
use crate::tokens::{Session, Tokens};
use crate::world::World;
use crate::{chat, keys, random};

/// The routes under `/huggingface`.
pub const ROUTES: &[Route] = &[
    Route::new("huggingface.authorize", "GET", "/huggingface/oauth/authorize", authorize),
    Route::new("huggingface.consent", "POST", "/huggingface/oauth/authorize", answer),
    Route::new("huggingface.token", "POST", "/huggingface/oauth/token", token),
    Route::new("huggingface.device-code", "POST", "/huggingface/oauth/device", device_code),
    Route::new("huggingface.device-page", "GET", "/huggingface/oauth/device", device_page),
    Route::new("huggingface.device-answer", "POST", "/huggingface/oauth/device/answer", device_answer),
    Route::new("huggingface.userinfo", "GET", "/huggingface/oauth/userinfo", userinfo),
    Route::new("huggingface.chat", "POST", "/huggingface/router/v1/chat/completions", completion),
];

/// The public client that somebody registered here.
pub const CLIENT_ID: &str = "sandbox-client";

/// Hub documentation, "OAuth".
const SCOPES: &str = "openid profile email read-billing read-repos gated-repos contribute-repos write-repos \
                      manage-repos inference-api jobs webhooks write-discussions";

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What Hugging Face remembers.
#[derive(Debug, Default)]
pub struct HuggingFace {
    waiting: Waiting<PublicClient>,
    codes: Codes,
    devices: Devices,
    tokens: Tokens,
}

impl Provider for HuggingFace {
    fn report(&self, now: i64) -> Value {
        json!({
            "tokens": self.tokens.report(now), "codes": self.codes.report(now),
            "device_codes": self.devices.ever(),
        })
    }

    fn tokens(&mut self) -> Option<&mut Tokens> {
        Some(&mut self.tokens)
    }
}

/// The tokens of a login.
pub fn mint(world: &mut World, kind: &str, account: &'static Account) -> Option<Value> {
    if kind != "oauth" {
        return None;
    }
    let family = open(world, account, words("openid profile inference-api"), "mint");
    granted(world, family, None).body_json()
}

fn open(world: &mut World, account: &'static Account, scopes: Vec<String>, via: &'static str) -> usize {
    let client_id = CLIENT_ID.to_owned();
    world.huggingface.tokens.open(Session { client_id, account, scopes, via, resource: None })
}

fn are_known(scopes: &[String]) -> bool {
    scopes.iter().all(|scope| SCOPES.split_whitespace().any(|known| known == scope))
}

fn authorize(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(world, &request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "Hugging Face", message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let (back, scopes) = (asked.redirect_uri.clone(), asked.scopes.clone());
    let id = world.huggingface.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "Hugging Face",
        app: "An app of your own",
        facts: &[("Sends you back to", &back)],
        scopes: &scopes,
        action: "/huggingface/oauth/authorize",
        request: &id,
    })
}

/// A request whose redirect is one that is registered, to the port.
fn asked(world: &World, params: &Params) -> Result<PublicClient, &'static str> {
    if params.repeated().is_some() || params.get("response_type") != Some("code") {
        return Err("response_type is not code, or a parameter stands there twice.");
    }
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err("client_id is unknown.");
    }
    let ports = &world.switches.huggingface.ports;
    let registered = |uri: &String| {
        Url::parse(uri).is_ok_and(|url| {
            let port = url.port().unwrap_or_default();
            let here = url.scheme() == "http" && url.host_str() == Some("localhost");
            here && url.path() == "/callback" && (ports.is_empty() || ports.contains(&port))
        })
    };
    let redirect_uri =
        params.text("redirect_uri").filter(registered).ok_or("redirect_uri is not registered.")?;
    let is_s256 = params.get("code_challenge_method") == Some("S256");
    let value = params.text("code_challenge").filter(|value| is_s256 && value.len() == 43);
    let value = value.ok_or("A public app has to send an S256 code_challenge.")?;
    let scopes = params.scopes();
    if !are_known(&scopes) {
        return Err("A scope is unknown.");
    }
    let challenge = Challenge { value, method: Some("S256".to_owned()) };
    let state = params.text("state");
    Ok(PublicClient { client_id: CLIENT_ID, redirect_uri, state, challenge, scopes })
}

fn answer(world: &mut World, request: &Request) -> Reply {
    match world.huggingface.waiting.answered(request, "Hugging Face") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: PublicClient, decision: Decision) -> Reply {
    let now = world.clock.now();
    asked.send_back(&mut world.huggingface.codes, decision, now)
}

fn error(code: &str) -> Reply {
    Reply::oauth_error(400, code, "See the code.")
}

/// The form of a request by the client.
fn fields(request: &Request) -> Result<Fields, Reply> {
    let fields = request.form().ok_or_else(|| error("invalid_request"))?;
    match fields.get("client_id") == Some(CLIENT_ID) {
        true => Ok(fields),
        false => Err(Reply::oauth_error(401, "invalid_client", "Unknown client.")),
    }
}

fn token(world: &mut World, request: &Request) -> Reply {
    let fields = match fields(request) {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    match fields.get("grant_type") {
        Some("authorization_code") => exchanged(world, &fields),
        Some(DEVICE_GRANT) => polled(world, fields.or_empty("device_code")),
        Some("refresh_token") => refresh(world, fields.or_empty("refresh_token")),
        _ => error("unsupported_grant_type"),
    }
}

fn exchanged(world: &mut World, fields: &Fields) -> Reply {
    let now = world.now();
    let grant = world.huggingface.codes.get_mut(fields.or_empty("code"));
    let Some(grant) = grant.filter(|grant| grant.spent.is_none() && !grant.is_expired(now)) else {
        return error("invalid_grant");
    };
    grant.spent = Some(0);
    let verifier = fields.or_empty("code_verifier");
    let is_proven = grant.challenge.as_ref().is_some_and(|challenge| challenge.is_met_by(verifier));
    if !is_proven || grant.redirect_uri.as_deref() != fields.get("redirect_uri") {
        return error("invalid_grant");
    }
    let (account, scopes) = (grant.account, grant.scopes.clone());
    let family = open(world, account, scopes, "authorize");
    granted(world, family, None)
}

fn device_code(world: &mut World, request: &Request) -> Reply {
    let fields = match fields(request) {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    let scopes = words(fields.or_empty("scope"));
    if !are_known(&scopes) {
        return error("invalid_scope");
    }
    let interval = world.switches.huggingface.interval;
    let wanted = Wanted { client_id: CLIENT_ID.to_owned(), scopes, resource: None, interval, lifetime: 900 };
    let (now, consent) = (world.clock.now_ms(), world.switches.consent);
    let (device_code, user_code) = world.huggingface.devices.start(wanted, now, consent);
    let page = format!("{}/huggingface/oauth/device", world.base);
    Reply::json(
        200,
        &json!({
            "device_code": device_code, "user_code": user_code, "verification_uri": page,
            "expires_in": 900, "interval": interval,
        }),
    )
}

fn polled(world: &mut World, device_code: &str) -> Reply {
    let now = world.clock.now_ms();
    match world.huggingface.devices.poll(device_code, CLIENT_ID, now, false) {
        Poll::Pending => error("authorization_pending"),
        Poll::SlowDown(_) => error("slow_down"),
        Poll::Denied => error("access_denied"),
        Poll::Expired => error("expired_token"),
        Poll::Unknown => error("invalid_grant"),
        Poll::Granted(device, account) => {
            let family = open(world, account, device.scopes, "device");
            granted(world, family, None)
        }
    }
}

fn refresh(world: &mut World, presented: &str) -> Reply {
    let rules = world.switches.huggingface.tokens.clone();
    match world.huggingface.tokens.spend(presented, CLIENT_ID, &rules) {
        Ok(family) => granted(world, family, Some(presented)),
        Err(_) => error("invalid_grant"),
    }
}

fn granted(world: &mut World, family: usize, presented: Option<&str>) -> Reply {
    let (rules, now) = (&world.switches.huggingface.tokens, world.clock.now());
    let tokens = &mut world.huggingface.tokens;
    let access = format!("hf_oauth_{}", random::token());
    tokens.add_access(family, &access, now, rules.lifetime);
    let mut body = json!({ "access_token": access, "scope": tokens.session(family).scopes.join(" ") });
    if let Some(refresh) = tokens.next_refresh(family, presented, random::token(), rules) {
        body["refresh_token"] = refresh.into();
    }
    rules.describe(&mut body);
    Reply::json(200, &body)
}

fn device_page(_: &mut World, request: &Request) -> Reply {
    device::page_posting_to("Hugging Face", "/huggingface/oauth/device/answer", request)
}

fn device_answer(world: &mut World, request: &Request) -> Reply {
    let Some((user_code, decision)) = device::submitted(request) else {
        return pages::problem(400, "Hugging Face", "The form is not complete.");
    };
    let now = world.clock.now_ms();
    device::done("Hugging Face", world.huggingface.devices.answer(&user_code, decision, now), decision)
}

fn session<'a>(world: &'a World, request: &Request, scope: &str) -> Option<&'a Session> {
    let session = world.huggingface.tokens.check(request.bearer()?, world.now()).ok()?;
    session.scopes.iter().any(|granted| granted == scope).then_some(session)
}

fn userinfo(world: &mut World, request: &Request) -> Reply {
    match session(world, request, "profile") {
        Some(session) => Reply::json(
            200,
            &json!({ "sub": session.account.uuid, "preferred_username": session.account.login }),
        ),
        None => Reply::json(401, &json!({ "error": "Invalid username or password." })),
    }
}

fn completion(world: &mut World, request: &Request) -> Reply {
    let refused = |status: u16, message: &str| Reply::json(status, &json!({ "error": message }));
    match session(world, request, "inference-api").is_some() || keys::is_good(world, request) {
        true => chat::openai_shaped(request, &|message| refused(400, message)),
        false => refused(401, "Invalid username or password."),
    }
}
