//! Under which name a login is stored.

use crate::common::browser;
use crate::desk::{Desk, arrive, person};

async fn log_in(desk: &Desk, login: &str, account: &'static str) -> String {
    let mut login = desk.start(login, "subscription");
    let url = login.opened().await.url;
    let callback = person(move || browser::approve_as(&url, account)).await;
    arrive(&callback).await;
    let name = login.done().await.login.to_string();
    login.over().await;
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn another_person_gets_a_name_of_their_own() {
    let desk = Desk::new();
    assert_eq!(log_in(&desk, "anthropic", "ada").await, "anthropic");
    assert_eq!(log_in(&desk, "anthropic", "grace").await, "anthropic@grace");
    assert_eq!(log_in(&desk, "anthropic", "ada").await, "anthropic", "the same person again");
    assert_eq!(log_in(&desk, "anthropic", "grace").await, "anthropic@grace");
    assert_eq!(
        log_in(&desk, "anthropic@work", "grace").await,
        "anthropic@work",
        "a name that was given stays"
    );
    assert_eq!(desk.names(), ["anthropic", "anthropic@grace", "anthropic@work"]);
    assert_eq!(desk.stored("anthropic").unwrap().identity.as_deref(), Some("ada@sandbox.test"));
}
