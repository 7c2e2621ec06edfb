//! Under which name a login is stored.

use convocations::credential::{Kind, Tokens};
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::{Change, Current, NewLogin};

use crate::common::{browser, eventually};
use crate::fixture::{Fixture, arrive, person};

async fn log_in(fixture: &Fixture, login: &str, account: &'static str) -> String {
    let mut login = fixture.start(login, "subscription");
    let url = login.opened().await.url;
    let callback = person(move || browser::approve_as(&url, account)).await;
    arrive(&callback).await;
    let name = login.done().await.login.to_string();
    login.over().await;
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_gets_a_name_of_their_own() {
    let fixture = Fixture::new();
    assert_eq!(log_in(&fixture, "anthropic", "ada").await, "anthropic");
    assert_eq!(log_in(&fixture, "anthropic", "grace").await, "anthropic@grace");
    assert_eq!(log_in(&fixture, "anthropic", "ada").await, "anthropic", "the same person again");
    assert_eq!(log_in(&fixture, "anthropic", "grace").await, "anthropic@grace");
    assert_eq!(
        log_in(&fixture, "anthropic@work", "grace").await,
        "anthropic@work",
        "a name that was given stays"
    );
    assert_eq!(fixture.names(), ["anthropic", "anthropic@grace", "anthropic@work"]);
    assert_eq!(fixture.stored("anthropic").unwrap().identity.as_deref(), Some("ada@sandbox.test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_log_in_at_once_get_a_name_each() {
    let fixture = Fixture::new();
    let store = &fixture.services.store;
    let mut login = fixture.start("anthropic", "subscription");
    let url = login.opened().await.url;
    let callback = person(move || browser::approve_as(&url, "grace")).await;
    // Ada's login is being written, and Grace's waits for it.
    let turn: LoginId = "anthropic".parse().unwrap();
    let (waiting, name) = (store.clone(), turn.clone());
    let is_held = move || waiting.try_lock_login(&name).unwrap().is_none().then_some(());
    let mut ada = Tokens::api_key(Secret::new("sk-ant-oat01-ada"), 0);
    ada.identity = Some("ada@sandbox.test".to_owned());
    let identity = ada.identity.clone();
    let (begun, writing) = std::sync::mpsc::channel();
    let (other, name) = (store.clone(), turn.clone());
    let _write = std::thread::spawn(move || {
        let change = |_: &Current<'_>| {
            begun.send(()).unwrap();
            eventually("Grace's turn", is_held);
            Ok(Change::Login(Box::new(NewLogin::new("subscription", Kind::Oauth, ada))))
        };
        other.update(&name, change).unwrap();
    });
    writing.recv().unwrap();
    let page = tokio::spawn(async move { arrive(&callback).await });
    login.exchanging().await;
    assert_eq!(login.done().await.login.to_string(), "anthropic@grace");
    page.await.unwrap();
    assert_eq!(fixture.stored("anthropic").unwrap().identity, identity);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_set_aside_by_a_login() {
    let fixture = Fixture::new();
    std::fs::write(fixture.dir.paths().index_file(), "no index").unwrap();
    assert_eq!(log_in(&fixture, "anthropic", "ada").await, "anthropic");
    assert_eq!(fixture.names(), ["anthropic"]);
}
