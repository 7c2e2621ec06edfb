//! Refresh ahead of time (rule 6).

use std::time::Duration;

use convocations::broker::{Broker, Event};
use convocations::protocol::{Changed, Credential, State};
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::task::JoinHandle;

use crate::common::fault;
use crate::fixture::{Fixture, Unwritable, anthropic, event, status, token};

/// A login that somebody has used, and the background at work.
struct Used {
    fixture: Fixture,
    broker: Broker,
    old: String,
    background: JoinHandle<()>,
}

impl Used {
    async fn begin() -> Self {
        let fixture = Fixture::with(json!(["login"]));
        let broker = fixture.broker();
        let old = fixture.log_in(&anthropic());
        let background = broker.run_background();
        assert_eq!(token(&broker).await, old);
        Self { fixture, broker, old, background }
    }
}

async fn pushed(events: &mut Receiver<Event>) -> Credential {
    event(events, |event| if let Event::Credential(credential) = event { Some(*credential) } else { None })
        .await
}

/// Lets the background go round at least twice: what a second process's broker does is told by the first
/// one's tick.
async fn two_ticks(fixture: &Fixture, broker: &Broker) {
    for _ in 0..2 {
        let mut events = broker.subscribe();
        fixture.log_in(&"anthropic@tick".parse().unwrap());
        event(&mut events, |event| matches!(event, Event::Changed(_)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_token_is_refreshed_before_its_margin_and_pushed() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    let mut events = broker.subscribe();
    fixture.leave(400);
    two_ticks(&fixture, &broker).await;
    assert_eq!(fixture.refreshes(), 0, "far from the margin, nobody is asked");
    // Up to the margin itself: how long before it a process begins is its own, and may be nothing.
    fixture.clock.advance(100);
    let newer = pushed(&mut events).await;
    assert_ne!(newer.token.expose(), old);
    assert_eq!(token(&broker).await, newer.token.expose());
    assert_eq!(fixture.refreshes(), 1, "and nobody had to wait for it");
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_sleep_it_is_refreshed_at_once_and_an_unused_one_lapses() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    let mut events = broker.subscribe();
    fixture.leave(-40_000);
    let newer = pushed(&mut events).await;
    assert_ne!(newer.token.expose(), old, "the clock has jumped far past the end");
    // What is stored is news at once, a moment before the refresh itself has ended.
    while status(&broker).await.state == State::Refreshing {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Nobody has asked since.
    fixture.leave(-40_000);
    two_ticks(&fixture, &broker).await;
    assert_eq!(fixture.refreshes(), 1);
    assert_ne!(token(&broker).await, newer.token.expose(), "it is refreshed when it is wanted");
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_ahead_of_time_is_tried_again_and_pushes_nothing_old() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    let mut events = broker.subscribe();
    fixture.fault(2, fault::status(503));
    fixture.leave(299);
    assert_ne!(pushed(&mut events).await.token.expose(), old);
    assert_eq!(fixture.refreshes(), 3);
    background.abort();
}

/// How often a refresh is begun while the background goes round ten times. One that takes long is seen in
/// several states.
async fn begun(fixture: &Fixture, broker: &Broker) -> usize {
    let mut events = broker.subscribe();
    for _ in 0..5 {
        two_ticks(fixture, broker).await;
    }
    let all = std::iter::from_fn(|| events.try_recv().ok());
    let refreshing = all.filter_map(|event| match event {
        Event::Changed(Changed { logins, .. }) => {
            Some(logins.iter().any(|status| status.state == State::Refreshing))
        }
        _ => None,
    });
    let mut was = false;
    let begins = |is: &bool| {
        let before = std::mem::replace(&mut was, *is);
        *is && !before
    };
    refreshing.filter(begins).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_not_tried_at_every_tick() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    fixture.fault(100, fault::oauth_error(400, "invalid_grant"));
    fixture.leave(299);
    let begun = begun(&fixture, &broker).await;
    assert!(begun <= 2, "{begun} refreshes for nothing");
    assert_eq!((token(&broker).await, fixture.refreshes()), (old, 1));
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_stored_is_not_tried_at_every_tick() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    let unwritable = Unwritable::login(&fixture, &anthropic());
    fixture.leave(299);
    let begun = begun(&fixture, &broker).await;
    assert!(begun <= 2, "{begun} refreshes for nothing");
    assert_eq!((token(&broker).await, fixture.refreshes()), (old.clone(), 0));
    drop(unwritable);
    assert_ne!(token(&broker).await, old, "whoever asks brings it about");
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_answers_with_the_same_token_is_not_asked_at_every_tick() {
    let Used { fixture, broker, old, background } = Used::begin().await;
    fixture.fault(100, fault::set(json!({"access_token": old, "expires_in": 200})));
    fixture.leave(200);
    begun(&fixture, &broker).await;
    assert!(fixture.refreshes() <= 2, "{} refreshes", fixture.refreshes());
    background.abort();
}
