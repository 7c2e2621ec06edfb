//! Logins that fail: each with its own error, a page that says so, and what was stored before untouched.

use convocations::error::Code;
use convocations::login::Stage;
use serde_json::json;

use crate::common::{browser, fault};
use crate::fixture::{Fixture, approve, arrive, person};

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_is_told_in_both_places() {
    for (provider, method) in [("anthropic", "subscription"), ("openrouter", "browser")] {
        let fixture = Fixture::new();
        fixture.echo_state();
        let mut login = fixture.start(provider, method);
        let url = login.opened().await.url;
        let callback = person(move || browser::deny(&url)).await;
        let page = arrive(&callback).await;
        assert!(page.contains("did not work") && page.contains("was not allowed"), "{page}");
        let error = login.failed(Code::LoginDenied).await;
        assert!(error.hint().unwrap().contains(&format!(":ConvLogin {provider}")), "{error:?}");
        login.over().await;
        assert_eq!(fixture.sandbox.count("anthropic.token") + fixture.sandbox.count("openrouter.keys"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_denial_is_one() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "subscription");
    let url = login.opened().await.url;
    let callback = person(move || browser::deny(&url)).await;
    login.paste(&callback).await.unwrap();
    login.failed(Code::LoginDenied).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_code_is_refused_and_the_page_says_so() {
    let fixture = Fixture::new();
    fixture.echo_state();
    let mut login = fixture.start("openrouter", "browser");
    let callback = approve(&login.opened().await.url).await;
    fixture.sandbox.advance(11 * 60);
    let page = arrive(&callback).await;
    assert!(page.contains("The login to OpenRouter did not work"), "{page}");
    login.failed(Code::ProviderRefused).await;
    assert_eq!(fixture.stored("openrouter"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_fails_leaves_the_old_one_as_it_was() {
    let fixture = Fixture::new();
    fixture.echo_state();
    let mut login = fixture.start("openrouter", "browser");
    arrive(&approve(&login.opened().await.url).await).await;
    login.done().await;
    login.over().await;
    let before = (fixture.stored("openrouter"), std::fs::read(fixture.dir.paths().index_file()).unwrap());
    for (planted, code) in [
        (fault::status(500), Code::ProviderError),
        (fault::shape("html"), Code::BadResponse),
        (fault::oauth_error(400, "invalid_grant"), Code::ProviderRefused),
        (fault::rate_limited(7), Code::RateLimited),
    ] {
        fixture.sandbox.fault_for_ever("openrouter.keys", planted);
        let mut login = fixture.start("openrouter", "browser");
        arrive(&approve(&login.opened().await.url).await).await;
        login.failed(code).await;
        login.over().await;
        fixture.sandbox.no_faults();
        let after = (fixture.stored("openrouter"), std::fs::read(fixture.dir.paths().index_file()).unwrap());
        assert_eq!(before, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_fails_the_login_before_it_begins() {
    let fixture = Fixture::new();
    std::fs::write(fixture.dir.paths().index_file(), "version = 99\n").unwrap();
    for (provider, method) in
        [("openrouter", "browser"), ("openrouter", "api-key"), ("anthropic", "console-key")]
    {
        let mut login = fixture.start(provider, method);
        let first = login.event().await;
        assert!(
            matches!(&first.stage, Stage::Failed { error } if error.code() == Code::StoreUnreadable),
            "{first:?}"
        );
    }
    assert_eq!(fixture.sandbox.calls()["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_begin_says_why_at_once() {
    let fixture = Fixture::new();
    let code = |login: &str, method: Option<&str>| {
        fixture.try_start(login, method, true, true).err().map(|error| error.code())
    };
    assert_eq!(code("nobody", None), Some(Code::UnknownLogin));
    assert_eq!(code("openrouter", Some("telepathy")), Some(Code::InvalidArgument));
    assert!(fixture.logins.running().is_empty());
    assert_eq!(fixture.sandbox.calls()["list"], json!([]));
}
