//! GitHub Copilot, ChatGPT and Kimi: their own ways in, and a request to the API with what comes out.

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login::Stage;
use convocations::oauth::{Failure, Revocation};
use convocations::protocol::Credential;
use serde_json::{Value, json};

use crate::common::{approve_device, fault, http};
use crate::fixture::{Fixture, approve, arrive, parameter, person};

/// A login by device code, approved by Ada; returns what is stored.
async fn by_code(fixture: &Fixture, login: &str, method: &str) -> Tokens {
    let mut running = fixture.start(login, method);
    let event = running.event().await;
    let Stage::DeviceCode { user_code, verification_uri, .. } = event.stage else { panic!("{event:?}") };
    assert!(verification_uri.starts_with(fixture.sandbox.url()), "{verification_uri}");
    person(move || approve_device(&verification_uri, user_code.expose(), "ada")).await;
    running.done().await;
    running.over().await;
    fixture.stored(login).unwrap()
}

fn credential(fixture: &Fixture, login: &str, tokens: &Tokens) -> Credential {
    let provider = fixture.services.config.provider(login).unwrap();
    provider.credential(&login.parse().unwrap(), "login", Kind::Oauth, tokens, 1)
}

/// A request as a companion plugin makes it: base URL and headers of the credential, and nothing else.
async fn call(credential: &Credential, path: &str, body: Value) -> u16 {
    let url = format!("{}{path}", credential.base_url.as_deref().unwrap());
    let headers = credential.headers.clone();
    person(move || {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        let answer = http::post_json_with(&url, &headers, &body);
        if answer.status != 200 {
            eprintln!("{}", answer.text());
        }
        answer.status
    })
    .await
}

fn chat() -> Value {
    json!({ "model": "sandbox-parrot", "messages": [{ "role": "user", "content": "hello" }] })
}

async fn refresh(fixture: &Fixture, login: &str, method: &str, tokens: &Tokens) -> Result<Tokens, Failure> {
    fixture.client_by(login, method, tokens).refresh(tokens).await
}

#[tokio::test(flavor = "multi_thread")]
async fn copilot_by_its_second_token() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "github": { "interval": 1, "endpoint": "business" } }));
    let tokens = by_code(&fixture, "github-copilot", "device").await;
    assert_eq!(tokens.identity.as_deref(), Some("ada@sandbox.test"));
    let left = tokens.expires_at.unwrap() - fixture.services.clock.now();
    assert!((1700..=1800).contains(&left), "{left}");
    let used = credential(&fixture, "github-copilot", &tokens);
    assert_eq!(
        used.base_url,
        Some(fixture.sandbox.at("/github/copilot-business")),
        "as the token's answer says"
    );
    assert_eq!(call(&used, "/chat/completions", chat()).await, 200);

    let newer = refresh(&fixture, "github-copilot", "device", &tokens).await.unwrap();
    assert_ne!(newer.access_token, tokens.access_token);
    assert_eq!(newer.base_token, tokens.base_token, "the GitHub token stays underneath");
    assert_eq!(call(&credential(&fixture, "github-copilot", &newer), "/chat/completions", chat()).await, 200);

    fixture.sandbox.revoke_all("github");
    let Err(Failure::Refused(_)) = refresh(&fixture, "github-copilot", "device", &newer).await else {
        panic!("the GitHub token has ended")
    };
    let revoked = fixture.client("github-copilot", &newer).revoke(&newer).await.unwrap();
    let Revocation::Unsupported { page } = revoked else { panic!("GitHub has no such address") };
    assert!(page.unwrap().ends_with("/settings/apps/authorizations"));
}

/// What ends the login is its refresh token.
#[tokio::test(flavor = "multi_thread")]
async fn openais_login_is_taken_back_though_its_access_token_hangs() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "openai": { "device_interval": 1 } }));
    let tokens = by_code(&fixture, "openai", "device").await;
    fixture.sandbox.plant(json!({ "route": "openai.revoke", "skip": 1, "fault": fault::hang() }));
    let revoked = fixture.client_by("openai", "device", &tokens).revoke(&tokens).await;
    assert_eq!(revoked.unwrap(), Revocation::Revoked);
    assert_eq!(fixture.sandbox.count("openai.revoke"), 2);
}

/// The GitHub token has come and its device code is spent: only the exchange can be tried again.
#[tokio::test(flavor = "multi_thread")]
async fn copilots_exchange_may_fail_in_passing() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "github": { "interval": 1 } }));
    fixture.sandbox.fault("github.copilot-token", 2, fault::status(503));
    let tokens = by_code(&fixture, "github-copilot", "device").await;
    assert!(tokens.base_token.is_some());
    assert_eq!(fixture.sandbox.count("github.copilot-token"), 3);

    fixture.sandbox.fault_for_ever("github.copilot-token", fault::status(503));
    fixture.sandbox.control("consent", json!({ "mode": "auto" }));
    let polls = fixture.sandbox.count("github.token");
    let mut login = fixture.start("github-copilot", "device");
    let error = login.failed(Code::ProviderError).await;
    assert!(error.message().contains("503"), "the true reason: {error:?}");
    assert_eq!(fixture.sandbox.count("github.token"), polls + 1, "a spent code is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn copilot_trouble_is_told_apart() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "github": { "interval": 1 } }));
    let tokens = by_code(&fixture, "github-copilot", "device").await;
    fixture.sandbox.switch(json!({ "github": { "copilot_access": false } }));
    let Err(Failure::Configuration(error)) = refresh(&fixture, "github-copilot", "device", &tokens).await
    else {
        panic!("no plan")
    };
    assert!(error.message().contains("Copilot"), "{error}");
    fixture.sandbox.switch(json!({ "github": { "copilot_access": true } }));
    let portal = json!({ "status": 401, "shape": "html" });
    for planted in [fault::status(503), fault::shape("html"), fault::lost_reply(), portal] {
        fixture.sandbox.fault("github.copilot-token", 1, planted.clone());
        let failure = refresh(&fixture, "github-copilot", "device", &tokens).await.unwrap_err();
        assert!(matches!(failure, Failure::Transient { .. }), "{planted}: {failure:?}");
    }
    // A provider's clock that is an hour off: the token's life is counted by our own.
    for skew in [-3600, 3600] {
        fixture.sandbox.switch(json!({ "github": { "skew": skew } }));
        let newer = refresh(&fixture, "github-copilot", "device", &tokens).await.unwrap();
        let left = newer.expires_at.unwrap() - fixture.services.clock.now();
        assert!((1700..=1800).contains(&left), "{skew}: {left}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copilot_without_the_exchange() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "github": { "interval": 1 } }));
    let tokens = by_code(&fixture, "github-copilot", "direct").await;
    assert_eq!((tokens.expires_at, &tokens.base_token), (None, &None));
    assert_eq!(
        call(&credential(&fixture, "github-copilot", &tokens), "/chat/completions", chat()).await,
        200
    );
    assert_eq!(fixture.sandbox.count("github.copilot-token"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_client_id_is_told_as_such() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "github": { "clients": [] } }));
    let mut login = fixture.start("github-copilot", "direct");
    let error = login.failed(Code::ProviderRefused).await;
    assert!(error.hint().unwrap().contains("client id"), "{error:?}");
}

/// Any port, so that the test needs none of the two that the real thing knows.
const ANY_PORT: &str = "[providers.openai.login.chatgpt.redirect]\nports = \"any\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn chatgpt_by_callback() {
    let fixture = Fixture::with(ANY_PORT);
    fixture.sandbox.switch(json!({ "openai": { "ports": [] } }));
    let mut login = fixture.start("openai", "chatgpt");
    let opened = login.opened().await;
    let redirect = parameter(&opened.url, "redirect_uri").unwrap();
    assert!(redirect.starts_with("http://localhost:") && redirect.ends_with("/auth/callback"), "{redirect}");
    assert_eq!(parameter(&opened.url, "originator").as_deref(), Some("convocations"));
    arrive(&approve(&opened.url).await).await;
    let Stage::Done { identity, .. } = login.done().await.stage else { panic!() };
    assert_eq!(identity.as_deref(), Some("ada@sandbox.test"));
    let tokens = fixture.stored("openai").unwrap();
    assert_eq!(tokens.extra["plan"], "plus");
    let body = json!({ "model": "m", "input": "hello", "store": false, "stream": true });
    assert_eq!(call(&credential(&fixture, "openai", &tokens), "/responses", body.clone()).await, 200);

    fixture.sandbox.switch(json!({ "openai": { "id_token_on_refresh": false } }));
    let newer = refresh(&fixture, "openai", "chatgpt", &tokens).await.unwrap();
    assert_eq!(newer.id_token, tokens.id_token, "what a refresh leaves out is kept");
    assert_eq!(call(&credential(&fixture, "openai", &newer), "/responses", body).await, 200);
    for (status, text) in [(401, false), (400, false), (400, true)] {
        fixture.sandbox.switch(json!({ "openai": { "refused_status": status, "string_error": text } }));
        let failure = refresh(&fixture, "openai", "chatgpt", &tokens).await.unwrap_err();
        assert!(matches!(failure, Failure::Refused(_)), "{status} {text}: {failure:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chatgpt_is_revoked_in_its_own_way() {
    let fixture = Fixture::with(ANY_PORT);
    fixture.sandbox.switch(json!({ "openai": { "ports": [] } }));
    let mut login = fixture.start("openai", "chatgpt");
    let opened = login.opened().await;
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    let tokens = fixture.stored("openai").unwrap();
    let revoked = fixture.client_by("openai", "chatgpt", &tokens).revoke(&tokens).await.unwrap();
    assert_eq!(revoked, Revocation::Revoked);
    let Err(Failure::Refused(_)) = refresh(&fixture, "openai", "chatgpt", &tokens).await else {
        panic!("it was revoked")
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn chatgpt_by_its_own_kind_of_code() {
    for (interval, name, status) in
        [("text", "user_code", 403), ("number", "usercode", 404), ("missing", "user_code", 403)]
    {
        let fixture = Fixture::new();
        let switches = json!({
            "interval": interval, "user_code_name": name, "pending_status": status, "device_interval": 1,
        });
        fixture.sandbox.switch(json!({ "openai": switches }));
        let tokens = by_code(&fixture, "openai", "device").await;
        assert!(tokens.extra.contains_key("account_id") && tokens.refresh_token.is_some(), "{interval}");
    }
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "openai": { "device": false } }));
    let error = fixture.start("openai", "device").failed(Code::ProviderRefused).await;
    assert!(error.message().contains("device codes"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kimi_by_code() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "kimi": { "interval": 1 } }));
    let tokens = by_code(&fixture, "kimi", "device").await;
    assert_eq!(call(&credential(&fixture, "kimi", &tokens), "/chat/completions", chat()).await, 200);
    let newer = refresh(&fixture, "kimi", "device", &tokens).await.unwrap();
    assert_ne!(newer.refresh_token, tokens.refresh_token);
    let Err(Failure::Refused(_)) = refresh(&fixture, "kimi", "device", &tokens).await else {
        panic!("it was spent")
    };
}
