//! One refresh of a login at a time, and what was refreshed is read before anybody is asked (rules 2, 3 and
//! 5).

use std::time::{Duration, Instant};

use convocations::broker::{Broker, Event, FINISH_TIME};
use convocations::error::Code;
use convocations::protocol::{Changed, State};
use convocations::secret::Secret;
use serde_json::json;

use crate::common::fault;
use crate::fixture::{Fixture, anthropic, event, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_ask_share_one_refresh() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::delay(200));
    // Three processes' brokers, each asked ten times at once.
    let brokers = [fixture.broker(), fixture.broker(), fixture.broker()];
    let asked: Vec<_> = brokers
        .iter()
        .flat_map(|broker| std::iter::repeat_n(broker, 10))
        .map(|broker| {
            tokio::spawn({
                let broker = broker.clone();
                async move { token(&broker).await }
            })
        })
        .collect();
    let mut tokens = Vec::new();
    for one in asked {
        tokens.push(one.await.unwrap());
    }
    tokens.dedup();
    assert_eq!((tokens.len(), fixture.refreshes()), (1, 1));
    assert_eq!(tokens[0], fixture.tokens(&anthropic()).access_token.expose());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_outlives_its_caller_and_is_stored() {
    let fixture = Fixture::new();
    let old = fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("slow"));
    let broker = fixture.broker();
    let caller = tokio::spawn({
        let broker = broker.clone();
        async move { token(&broker).await }
    });
    fixture.sandbox.wait_for_hold("slow");
    caller.abort();
    fixture.sandbox.release("slow");
    broker.finish_in_flight().await;
    assert_ne!(fixture.tokens(&anthropic()).access_token.expose(), old);
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_waits_for_a_provider_that_hangs_and_not_for_ever() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("hangs"));
    let broker = fixture.broker();
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&anthropic(), None).await }
    });
    fixture.sandbox.wait_for_hold("hangs");
    let begun = Instant::now();
    let ended = tokio::time::timeout(FINISH_TIME + Duration::from_secs(5), broker.finish_in_flight()).await;
    assert!(ended.is_ok() && begun.elapsed() >= FINISH_TIME, "{:?}", begun.elapsed());
    assert!(!asked.is_finished(), "the provider still hangs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_refreshed_once_and_a_newer_one_merely_returned() {
    let fixture = Fixture::new();
    let (one, other) = (fixture.broker(), fixture.broker());
    let old = Secret::new(fixture.log_in(&anthropic()));
    assert_eq!(token(&other).await, old.expose());
    let (login, again) = (anthropic(), anthropic());
    let (first, second) = tokio::join!(one.invalidate(&login, &old), one.invalidate(&again, &old));
    let newer = first.unwrap().token;
    assert_ne!(newer, old);
    assert_eq!(second.unwrap().token, newer, "two at once");
    assert_eq!(other.invalidate(&anthropic(), &old).await.unwrap().token, newer, "an old memory elsewhere");
    assert_eq!(token(&other).await, newer.expose());
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_holds_only_as_long_as_the_store_says_the_same() {
    let fixture = Fixture::with(json!(["login"]));
    let (one, other) = (fixture.broker(), fixture.broker());
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    let newer = token(&one).await;
    assert_eq!((token(&one).await, token(&other).await), (newer.clone(), newer));
    let third = fixture.log_in(&anthropic());
    assert_eq!((token(&one).await, token(&other).await), (third.clone(), third));
    fixture.remove(&anthropic());
    for broker in [one, other] {
        assert_eq!(broker.get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_made_during_a_refresh_is_the_one_that_stays() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("slow"));
    let broker = fixture.broker();
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { token(&broker).await }
    });
    fixture.sandbox.wait_for_hold("slow");
    let made = fixture.log_in(&anthropic());
    fixture.sandbox.release("slow");
    assert_eq!(asked.await.unwrap(), made);
    assert_eq!(fixture.tokens(&anthropic()).access_token.expose(), made);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_provider_holds_up_no_other_login() {
    let fixture = Fixture::new();
    let work = "anthropic@work".parse().unwrap();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    let other = fixture.log_in(&work);
    fixture.fault(1, fault::hold("slow"));
    let broker = fixture.broker();
    let slow = tokio::spawn({
        let broker = broker.clone();
        async move { token(&broker).await }
    });
    fixture.sandbox.wait_for_hold("slow");
    let begun = Instant::now();
    assert_eq!(broker.get(&work, None).await.unwrap().token.expose(), other);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(!slow.is_finished());
    fixture.sandbox.release("slow");
    slow.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waited_behind_a_failure_shares_it() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, json!({"hold": "first", "status": 503, "body": ""}));
    fixture.fault(100, fault::status(503));
    let ask = |broker: Broker| async move { broker.get(&anthropic(), None).await };
    let first = tokio::spawn(ask(fixture.broker()));
    fixture.sandbox.wait_for_hold("first");
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let broker = fixture.broker();
        let mut events = broker.subscribe();
        waiting.push(tokio::spawn(ask(broker)));
        event(&mut events, is_refreshing).await;
    }
    fixture.sandbox.release("first");
    let failed = first.await.unwrap().unwrap_err();
    for one in waiting {
        let shared = one.await.unwrap().unwrap_err();
        assert_eq!((shared.code(), shared.message()), (Code::ProviderError, failed.message()));
    }
    assert_eq!(fixture.refreshes(), 2, "the one that failed, and its retry");
    fixture.sandbox.no_faults();
    token(&fixture.broker()).await;
    assert_eq!(fixture.refreshes(), 3, "who asks later asks anew");
}

fn is_refreshing(event: Event) -> Option<()> {
    let Event::Changed(Changed { logins, .. }) = event else { return None };
    logins.iter().any(|status| status.state == State::Refreshing).then_some(())
}
