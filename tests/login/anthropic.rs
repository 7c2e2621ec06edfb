//! Anthropic: subscription by callback and by the page that shows `code#state`, and the key made at the
//! console.

use convocations::credential::Kind;
use convocations::error::Code;
use convocations::login::Stage;

use crate::common::browser;
use crate::fixture::{Fixture, approve, arrive, parameter, person};

#[tokio::test(flavor = "multi_thread")]
async fn by_callback() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "subscription");
    let opened = login.opened().await;
    let redirect = parameter(&opened.url, "redirect_uri").unwrap();
    assert_eq!(redirect, format!("http://localhost:{}/callback", opened.port.unwrap()));
    let page = arrive(&approve(&opened.url).await).await;
    assert!(page.contains("ada@sandbox.test"), "{page}");
    let done = login.done().await;
    let Stage::Done { identity, kind, expires_at, .. } = done.stage else { panic!() };
    assert_eq!((identity.as_deref(), kind), (Some("ada@sandbox.test"), Kind::Oauth));
    let tokens = fixture.stored("anthropic").unwrap();
    assert_eq!(tokens.expires_at, expires_at);
    assert!(tokens.refresh_token.is_some());
    let sent = &fixture.sandbox.calls_of("anthropic.token")[0]["fields"];
    assert_eq!(sent["redirect_uri"], redirect.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_addresses_share_nothing() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "subscription");
    let opened = login.opened().await;
    let paste_url = opened.paste_url.unwrap();
    for name in ["state", "code_challenge", "redirect_uri"] {
        let (one, other) = (parameter(&opened.url, name).unwrap(), parameter(&paste_url, name).unwrap());
        assert_ne!(one, other, "{name}");
        assert!(one.len() >= 22, "{name} is short");
    }
    assert_ne!(parameter(&opened.url, "state"), parameter(&opened.url, "code_challenge"));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_the_page_beside_a_waiting_loopback() {
    for bare in [false, true] {
        let fixture = Fixture::new();
        let mut login = fixture.start("anthropic", "subscription");
        let paste_url = login.opened().await.paste_url.unwrap();
        let shown = person(move || browser::approve_and_copy(&paste_url)).await;
        let text =
            if bare { shown.split('#').next().unwrap().to_owned() } else { shown.replace('#', "\n#  ") };
        login.paste(&text).await.unwrap();
        login.done().await;
        let sent = &fixture.sandbox.calls_of("anthropic.token")[0]["fields"];
        assert_eq!(sent["redirect_uri"], fixture.sandbox.at("/anthropic/oauth/code/callback"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_browser_by_the_page_alone() {
    let fixture = Fixture::new();
    let mut login = fixture.start_headless("anthropic", Some("subscription"));
    let opened = login.opened().await;
    assert_eq!((opened.port, opened.paste_url), (None, None));
    let shown = person(move || browser::approve_and_copy(&opened.url)).await;
    login.paste(&shown).await.unwrap();
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_makes_a_key() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "console-key");
    arrive(&approve(&login.opened().await.url).await).await;
    let done = login.done().await;
    assert!(matches!(done.stage, Stage::Done { kind: Kind::ApiKey, expires_at: None, .. }), "{done:?}");
    let tokens = fixture.stored("anthropic").unwrap();
    assert!(tokens.access_token.expose().starts_with("sk-ant-api"), "a key");
    assert_eq!(tokens.refresh_token, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_is_to_be_accepted_once() {
    let fixture = Fixture::new();
    let refused = fixture.try_start("anthropic", Some("subscription"), true, false).err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.hint().unwrap().contains(":ConvLogin anthropic subscription"), "{refused:?}");
    assert_eq!(fixture.sandbox.calls()["total"], 0);
    let mut login = fixture.start("anthropic", "subscription");
    arrive(&approve(&login.opened().await.url).await).await;
    login.done().await;
    let mut again = fixture.try_start("anthropic", Some("subscription"), true, false).unwrap();
    again.opened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oauth_token_that_is_pasted_as_a_key_is_kept_as_one() {
    let fixture = Fixture::new();
    for (text, kind) in [("sk-ant-oat01-x", "oauth"), ("sk-ant-api03-x", "api-key")] {
        let mut login = fixture.start("anthropic", "api-key");
        login.event().await;
        login.paste(text).await.unwrap();
        login.done().await;
        login.over().await;
        let index = fixture.services.store.index().unwrap();
        assert_eq!(index.logins[&"anthropic".parse().unwrap()].kind.as_str(), kind);
    }
}
