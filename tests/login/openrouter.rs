//! OpenRouter: by callback with the secret in the path, by a code shown on its page, by a key.

use convocations::credential::Kind;
use convocations::error::Code;
use convocations::login::{Input, Stage};

use crate::common::browser;
use crate::desk::{Desk, approve, arrive, listens, parameter, person, visit};

#[tokio::test(flavor = "multi_thread")]
async fn by_callback() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let opened = login.opened().await;
    let port = opened.port.unwrap();
    let callback = approve(&opened.url).await;
    assert!(!callback.contains("state="), "{callback}");
    let page = arrive(&callback).await;
    assert!(page.contains("You are signed in to OpenRouter") && page.contains("an encrypted file"), "{page}");
    login.exchanging().await;
    let done = login.done().await;
    assert_eq!(done.login.as_str(), "openrouter");
    assert!(matches!(done.stage, Stage::Done { kind: Kind::ApiKey, expires_at: None, .. }), "{done:?}");
    login.over().await;
    assert!(!listens(port));
    let key = desk.stored("openrouter").unwrap().access_token;
    assert!(desk.sandbox.tokens().to_string().contains(key.expose()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_is_the_secret() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let opened = login.opened().await;
    let callback = url::Url::parse(&parameter(&opened.url, "callback_url").unwrap()).unwrap();
    let secret = callback.path_segments().unwrap().next_back().unwrap();
    assert!(secret.len() >= 43, "256 bits as base64url");
    let mut guess = callback.clone();
    guess.set_path(&callback.path().replace(secret, &"A".repeat(secret.len())));
    assert_eq!(visit(&format!("{guess}?code=stolen")).await.status, 404);
    arrive(&approve(&opened.url).await).await;
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_pasted_address_and_by_pasted_code() {
    for whole in [true, false] {
        let desk = Desk::new();
        let mut login = desk.start("openrouter", "browser");
        let callback = approve(&login.opened().await.url).await;
        let text = if whole { format!(" <{callback}>\n") } else { parameter(&callback, "code").unwrap() };
        login.paste(&text).await.unwrap();
        login.done().await;
        assert!(desk.stored("openrouter").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_code_shown_on_the_page() {
    let desk = Desk::new();
    for method in [Some("code"), None] {
        let mut login = desk.start_headless("openrouter", method);
        let opened = login.opened().await;
        assert_eq!((opened.port, parameter(&opened.url, "callback_url")), (None, None));
        let code = person(move || browser::approve_and_copy(&opened.url)).await;
        let (left, right) = code.split_at(code.len() / 2);
        login.paste(&format!("{left}\n  {right}\n")).await.unwrap();
        let done = login.done().await;
        assert_eq!(done.method, "code");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_key_that_the_person_has() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "api-key");
    let first = login.event().await;
    assert!(
        matches!(&first.stage, Stage::Waiting { input: Input::ApiKey, label: Some(label), .. } if label.contains("OpenRouter")),
        "{first:?}"
    );
    assert_eq!(login.paste("two words").await.unwrap_err().code(), Code::InvalidArgument);
    login.paste(" 'sk-or-v1-typed' ").await.unwrap();
    login.done().await;
    assert_eq!(desk.stored("openrouter").unwrap().access_token.expose(), "sk-or-v1-typed");
    assert_eq!(desk.sandbox.calls()["total"], 0);
}
