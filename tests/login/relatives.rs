//! Logins that end with a key, and those that need a client of one's own: Hugging Face, Poe, NanoGPT, LLM
//! Gateway, Tetrate, and Kimi's second region.

use convocations::broker::Broker;
use convocations::clock::Clock;
use convocations::config::Config;
use convocations::credential::Kind;
use convocations::error::Code;
use convocations::login::Stage;
use convocations::oauth::Failure;
use convocations::services::Services;
use serde_json::{Value, json};

use crate::common::{approve_device, browser, deny_device, fault, http};
use crate::fixture::{Fixture, approve, arrive, parameter, person, visit};

/// A request with what is stored, as a companion plugin makes it.
async fn call(fixture: &Fixture, login: &str) -> u16 {
    let credential = fixture.broker().get(&login.parse().unwrap(), None).await.unwrap();
    let url = format!("{}/chat/completions", credential.base_url.as_deref().unwrap());
    let body = json!({ "model": "sandbox-parrot", "messages": [{ "role": "user", "content": "hello" }] });
    let headers = credential.headers.clone();
    person(move || {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        http::post_json_with(&url, &headers, &body).status
    })
    .await
}

/// Any port, so that the test needs none that is registered.
const ANY_PORT: &str = "[providers.huggingface.login.browser.redirect]\nports = \"any\"\n";

fn hugging_face() -> Fixture {
    let fixture = Fixture::with(ANY_PORT);
    fixture.sandbox.switch(json!({ "huggingface": { "ports": [], "interval": 1 } }));
    fixture
}

#[tokio::test(flavor = "multi_thread")]
async fn hugging_face_by_browser() {
    let fixture = hugging_face();
    let mut login = fixture.start("huggingface", "browser");
    let opened = login.opened().await;
    assert_eq!(parameter(&opened.url, "client_id").as_deref(), Some("sandbox-client"));
    assert_eq!(parameter(&opened.url, "scope").as_deref(), Some("openid profile inference-api"));
    arrive(&approve(&opened.url).await).await;
    let Stage::Done { identity, kind, .. } = login.done().await.stage else { panic!() };
    assert_eq!((identity.as_deref(), kind), (Some("ada"), Kind::Oauth));
    assert_eq!(call(&fixture, "huggingface").await, 200);

    let tokens = fixture.stored("huggingface").unwrap();
    let client = fixture.client_by("huggingface", "browser", &tokens);
    let newer = client.refresh(&tokens).await.unwrap();
    assert_ne!(newer.access_token, tokens.access_token);
    let Err(Failure::Refused(_)) = client.refresh(&tokens).await else { panic!("it was spent") };
}

#[tokio::test(flavor = "multi_thread")]
async fn hugging_face_by_code() {
    let fixture = hugging_face();
    let mut login = fixture.start("huggingface", "device");
    let Stage::DeviceCode { user_code, verification_uri, .. } = login.event().await.stage else { panic!() };
    person(move || approve_device(&verification_uri, user_code.expose(), "grace")).await;
    let Stage::Done { identity, .. } = login.done().await.stage else { panic!() };
    assert_eq!(identity.as_deref(), Some("grace"));
    assert_eq!(call(&fixture, "huggingface").await, 200);
}

/// A client id puts the ways that need one first; without one a key is asked for, and they say what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_ones_own_is_named_or_asked_for() {
    let fixture = hugging_face();
    assert_eq!(
        fixture.services.config.provider("huggingface").unwrap().default_method().unwrap().id,
        "browser"
    );
    assert_eq!(Config::builtin().provider("poe").unwrap().default_method().unwrap().id, "api-key");
    let mut bare = Fixture::new();
    bare.services.config = Config::builtin();
    for (login, page) in [
        (
            "huggingface",
            "https://huggingface.co/settings/applications/new, with the redirect http://localhost:17421/callback",
        ),
        ("poe", "https://poe.com/api/clients, with the redirect http://127.0.0.1/callback"),
    ] {
        let error = bare.try_start(login, Some("browser"), true, true).err().unwrap();
        assert_eq!(error.code(), Code::ConfigInvalid);
        assert!(error.hint().unwrap().contains(page), "{error:?}");
    }
    assert!(bare.dir.files_with(&["17421".to_owned()]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn poe_gives_a_key_for_its_code() {
    let fixture = Fixture::new();
    for seconds in [None, Some(3600)] {
        fixture.sandbox.switch(json!({ "poe": { "expires_in": seconds } }));
        let mut login = fixture.start("poe", "browser");
        let opened = login.opened().await;
        arrive(&approve(&opened.url).await).await;
        let Stage::Done { kind, expires_at, .. } = login.done().await.stage else { panic!() };
        login.over().await;
        assert_eq!((kind, expires_at.is_some()), (Kind::ApiKey, seconds.is_some()));
        assert_eq!(call(&fixture, "poe").await, 200);
    }
    let sent = &fixture.sandbox.calls_of("poe.token")[0]["fields"];
    assert_eq!(sent["grant_type"], "authorization_code");
    assert!(sent.get("code_challenge_method").is_none(), "as RFC 6749 has it: {sent}");
}

/// Poe is a server of RFC 6749, and so has to give `state` back.
#[tokio::test(flavor = "multi_thread")]
async fn poes_answer_without_state_is_refused() {
    let fixture = Fixture::new();
    let mut login = fixture.start("poe", "browser");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    let (bare, _) = callback.split_once("&state=").unwrap();
    assert_eq!(visit(bare).await.status, 400);
    assert_eq!(fixture.sandbox.count("poe.token"), 0);
    arrive(&callback).await;
    login.done().await;
}

async fn code(login: &mut crate::fixture::Login) -> (String, String) {
    let Stage::DeviceCode { user_code, verification_uri, .. } = login.event().await.stage else { panic!() };
    (verification_uri, user_code.expose().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nanogpt_gives_a_key_for_a_code() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "nanogpt": { "interval": 1 } }));
    let mut login = fixture.start("nanogpt", "device");
    let (page, user_code) = code(&mut login).await;
    fixture.sandbox.wait_for_calls("nanogpt.poll", 1);
    person(move || approve_device(&page, &user_code, "ada")).await;
    let Stage::Done { kind, expires_at, .. } = login.done().await.stage else { panic!() };
    assert_eq!((kind, expires_at), (Kind::ApiKey, None));
    assert_eq!(call(&fixture, "nanogpt").await, 200);
    let sent = &fixture.sandbox.calls_of("nanogpt.start")[0]["fields"];
    assert_eq!(sent, &json!({ "client_name": "Convocations for Neovim" }));
}

/// What a poll can be answered with beside a key, and what becomes of the login.
#[tokio::test(flavor = "multi_thread")]
async fn nanogpts_statuses_are_told_apart() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "nanogpt": { "interval": 1 } }));
    let said = |status: u16| json!({ "status": status, "body": { "error": "no" } });
    for (status, code, words) in [
        (410, Code::LoginTimeout, "has expired"),
        (409, Code::ProviderRefused, "has been used already"),
        (404, Code::ProviderRefused, "is not one of its own"),
    ] {
        fixture.sandbox.fault("nanogpt.poll", 1, said(status));
        let error = fixture.start("nanogpt", "device").failed(code).await;
        assert!(error.message().contains(words), "{error:?}");
    }
    // A portal's page and trouble that passes leave it waiting, and 429 slows it down.
    for planted in [json!({ "status": 410, "shape": "html" }), fault::status(503)] {
        fixture.sandbox.fault("nanogpt.poll", 1, planted);
        let mut login = fixture.start("nanogpt", "device");
        let (page, user_code) = self::code(&mut login).await;
        person(move || approve_device(&page, &user_code, "ada")).await;
        login.done().await;
        login.over().await;
    }
    let mut login = fixture.start("nanogpt", "device");
    let (page, user_code) = self::code(&mut login).await;
    person(move || deny_device(&page, &user_code)).await;
    login.failed(Code::LoginTimeout).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn llm_gateways_callback_brings_the_key() {
    let fixture = Fixture::new();
    let mut login = fixture.start("llmgateway", "browser");
    let opened = login.opened().await;
    let sent = |name| parameter(&opened.url, name);
    assert_eq!((sent("org").as_deref(), sent("code_challenge")), (Some("default"), None));
    let callback = approve(&opened.url).await;
    let key = parameter(&callback, "key").unwrap();
    for stray in [callback.replace("state=", "state=x"), callback.split("&state=").next().unwrap().to_owned()]
    {
        assert_eq!(visit(&stray).await.status, 400, "its state alone binds a key to its login");
    }
    // `arrive` holds that the browser is sent on to an address without a query.
    let page = arrive(&callback).await;
    let Stage::Done { kind, expires_at, .. } = login.done().await.stage else { panic!() };
    login.over().await;
    assert_eq!(kind, Kind::ApiKey);
    let (now, days) = (fixture.services.clock.now(), 24 * 3600);
    assert!((89 * days..=90 * days).contains(&(expires_at.unwrap() - now)), "it lasts 90 days");
    let clock = Clock::manual(now + 90 * days);
    let later = Broker::new(Services { clock, ..fixture.services.clone() });
    let error = later.get(&"llmgateway".parse().unwrap(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::LoginExpired);
    assert!(error.hint().unwrap().contains(":ConvLogin llmgateway"), "{error:?}");
    assert_eq!(fixture.stored("llmgateway").unwrap().access_token.expose(), key);
    assert_eq!(call(&fixture, "llmgateway").await, 200);
    assert!(!page.contains(&key) && !login.seen.join("\n").contains(&key));
    assert!(fixture.dir.files_with(&[key]).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn llm_gateways_key_can_be_pasted_and_denied() {
    let fixture = Fixture::new();
    let mut login = fixture.start_headless("llmgateway", Some("browser"));
    let opened = login.opened().await;
    assert_eq!(login.paste("short").await.unwrap_err().code(), Code::InvalidArgument);
    let callback = approve(&opened.url).await;
    let other = callback.replace("state=", "state=x");
    assert_eq!(login.paste(&other).await.unwrap_err().code(), Code::StateMismatch);
    login.paste(&callback).await.unwrap();
    login.done().await;
    login.over().await;

    let mut login = fixture.start("llmgateway", "browser");
    let url = login.opened().await.url;
    let denied = person(move || browser::deny(&url)).await;
    arrive(&denied).await;
    login.failed(Code::LoginDenied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tetrate_mints_a_key() {
    let fixture = Fixture::new();
    for (switches, lasts) in
        [(json!({ "key_name": "key" }), true), (json!({ "key_name": "api_key", "expires_in": 3600 }), false)]
    {
        fixture.sandbox.switch(json!({ "tetrate": switches }));
        let mut login = fixture.start("tetrate", "browser");
        let opened = login.opened().await;
        assert_eq!(parameter(&opened.url, "client_id"), None);
        arrive(&approve(&opened.url).await).await;
        let Stage::Done { kind, expires_at, .. } = login.done().await.stage else { panic!() };
        login.over().await;
        assert_eq!((kind, expires_at.is_none()), (Kind::ApiKey, lasts));
        assert_eq!(call(&fixture, "tetrate").await, 200);
    }
}

/// Each region's login is used and refreshed at its own hosts, and neither is ever tried at the other's.
#[tokio::test(flavor = "multi_thread")]
async fn kimis_regions_are_never_mixed() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "kimi": { "interval": 1 } }));
    for login in ["kimi", "kimi-ai"] {
        let mut running = fixture.start(login, "device");
        let (page, user_code) = code(&mut running).await;
        assert!(page.ends_with(&format!("/{login}/device")), "{page}");
        person(move || approve_device(&page, &user_code, "ada")).await;
        running.done().await;
        running.over().await;
        assert_eq!(call(&fixture, login).await, 200);
    }
    let (mainland, international) = (fixture.stored("kimi").unwrap(), fixture.stored("kimi-ai").unwrap());
    let client = fixture.client_by("kimi-ai", "device", &international);
    client.refresh(&international).await.unwrap();
    let Err(Failure::Refused(_)) = client.refresh(&mainland).await else {
        panic!("a refresh token of the other region")
    };
    let all: Vec<Value> = fixture.sandbox.calls_of("kimi.token");
    assert!(all.iter().all(|call| call["path"].as_str().unwrap().starts_with("/kimi/")));
    // The variable does not say which region its key is of.
    let international = Config::builtin().provider("kimi-ai").unwrap();
    assert!(international.sources.iter().all(|source| source.name() == "login"));
}
