//! A login that is replaced, removed, or out of reach for a moment while a refresh of it flies.

use std::time::{Duration, Instant};

use convocations::error::{Code, Result};
use convocations::secret::Secret;
use serde_json::{Value, json};

use crate::common::fault;
use crate::desk::{Desk, LIFE, NOW, Unwritable, anthropic, token};

/// Asks, and does something while the provider has the refresh, which it then answers with a fault, twice.
async fn asked_while(desk: &Desk, mut fault: Value, meanwhile: impl FnOnce()) -> Result<String> {
    let first = fault.as_object_mut().unwrap().clone();
    fault["hold"] = json!("slow");
    desk.fault(1, fault);
    desk.fault(1, Value::Object(first));
    let broker = desk.broker();
    let asked = tokio::spawn(async move { broker.get(&anthropic(), None).await });
    desk.sandbox.wait_for_hold("slow");
    meanwhile();
    desk.sandbox.release("slow");
    asked.await.unwrap().map(|credential| credential.token.expose().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refresh_hands_out_the_login_that_was_made_meanwhile() {
    for left in [10, -1] {
        let desk = Desk::with(json!(["login"]));
        desk.log_in(&anthropic());
        desk.leave(left);
        let mut made = String::new();
        let got = asked_while(&desk, fault::status(503), || made = desk.log_in(&anthropic())).await;
        assert_eq!(got.unwrap(), made, "{left} s left of the old one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_refresh_hands_out_nothing_of_a_login_that_was_removed_meanwhile() {
    let desk = Desk::with(json!(["login"]));
    desk.log_in(&anthropic());
    desk.leave(10);
    let got = asked_while(&desk, fault::status(503), || desk.remove(&anthropic())).await;
    assert_eq!(got.unwrap_err().code(), Code::NotLoggedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_cannot_be_written_down_hides_no_token_that_lives() {
    let desk = Desk::with(json!(["login"]));
    let old = desk.log_in(&anthropic());
    desk.leave(10);
    let mut unwritable = None;
    let refused = fault::oauth_error(400, "invalid_grant");
    let got = asked_while(&desk, refused, || unwritable = Some(Unwritable::store(&desk))).await;
    assert_eq!(got.unwrap(), old);
    drop(unwritable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_locked_keeps_its_token_to_its_end() {
    let desk = Desk::with(json!(["login"]));
    let old = desk.log_in(&anthropic());
    let unwritable = Unwritable::login(&desk, &anthropic());
    desk.leave(10);
    assert_eq!(token(&desk.broker()).await, old, "while it lives");
    desk.clock.advance(10);
    let error = desk.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), desk.refreshes()), (Code::StoreUnwritable, 0), "two could spend one token");
    drop(unwritable);
    token(&desk.broker()).await;
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
    let desk = Desk::with(json!(["login"]));
    desk.log_in(&anthropic());
    for (round, word) in (1..).zip(words) {
        desk.leave(-1);
        std::fs::write(desk.dir.paths().locks_dir().join("anthropic.lock"), &word).unwrap();
        token(&desk.broker()).await;
        assert_eq!(desk.refreshes(), round, "{:.40}", word);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rest_ends_with_the_token_that_is_used_meanwhile() {
    let desk = Desk::with(json!(["login"]));
    let broker = desk.broker();
    let old = desk.log_in(&anthropic());
    desk.leave(10);
    // Cut off before anything was done, which nobody here can know.
    desk.fault(1, fault::dropped());
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(token(&broker).await, old);
    }
    desk.clock.advance(10);
    assert_ne!(token(&broker).await, old, "there is nothing to lose any more");
    assert_eq!(desk.refreshes(), 2);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_tokens_end_at_once_by_our_clock_serves_all_who_ask() {
    let desk = Desk::with(json!(["login"]));
    let broker = desk.broker();
    desk.log_in(&anthropic());
    desk.leave(-1);
    // {"exp":1000}
    desk.fault(100, json!({"omit": ["expires_in"], "set": {"access_token": "e30.eyJleHAiOjEwMDB9.c2ln"}, "delay_ms": 100}));
    let asked: Vec<_> = (0..5)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move { broker.get(&anthropic(), None).await })
        })
        .collect();
    for one in asked {
        one.await.unwrap().unwrap();
    }
    assert!(desk.refreshes() <= 2, "{} refreshes", desk.refreshes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_an_ended_token_by_asking_for_less_than_nothing() {
    let desk = Desk::with(json!(["login"]));
    let old = desk.log_in(&anthropic());
    desk.leave(-100);
    let newer = desk.broker().get(&anthropic(), Some(-LIFE)).await.unwrap();
    assert_ne!(newer.token, Secret::new(old));
}
