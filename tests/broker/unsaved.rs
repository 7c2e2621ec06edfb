//! A store that cannot be written just now: nothing is spent that could not be kept (rule 3), and what was spent all
//! the same is kept in memory until it can be stored.

use std::path::PathBuf;

use convocations::broker::Event;
use convocations::error::Code;
use serde_json::json;

use crate::common::fault;
use crate::desk::{Desk, anthropic, event, notices, token};

/// Where the store's lock file belongs there is a folder: nothing can be written, whoever one is.
struct Unwritable(PathBuf);

impl Unwritable {
    fn new(desk: &Desk) -> Self {
        let file = desk.dir.paths().locks_dir().join("store.lock");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        Self(file)
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_spent_that_could_not_be_kept() {
    let desk = Desk::with(json!(["login"]));
    let old = desk.log_in(&anthropic());
    let unwritable = Unwritable::new(&desk);
    desk.leave(10);
    assert_eq!(token(&desk.broker()).await, old, "while it lives");
    desk.clock.advance(10);
    let error = desk.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), desk.refreshes()), (Code::StoreUnwritable, 0));
    drop(unwritable);
    assert_ne!(token(&desk.broker()).await, old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_is_kept_in_memory_until_it_can_be_stored() {
    let desk = Desk::with(json!(["login"]));
    let broker = desk.broker();
    let mut events = broker.subscribe();
    let old = desk.log_in(&anthropic());
    desk.leave(-1);
    desk.fault(1, fault::hold("answer"));
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&anthropic(), None).await }
    });
    desk.sandbox.wait_for_hold("answer");
    let unwritable = Unwritable::new(&desk);
    desk.sandbox.release("answer");
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::StoreUnwritable, "rule 3: what is not durable is not handed out");
    assert_eq!(notices(&mut events).len(), 1, "the person can still save the login");
    broker.get(&anthropic(), None).await.unwrap_err();
    drop(unwritable);
    let newer = token(&broker).await;
    assert_ne!(newer, old);
    assert_eq!(token(&desk.broker()).await, newer);
    assert_eq!(desk.refreshes(), 1, "the spent refresh token was not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_stored_without_being_asked_for_and_at_the_end() {
    for in_the_background in [true, false] {
        let desk = Desk::with(json!(["login"]));
        let broker = desk.broker();
        let old = desk.log_in(&anthropic());
        desk.leave(-1);
        desk.fault(1, fault::hold("answer"));
        let asked = tokio::spawn({
            let broker = broker.clone();
            async move { broker.get(&anthropic(), None).await }
        });
        desk.sandbox.wait_for_hold("answer");
        let unwritable = Unwritable::new(&desk);
        desk.sandbox.release("answer");
        asked.await.unwrap().unwrap_err();
        let mut events = broker.subscribe();
        drop(unwritable);
        if in_the_background {
            let background = broker.run_background();
            event(&mut events, |event| matches!(event, Event::Credential(_)).then_some(())).await;
            background.abort();
        } else {
            broker.finish_in_flight().await;
        }
        assert_ne!(desk.tokens(&anthropic()).access_token.expose(), old, "{in_the_background}");
        token(&desk.broker()).await;
        assert_eq!(desk.refreshes(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_gives_way_to_a_newer_login() {
    let desk = Desk::with(json!(["login"]));
    let broker = desk.broker();
    desk.log_in(&anthropic());
    desk.leave(-1);
    desk.fault(1, fault::hold("answer"));
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&anthropic(), None).await }
    });
    desk.sandbox.wait_for_hold("answer");
    let unwritable = Unwritable::new(&desk);
    desk.sandbox.release("answer");
    asked.await.unwrap().unwrap_err();
    drop(unwritable);
    let newer = desk.log_in(&anthropic());
    broker.finish_in_flight().await;
    assert_eq!(desk.tokens(&anthropic()).access_token.expose(), newer);
    assert_eq!(token(&broker).await, newer);
}
