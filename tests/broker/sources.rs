//! Where a credential comes from (`:h conv-providers`), and freshness by the wall clock (rule 1).

use convocations::broker::token_now;
use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::protocol::State;
use convocations::secret::Secret;
use serde_json::json;

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, VARIABLE, VARIABLE_VALUE, anthropic, notices, status, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_source_that_yields_one_wins() {
    let variable = format!("env:{VARIABLE}");
    let behind = Fixture::new();
    let credential = behind.broker().get(&anthropic(), None).await.unwrap();
    assert_eq!((credential.source.as_str(), credential.token.expose()), (&*variable, VARIABLE_VALUE));
    let stored = behind.log_in(&anthropic());
    assert_eq!(token(&behind.broker()).await, stored);
    let before = Fixture::with(json!([variable, "login"]));
    before.log_in(&anthropic());
    assert_eq!(before.broker().get(&anthropic(), None).await.unwrap().source, variable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_account_is_its_stored_login_and_nothing_else() {
    let fixture = Fixture::new();
    let work = "anthropic@work".parse().unwrap();
    let error = fixture.broker().get(&work, None).await.unwrap_err();
    assert_eq!(error.code(), Code::NotLoggedIn, "the variable speaks of no account");
    assert!(error.hint().unwrap().contains(":ConvLogin anthropic@work"), "{error:?}");
    let stored = fixture.log_in(&work);
    assert_eq!(fixture.broker().get(&work, None).await.unwrap().token.expose(), stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fresh_is_judged_by_the_wall_clock_at_each_use() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let first = fixture.log_in(&anthropic());
    assert_eq!(token(&broker).await, first);
    fixture.leave(301);
    assert_eq!(token(&broker).await, first, "more than the margin is left");
    fixture.clock.advance(1);
    assert_ne!(token(&broker).await, first, "no timer had to tell: the clock has");
    assert_eq!(fixture.refreshes(), 1);
    let validity = Some(LIFE + 60);
    let longer = broker.get(&anthropic(), validity).await.unwrap();
    assert_eq!(fixture.refreshes(), 2, "a caller may ask for more");
    assert_eq!(longer.expires_at, fixture.tokens(&anthropic()).expires_at, "and gets the newest there is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_runtime_only_what_is_good_is_answered() {
    let fixture = Fixture::new();
    let now = || token_now(&fixture.config, &fixture.store, &fixture.clock, &anthropic(), None).unwrap();
    assert_eq!(now().unwrap().source, format!("env:{VARIABLE}"));
    let stored = fixture.log_in(&anthropic());
    assert_eq!(now().unwrap().token.expose(), stored);
    fixture.leave(300);
    assert!(now().is_none(), "a refresh is due");
    fixture.sandbox.revoke_all("anthropic");
    fixture.leave(0);
    fixture.broker().get(&anthropic(), None).await.unwrap();
    assert!(now().is_none(), "the person has to be told of the other source, which takes a broker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refresh_falls_to_the_next_source_and_says_so_once_for_each_refusal() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    for round in 1..=2 {
        fixture.log_in(&anthropic());
        fixture.leave(-1);
        fixture.sandbox.revoke_all("anthropic");
        for _ in 0..3 {
            assert_eq!(token(&broker).await, VARIABLE_VALUE);
        }
        assert_eq!(fixture.refreshes(), round, "and the same token is not sent again");
        let told = notices(&mut events);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].error.code(), Code::LoginExpired);
        assert!(told[0].error.message().contains(VARIABLE), "{told:?}");
        let status = status(&broker).await;
        assert_eq!((status.state, status.source), (State::NeedsLogin, Some(format!("env:{VARIABLE}"))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_nothing_left_the_login_has_expired_and_the_hint_is_a_command() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    assert_eq!(broker.get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.sandbox.revoke_all("anthropic");
    for _ in 0..2 {
        let error = broker.get(&anthropic(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::LoginExpired);
        assert!(error.hint().unwrap().contains(":ConvLogin anthropic"), "{error:?}");
    }
    assert_eq!(fixture.refreshes(), 1);
    let newer = fixture.log_in(&anthropic());
    assert_eq!(token(&broker).await, newer, "a new login ends it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_api_refuses_is_named_and_not_refreshed() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let refused = Secret::new(VARIABLE_VALUE);
    let error = broker.invalidate(&anthropic(), &refused).await.unwrap_err();
    assert_eq!(error.code(), Code::ProviderRefused);
    assert!(error.hint().unwrap().contains(VARIABLE), "{error:?}");
    let key = Tokens::api_key(Secret::new("sk-ant-api03-stored"), 0);
    fixture.put(&anthropic(), Kind::ApiKey, &key);
    assert_eq!(
        broker.invalidate(&anthropic(), &refused).await.unwrap().token,
        key.access_token,
        "a newer one"
    );
    let error = broker.invalidate(&anthropic(), &key.access_token).await.unwrap_err();
    assert_eq!(error.code(), Code::ProviderRefused);
    assert_eq!(fixture.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_cannot_be_read_is_no_reason_to_switch_the_source() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    std::fs::remove_file(fixture.dir.paths().key_file()).unwrap();
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreUnreadable);
    std::fs::write(fixture.dir.paths().index_file(), "no index").unwrap();
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::StoreUnreadable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_passing_failure_never_switches_the_source() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(2, fault::status(503));
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::ProviderError);
}
