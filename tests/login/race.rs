//! Callback, paste, cancel and time limit against each other.

use std::time::{Duration, Instant};

use convocations::error::Code;
use convocations::login::Stage;

use crate::common::fault;
use crate::desk::{Desk, approve, arrive, listens, parameter, visit};

#[tokio::test(flavor = "multi_thread")]
async fn when_the_paste_wins_the_callback_is_refused() {
    let desk = Desk::new();
    desk.sandbox.fault("anthropic.token", 1, fault::hold("reply"));
    let mut login = desk.start("anthropic", "subscription");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    login.paste(&callback).await.unwrap();
    login.exchanging().await;
    assert_eq!(visit(&callback).await.status, 409);
    assert_eq!(login.paste(&callback).await.unwrap_err().code(), Code::InvalidArgument);
    desk.sandbox.release("reply");
    login.done().await;
    login.over().await;
    assert!(!listens(opened.port.unwrap()));
    assert_eq!(desk.sandbox.count("anthropic.token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_callback_wins_the_paste_is_refused() {
    let desk = Desk::new();
    desk.sandbox.fault("anthropic.token", 1, fault::hold("reply"));
    let mut login = desk.start("anthropic", "subscription");
    let callback = approve(&login.opened().await.url).await;
    let page = tokio::spawn({
        let callback = callback.clone();
        async move { arrive(&callback).await }
    });
    login.exchanging().await;
    assert_eq!(login.paste(&callback).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(!page.is_finished(), "the page waits for the true end");
    desk.sandbox.release("reply");
    login.done().await;
    assert!(page.await.unwrap().contains("You are signed in"));
    assert_eq!(desk.sandbox.count("anthropic.token"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_state_and_then_the_right_one() {
    let desk = Desk::new();
    let mut login = desk.start("anthropic", "subscription");
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
    let desk = Desk::new();
    let mut one = desk.start("openrouter", "browser");
    let mut other = desk.start("anthropic", "subscription");
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
    assert_eq!(desk.names(), ["anthropic", "openrouter"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_login_of_the_same_provider_is_busy() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let opened = login.opened().await;
    let busy = desk.try_start("openrouter@work", Some("code"), true, true).err().unwrap();
    assert_eq!(busy.code(), Code::Busy);
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    desk.start("openrouter", "code").opened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_ends_the_wait_at_once_and_leaves_nothing() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let port = login.opened().await.port.unwrap();
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    login.over().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(!listens(port));
    assert!(desk.logins.running().is_empty());
    assert_eq!(login.paste("late").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_middle_of_the_exchange_stores_nothing() {
    let desk = Desk::new();
    desk.echo_state();
    desk.sandbox.fault_for_ever("openrouter.keys", fault::hang());
    let mut login = desk.start("openrouter", "browser");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    let page = tokio::spawn(async move { arrive(&callback).await });
    login.exchanging().await;
    desk.sandbox.wait_for_calls("openrouter.keys", 1);
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    assert!(page.await.unwrap().contains("The login was cancelled."));
    login.over().await;
    assert!(!listens(opened.port.unwrap()));
    assert_eq!(desk.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_while_another_process_holds_the_lock_stores_nothing() {
    let desk = Desk::new();
    let held = desk.services.store.lock(Duration::from_secs(5)).unwrap();
    let mut login = desk.start("openrouter", "api-key");
    login.paste("sk-or-v1-typed").await.unwrap();
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(held);
    drop(desk.services.store.lock(Duration::from_secs(5)).unwrap());
    assert_eq!(desk.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_hangs_elsewhere_does_not_cost_the_login_just_made() {
    let desk = Desk::new();
    let held = desk.services.store.lock_login(&"openrouter".parse().unwrap()).unwrap();
    let mut login = desk.start("openrouter", "api-key");
    login.paste("sk-or-v1-typed").await.unwrap();
    login.done().await;
    assert_eq!(desk.names(), ["openrouter"]);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_logins_ends_them() {
    let mut desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let port = login.opened().await.port.unwrap();
    desk.logins = Default::default();
    login.forget_logins();
    login.failed(Code::Cancelled).await;
    login.over().await;
    assert!(!listens(port));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_time() {
    let desk = Desk::with("[callback]\nport = 0\ntimeout = 1\n");
    let mut login = desk.start("openrouter", "browser");
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
    let desk = Desk::with(&format!("[callback]\nport = {port}\n"));
    let mut login = desk.start("openrouter", "browser");
    let opened = login.opened().await;
    assert_ne!(opened.port, Some(port));
    assert!(opened.notice.unwrap().contains(&port.to_string()));
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    login.over().await;
    drop(held);
    let mut login = desk.start("openrouter", "browser");
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
    let desk = Desk::with(&fixed(&[taken, spare]));
    let opened = desk.start("fixed", "browser").opened().await;
    assert_eq!(opened.port, Some(spare));
    assert_eq!(
        parameter(&opened.url, "redirect_uri").unwrap(),
        format!("http://localhost:{spare}/auth/callback")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_registered_ports_taken_only_a_paste_helps() {
    let held = listener();
    let desk = Desk::with(&fixed(&[port(&held)]));
    let error = desk.start("fixed", "browser").failed(Code::PortInUse).await;
    assert!(error.hint().unwrap().contains(":ConvLogin!"), "{error:?}");
    let opened = desk.start_headless("fixed", None).opened().await;
    assert_eq!(opened.port, None);
    assert!(opened.notice.unwrap().contains("taken"));
}

fn listener() -> std::net::TcpListener {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap()
}

fn port(listener: &std::net::TcpListener) -> u16 {
    listener.local_addr().unwrap().port()
}
