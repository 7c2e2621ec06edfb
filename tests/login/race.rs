//! Callback, paste, cancel and time limit against each other.

use std::time::{Duration, Instant};

use convocations::error::Code;
use convocations::login::Stage;

use crate::common::fault;
use crate::fixture::{Fixture, approve, arrive, listens, parameter, visit};

#[tokio::test(flavor = "multi_thread")]
async fn when_the_paste_wins_the_callback_is_refused() {
    let fixture = Fixture::new();
    fixture.sandbox.fault("anthropic.token", 1, fault::hold("reply"));
    let mut login = fixture.start("anthropic", "subscription");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    login.paste(&callback).await.unwrap();
    login.exchanging().await;
    assert_eq!(visit(&callback).await.status, 409);
    assert_eq!(login.paste(&callback).await.unwrap_err().code(), Code::InvalidArgument);
    fixture.sandbox.release("reply");
    login.done().await;
    login.over().await;
    assert!(!listens(opened.port.unwrap()));
    assert_eq!(fixture.sandbox.count("anthropic.token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_callback_wins_the_paste_is_refused() {
    let fixture = Fixture::new();
    fixture.sandbox.fault("anthropic.token", 1, fault::hold("reply"));
    let mut login = fixture.start("anthropic", "subscription");
    let callback = approve(&login.opened().await.url).await;
    let page = tokio::spawn({
        let callback = callback.clone();
        async move { arrive(&callback).await }
    });
    login.exchanging().await;
    assert_eq!(login.paste(&callback).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(!page.is_finished(), "the page waits for the true end");
    fixture.sandbox.release("reply");
    login.done().await;
    assert!(page.await.unwrap().contains("You are logged in"));
    assert_eq!(fixture.sandbox.count("anthropic.token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_state_and_then_the_right_one() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "subscription");
    let callback = approve(&login.opened().await.url).await;
    let state = parameter(&callback, "state").unwrap();
    let wrong = callback.replace(&state, "0123456789");
    let stale = visit(&wrong).await;
    assert_eq!(stale.status, 400);
    assert!(stale.text().contains("belongs to another login"), "{}", stale.text());
    assert_eq!(login.paste(&wrong).await.unwrap_err().code(), Code::StateMismatch);
    assert!(matches!(login.event().await.stage, Stage::Waiting { ignored: 0, .. }));
    assert!(matches!(login.event().await.stage, Stage::Waiting { ignored: 1, .. }));
    arrive(&callback).await;
    login.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_providers_at_once_do_not_disturb_each_other() {
    let fixture = Fixture::new();
    let mut one = fixture.start("openrouter", "browser");
    let mut other = fixture.start("anthropic", "subscription");
    let (first, second) = (one.opened().await, other.opened().await);
    assert_ne!(first.port, second.port);
    let (first, second) = (approve(&first.url).await, approve(&second.url).await);
    // Each one's answer means nothing to the other.
    let crossed = second.replace(
        &format!(":{}", url::Url::parse(&second).unwrap().port().unwrap()),
        &format!(":{}", url::Url::parse(&first).unwrap().port().unwrap()),
    );
    assert_eq!(visit(&crossed).await.status, 404);
    arrive(&second).await;
    arrive(&first).await;
    one.done().await;
    other.done().await;
    assert_eq!(fixture.names(), ["anthropic", "openrouter"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_of_the_same_provider_is_busy() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let busy = fixture.try_start("openrouter@work", Some("code"), true, true).err().unwrap();
    assert_eq!(busy.code(), Code::Busy);
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    fixture.start("openrouter", "code").opened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_wait_at_once_and_leaves_nothing() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let port = login.opened().await.port.unwrap();
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    login.over().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(!listens(port));
    assert!(fixture.logins.running().is_empty());
    assert_eq!(login.paste("late").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_middle_of_the_exchange_stores_nothing() {
    let fixture = Fixture::new();
    fixture.echo_state();
    fixture.sandbox.fault_for_ever("openrouter.keys", fault::hang());
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    let page = tokio::spawn(async move { arrive(&callback).await });
    login.exchanging().await;
    fixture.sandbox.wait_for_calls("openrouter.keys", 1);
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(page.await.unwrap().contains("The login was cancelled."));
    login.over().await;
    assert!(!listens(opened.port.unwrap()));
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_another_process_holds_the_lock_stores_nothing() {
    let fixture = Fixture::new();
    let held = fixture.services.store.lock(Duration::from_secs(5)).unwrap();
    let mut login = fixture.start("openrouter", "api-key");
    login.paste("sk-or-v1-typed").await.unwrap();
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(held);
    drop(fixture.services.store.lock(Duration::from_secs(5)).unwrap());
    assert_eq!(fixture.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_hangs_elsewhere_does_not_cost_the_login_just_made() {
    let fixture = Fixture::new();
    let held = fixture.services.store.lock_login(&"openrouter".parse().unwrap()).unwrap();
    let mut login = fixture.start("openrouter", "api-key");
    login.paste("sk-or-v1-typed").await.unwrap();
    login.done().await;
    assert_eq!(fixture.names(), ["openrouter"]);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_logins_ends_them() {
    let mut fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let port = login.opened().await.port.unwrap();
    fixture.logins = Default::default();
    login.forget_logins();
    login.failed(Code::Cancelled).await;
    login.over().await;
    assert!(!listens(port));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_time() {
    let fixture = Fixture::with("[callback]\nport = 0\ntimeout = 1\n");
    let mut login = fixture.start("openrouter", "browser");
    let port = login.opened().await.port.unwrap();
    visit(&format!("http://localhost:{port}/api/openrouter/oauth/callback?code=x&state=wrong")).await;
    let error = login.failed(Code::LoginTimeout).await;
    assert!(error.hint().unwrap().contains("older tabs"), "{error:?}");
    login.over().await;
    assert!(!listens(port));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preferred_port_is_used_and_a_free_one_if_it_is_taken() {
    let held = listener();
    let port = port(&held);
    let fixture = Fixture::with(&format!("[callback]\nport = {port}\n"));
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    assert_ne!(opened.port, Some(port));
    assert!(opened.notice.unwrap().contains(&port.to_string()));
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    login.over().await;
    drop(held);
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    assert_eq!((opened.port, opened.notice), (Some(port), None));
}

/// A provider of one's own that takes registered ports alone.
fn fixed(ports: &[u16]) -> String {
    format!(
        r#"[providers.fixed]
name = "Fixed"
[providers.fixed.login.browser]
label = "Browser"
grant = "authorization-code"
authorize_url = "https://id.example/authorize"
token_url = "https://id.example/token"
client_id = "conv"
redirect = {{ host = "localhost", ports = {ports:?}, path = "/auth/callback" }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn registered_ports_are_tried_in_their_order() {
    let (held, free) = (listener(), listener());
    let (taken, spare) = (port(&held), port(&free));
    drop(free);
    let fixture = Fixture::with(&fixed(&[taken, spare]));
    let opened = fixture.start("fixed", "browser").opened().await;
    assert_eq!(opened.port, Some(spare));
    assert_eq!(
        parameter(&opened.url, "redirect_uri").unwrap(),
        format!("http://localhost:{spare}/auth/callback")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_registered_ports_taken_only_a_paste_helps() {
    let held = listener();
    let fixture = Fixture::with(&fixed(&[port(&held)]));
    let error = fixture.start("fixed", "browser").failed(Code::PortInUse).await;
    assert!(error.hint().unwrap().contains(":ConvLogin!"), "{error:?}");
    let opened = fixture.start_headless("fixed", None).opened().await;
    assert_eq!(opened.port, None);
    assert!(opened.notice.unwrap().contains("taken"));
}

fn listener() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port(listener: &std::net::TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
