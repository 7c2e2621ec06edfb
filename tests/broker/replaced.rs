//! A login that is replaced, removed, or out of reach for a moment while a refresh of it flies.

use std::time::{Duration, Instant};

use convocations::error::{Code, Result};
use convocations::secret::Secret;
use serde_json::{Value, json};

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, NOW, Unwritable, anthropic, token};

/// Asks, and does something while the provider has the refresh, which it then answers with a fault, twice.
async fn asked_while(fixture: &Fixture, mut fault: Value, meanwhile: impl FnOnce()) -> Result<String> {
    let first = fault.as_object_mut().unwrap().clone();
    fault["hold"] = json!("slow");
    fixture.fault(1, fault);
    fixture.fault(1, Value::Object(first));
    let broker = fixture.broker();
    let asked = tokio::spawn(async move { broker.get(&anthropic(), None).await });
    fixture.sandbox.wait_for_hold("slow");
    meanwhile();
    fixture.sandbox.release("slow");
    asked.await.unwrap().map(|credential| credential.token.expose().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refresh_hands_out_the_login_that_was_made_meanwhile() {
    for left in [10, -1] {
        let fixture = Fixture::with(json!(["login"]));
        fixture.log_in(&anthropic());
        fixture.leave(left);
        let mut made = String::new();
        let got = asked_while(&fixture, fault::status(503), || made = fixture.log_in(&anthropic())).await;
        assert_eq!(got.unwrap(), made, "{left} s left of the old one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refresh_hands_out_nothing_of_a_login_that_was_removed_meanwhile() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(10);
    let got = asked_while(&fixture, fault::status(503), || fixture.remove(&anthropic())).await;
    assert_eq!(got.unwrap_err().code(), Code::NotLoggedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_cannot_be_written_down_hides_no_token_that_lives() {
    let fixture = Fixture::with(json!(["login"]));
    let old = fixture.log_in(&anthropic());
    fixture.leave(10);
    let mut unwritable = None;
    let refused = fault::oauth_error(400, "invalid_grant");
    let got = asked_while(&fixture, refused, || unwritable = Some(Unwritable::store(&fixture))).await;
    assert_eq!(got.unwrap(), old);
    drop(unwritable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_locked_keeps_its_token_to_its_end() {
    let fixture = Fixture::with(json!(["login"]));
    let old = fixture.log_in(&anthropic());
    let unwritable = Unwritable::login(&fixture, &anthropic());
    fixture.leave(10);
    assert_eq!(token(&fixture.broker()).await, old, "while it lives");
    fixture.clock.advance(10);
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), fixture.refreshes()), (Code::StoreUnwritable, 0), "two could spend one token");
    drop(unwritable);
    token(&fixture.broker()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_in_a_lock_file_keeps_a_login_from_being_refreshed() {
    let word = |at: u64, until: u64| {
        json!({"at": at, "until": until, "lost": "0123", "code": "no_such_code", "message": ""}).to_string()
    };
    let far = u64::try_from(NOW).unwrap() * 10_000;
    let words = [
        "{".to_owned(),
        "x".repeat(100_000),
        "\u{0}".repeat(9),
        word(0, 0),
        word(far, far),
        word(u64::MAX, u64::MAX),
        word(far, 0),
    ];
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    for (round, word) in (1..).zip(words) {
        fixture.leave(-1);
        std::fs::write(fixture.dir.paths().locks_dir().join("anthropic.lock"), &word).unwrap();
        token(&fixture.broker()).await;
        assert_eq!(fixture.refreshes(), round, "{:.40}", word);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_ends_with_the_token_that_is_used_meanwhile() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    let old = fixture.log_in(&anthropic());
    fixture.leave(10);
    // Cut off before anything was done, which nobody here can know.
    fixture.fault(1, fault::dropped());
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(token(&broker).await, old);
    }
    fixture.clock.advance(10);
    assert_ne!(token(&broker).await, old, "there is nothing to lose any more");
    assert_eq!(fixture.refreshes(), 2);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_tokens_end_at_once_by_our_clock_serves_all_who_ask() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    // {"exp":1000}
    fixture.fault(100, json!({"omit": ["expires_in"], "set": {"access_token": "e30.eyJleHAiOjEwMDB9.c2ln"}, "delay_ms": 100}));
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.get(&anthropic(), None).await })
        })
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert!(fixture.refreshes() <= 2, "{} refreshes", fixture.refreshes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_an_ended_token_by_asking_for_less_than_nothing() {
    let fixture = Fixture::with(json!(["login"]));
    let old = fixture.log_in(&anthropic());
    fixture.leave(-100);
    let newer = fixture.broker().get(&anthropic(), Some(-LIFE)).await.unwrap();
    assert_ne!(newer.token, Secret::new(old));
}
