//! The consent page, with a callback or without one.

use url::Url;

use crate::codes::{Challenge, Grant};
use crate::consent::{self, Decision};
use crate::openrouter::error;
use crate::pages::{self, Ask};
use crate::reply::{Reply, add_query};
use crate::request::{Params, Request};
use crate::world::World;

#[derive(Debug)]
pub struct Asked {
    callback_url: Option<String>,
    challenge: Option<Challenge>,
    key_label: String,
    state: Option<String>,
    referrer: Option<String>,
}

/// What OpenRouter knows a program by.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    callback_url: Url,
    referrer: Option<Url>,
}

impl App {
    fn of(asked: &Asked) -> Option<Self> {
        let url = |text: &String| Url::parse(text).ok();
        Some(Self {
            callback_url: asked.callback_url.as_ref().and_then(url)?,
            referrer: asked.referrer.as_ref().and_then(url),
        })
    }

    fn without_port(mut self) -> Self {
        let _ = self.callback_url.set_port(None);
        let _ = self.referrer.as_mut().map(|referrer| referrer.set_port(None));
        self
    }

    /// Whether the referrer is where the callback leads.
    fn is_of_one_place(&self) -> bool {
        self.referrer.as_ref().is_none_or(|referrer| referrer.origin() == self.callback_url.origin())
    }
}

pub fn auth(world: &mut World, request: &Request) -> Reply {
    let asked = match asked(&request.params()) {
        Ok(asked) => asked,
        Err(message) => return pages::problem(400, "OpenRouter", &message),
    };
    if let Some(decision) = consent::by_switch(world.switches.consent) {
        return decided(world, asked, decision);
    }
    let app = request.params().text("client_id");
    let app = app.or_else(|| asked.callback_url.as_deref().and_then(host_of)).unwrap_or("A program".into());
    let back = asked.callback_url.clone().unwrap_or("nowhere: this page will show a code".into());
    let label = asked.key_label.clone();
    let id = world.openrouter.waiting.ask(asked);
    pages::ask(&Ask {
        provider: "OpenRouter",
        app: &app,
        facts: &[
            ("Sends you back to", &back),
            ("Key name", &label),
            ("It gets", "a key that spends your credits"),
        ],
        scopes: &[],
        action: "/openrouter/auth/consent",
        request: &id,
    })
}

fn asked(params: &Params) -> Result<Asked, String> {
    if let Some(name) = params.repeated() {
        return Err(format!("Parameter {name} is given twice."));
    }
    let callback_url = params.text("callback_url");
    if let Some(callback) = &callback_url {
        check_callback(callback)?;
    }
    let challenge = challenge(params)?;
    if callback_url.is_none() && challenge.is_none() {
        return Err("code_challenge is required without a callback_url.".to_owned());
    }
    let key_label = params.text("key_label").unwrap_or("Sandbox key".to_owned());
    if key_label.chars().count() > 100 {
        return Err("key_label may have at most 100 characters.".to_owned());
    }
    let (state, referrer) = (params.text("state"), params.text("referrer"));
    Ok(Asked { callback_url, challenge, key_label, state, referrer })
}

fn check_callback(callback: &str) -> Result<(), String> {
    let parsed = Url::parse(callback).map_err(|_| "callback_url is not a URL.".to_owned())?;
    let loopback = matches!(parsed.host_str(), Some("localhost" | "127.0.0.1"));
    match (parsed.scheme(), loopback) {
        ("https", _) | ("http", true) => Ok(()),
        _ => Err("callback_url must be https, or http on localhost or 127.0.0.1.".to_owned()),
    }
}

fn challenge(params: &Params) -> Result<Option<Challenge>, String> {
    let method = params.text("code_challenge_method");
    if !matches!(method.as_deref(), None | Some("S256" | "plain")) {
        return Err("Invalid code_challenge_method".to_owned());
    }
    let value = params.text("code_challenge");
    if value.is_none() && method.is_some() {
        return Err("code_challenge_method is given without code_challenge.".to_owned());
    }
    Ok(value.map(|value| Challenge { value, method }))
}

fn host_of(callback: &str) -> Option<String> {
    let url = Url::parse(callback).ok()?;
    Some(match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    })
}

pub fn answer(world: &mut World, request: &Request) -> Reply {
    match world.openrouter.waiting.answered(request, "OpenRouter") {
        Ok((asked, decision)) => decided(world, asked, decision),
        Err(page) => page,
    }
}

fn decided(world: &mut World, asked: Asked, decision: Decision) -> Reply {
    let state = asked.state.clone().filter(|_| world.switches.openrouter.echo_state);
    let state = state.as_deref().map(|state| ("state", state));
    let Decision::Approve(account) = decision else {
        return match &asked.callback_url {
            Some(callback) => Reply::redirect(&with_state(callback, ("error", "access_denied"), state)),
            None => pages::page(200, "Denied", "<p>No key was made. You can close this page.</p>"),
        };
    };
    if !update_app(world, &asked) {
        return error(
            409,
            "Failed to create or update app while creating auth code. Please try again later.",
        );
    }
    let code = world.openrouter.codes.issue(Grant {
        client_id: asked.key_label,
        redirect_uri: asked.callback_url.clone(),
        challenge: asked.challenge,
        state: asked.state.clone(),
        scopes: Vec::new(),
        account,
        via: "auth",
        resource: None,
        issued_at: world.clock.now(),
        spent: None,
    });
    match &asked.callback_url {
        Some(callback) => Reply::redirect(&with_state(callback, ("code", &code), state)),
        None => pages::code("Your code", pages::PASTE, &code),
    }
}

/// Makes or finds the program's app; whether that worked.
fn update_app(world: &mut World, asked: &Asked) -> bool {
    let Some(app) = App::of(asked) else { return true };
    let known = world.openrouter.app.get_or_insert_with(|| app.clone()).clone();
    let is_same = match world.switches.openrouter.one_callback {
        true => app == known,
        false => app.clone().without_port() == known.without_port(),
    };
    is_same && app.is_of_one_place()
}

fn with_state(callback: &str, first: (&str, &str), state: Option<(&str, &str)>) -> String {
    let params: Vec<(&str, &str)> = std::iter::once(first).chain(state).collect();
    add_query(callback, &params)
}
