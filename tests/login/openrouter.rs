//! OpenRouter: by a callback whose address stays the same, by a code shown on its page, by a key.

use convocations::credential::Kind;
use convocations::error::Code;
use convocations::login::{Input, Stage};

use serde_json::json;

use crate::common::{browser, http};
use crate::fixture::{Fixture, approve, arrive, listens, parameter, person, visit};

#[tokio::test(flavor = "multi_thread")]
async fn by_callback() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let port = opened.port.unwrap();
    let callback = approve(&opened.url).await;
    assert!(!callback.contains("state=") && parameter(&opened.url, "state").is_some(), "{callback}");
    let page = arrive(&callback).await;
    assert!(page.contains("You are logged in to OpenRouter") && page.contains("an encrypted file"), "{page}");
    login.exchanging().await;
    let done = login.done().await;
    assert_eq!(done.login.as_str(), "openrouter");
    assert!(matches!(done.stage, Stage::Done { kind: Kind::ApiKey, expires_at: None, .. }), "{done:?}");
    login.over().await;
    assert!(!listens(port));
    let key = fixture.stored("openrouter").unwrap().access_token;
    assert!(fixture.sandbox.tokens().to_string().contains(key.expose()));
}

/// A port that nobody has, which the settings name.
fn settled_port() -> (u16, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    (port, format!("[callback]\nport = {port}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_logins_send_the_same_callback_url_and_referrer() {
    let (port, config) = settled_port();
    let fixture = Fixture::with(&config);
    fixture.sandbox.switch(json!({ "openrouter": { "one_callback": true } }));
    for _ in 0..2 {
        let mut login = fixture.start("openrouter", "browser");
        let opened = login.opened().await;
        assert_eq!((opened.port, opened.notice), (Some(port), None));
        let sent = |name| parameter(&opened.url, name).unwrap();
        assert_eq!(sent("callback_url"), format!("http://localhost:{port}/api/openrouter/oauth/callback"));
        assert_eq!(sent("referrer"), format!("http://localhost:{port}"));
        arrive(&approve(&opened.url).await).await;
        login.done().await;
        login.over().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_port_may_be_answered_409_and_the_login_says_what_to_do() {
    let (port, config) = settled_port();
    let fixture = Fixture::with(&config);
    fixture.sandbox.switch(json!({ "openrouter": { "one_callback": true } }));
    let mut login = fixture.start("openrouter", "browser");
    arrive(&approve(&login.opened().await.url).await).await;
    login.done().await;
    login.over().await;
    let held = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let notice = opened.notice.unwrap();
    for word in [&*format!("Port {port} is taken"), "409", "RCONV_HTTP_PORT", "`:ConvLogin openrouter code`"]
    {
        assert!(notice.contains(word), "{word} in {notice}");
    }
    let refused = person(move || browser::open(&opened.url).press("approve", &[])).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text().contains("Failed to create or update app"), "{}", refused.text());
    drop(held);
}

/// A page of somebody else that has found the address, and a program that has too.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_all_the_while_end_nothing_and_the_right_one_completes() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let at = format!("http://localhost:{}/api/openrouter/oauth/callback", opened.port.unwrap());
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let nuisances: Vec<_> = ["code=stolen", "error=access_denied", "code=forged&state=forged"]
        .map(|query| {
            let (is_over, url) = (is_over.clone(), format!("{at}?{query}"));
            std::thread::spawn(move || {
                let mut statuses = Vec::new();
                while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
                    statuses
                        .extend(http::try_request("GET", &url, &headers, b"").map(|answer| answer.status));
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                statuses
            })
        })
        .into();
    let (said, by_provider) = login.told().await;
    assert!(!said.is_empty(), "{by_provider}");
    fixture.sandbox.wait_for_calls("openrouter.keys", 2);
    assert!(fixture.stored("openrouter").is_none());
    let page = arrive(&approve(&opened.url).await).await;
    assert!(page.contains("You are logged in to OpenRouter"), "{page}");
    login.done().await;
    is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    for nuisance in nuisances {
        let statuses = nuisance.join().unwrap();
        assert!(statuses.iter().filter(|status| **status == 400).count() > 1, "{statuses:?}");
    }
    login.over().await;
    assert!(fixture.stored("openrouter").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_comes_back_is_checked() {
    let fixture = Fixture::new();
    fixture.echo_state();
    let mut login = fixture.start("openrouter", "browser");
    let callback = approve(&login.opened().await.url).await;
    let state = parameter(&callback, "state").unwrap();
    assert!(state.len() >= 43, "256 bits as base64url");
    assert_eq!(visit(&callback.replace(&state, &"A".repeat(state.len()))).await.status, 400);
    assert_eq!(fixture.sandbox.count("openrouter.keys"), 0, "nothing is tried with another login's state");
    arrive(&callback).await;
    login.exchanging().await;
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_without_state_is_told_and_the_login_waits_on() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let url = login.opened().await.url;
    let denied = {
        let url = url.clone();
        person(move || browser::deny(&url)).await
    };
    let page = visit(&denied).await;
    assert_eq!(page.status, 400);
    assert!(page.text().contains("cancel it in Neovim"), "{}", page.text());
    assert_eq!(login.told().await, ("The login to OpenRouter was not allowed.".to_owned(), true));
    arrive(&approve(&url).await).await;
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_path_that_is_the_secret_where_the_settings_say_so() {
    let fixture = Fixture::with(
        "[providers.openrouter.login.browser.redirect]\nhost = \"localhost\"\nports = \"any\"\n\
         path = \"/mine\"\nnonce = true\n[providers.openrouter.login.browser.authorize_params]\nreferrer = \"me\"\n",
    );
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let callback = url::Url::parse(&parameter(&opened.url, "callback_url").unwrap()).unwrap();
    let secret = callback.path().strip_prefix("/mine/").unwrap();
    assert!(secret.len() >= 43, "256 bits as base64url");
    assert_eq!(parameter(&opened.url, "referrer").as_deref(), Some("me"));
    let mut guess = callback.clone();
    guess.set_path(&callback.path().replace(secret, &"A".repeat(secret.len())));
    assert_eq!(visit(&format!("{guess}?code=stolen")).await.status, 404);
    arrive(&approve(&opened.url).await).await;
    login.exchanging().await;
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_code_that_is_not_accepted_ends_nothing() {
    let fixture = Fixture::new();
    let mut login = fixture.start_headless("openrouter", Some("code"));
    let opened = login.opened().await;
    for slip in
        ["see you at ten", "too-short", "sk-or-v1-0123456789abcdef0123456789abcdef", "{not-a-code-at-all}"]
    {
        assert_eq!(login.paste(slip).await.unwrap_err().code(), Code::InvalidArgument, "{slip}");
    }
    assert_eq!(fixture.sandbox.count("openrouter.keys"), 0, "nothing of that is sent");
    login.paste("0123456789abcdef0123456789abcdef").await.unwrap();
    login.exchanging().await;
    let (said, by_provider) = login.told().await;
    assert!(said.contains("code") && by_provider, "{said}");
    let code = person(move || browser::approve_and_copy(&opened.url)).await;
    login.paste(&code).await.unwrap();
    login.done().await;
    let late = login.paste(&code).await.unwrap_err();
    assert!(late.message().contains("ended already"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_pasted_address_and_by_pasted_code() {
    for whole in [true, false] {
        let fixture = Fixture::new();
        let mut login = fixture.start("openrouter", "browser");
        let callback = approve(&login.opened().await.url).await;
        let text = if whole { format!(" <{callback}>\n") } else { parameter(&callback, "code").unwrap() };
        login.paste(&text).await.unwrap();
        login.done().await;
        assert!(fixture.stored("openrouter").is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_code_shown_on_the_page() {
    let fixture = Fixture::new();
    for method in [Some("code"), None] {
        let mut login = fixture.start_headless("openrouter", method);
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
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "api-key");
    let first = login.event().await;
    assert!(
        matches!(&first.stage, Stage::Waiting { input: Input::ApiKey, label: Some(label), .. } if label.contains("OpenRouter")),
        "{first:?}"
    );
    assert_eq!(login.paste("two words").await.unwrap_err().code(), Code::InvalidArgument);
    login.paste(" 'sk-or-v1-typed' ").await.unwrap();
    login.done().await;
    assert_eq!(fixture.stored("openrouter").unwrap().access_token.expose(), "sk-or-v1-typed");
    assert_eq!(fixture.sandbox.calls()["total"], 0);
}
