//! What a process hears of the others, and in which order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use convocations::broker::Event;
use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::protocol::{Changed, State};
use convocations::secret::Secret;
use serde_json::json;

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, NOW, VARIABLE, anthropic, event, status, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_logout_elsewhere_show_within_a_second() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    let background = broker.run_background();
    let state = |state: State| {
        move |event: Event| match event {
            Event::Changed(Changed { logins, .. }) => {
                let mine = logins.iter().find(|status| status.login == anthropic());
                (mine.map_or(State::LoggedOut, |status| status.state) == state).then_some(())
            }
            _ => None,
        }
    };
    let begun = Instant::now();
    fixture.log_in(&anthropic());
    event(&mut events, state(State::Stored)).await;
    fixture.remove(&anthropic());
    event(&mut events, state(State::LoggedOut)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_token_from_elsewhere_is_pushed_and_not_counted_as_used() {
    let fixture = Fixture::with(json!(["login"]));
    let (one, other) = (fixture.broker(), fixture.broker());
    let old = Secret::new(fixture.log_in(&anthropic()));
    assert_eq!(token(&one).await, old.expose());
    let mut events = one.subscribe();
    let background = one.run_background();
    let newer = other.invalidate(&anthropic(), &old).await.unwrap();
    let pushed = event(&mut events, |event| match event {
        Event::Credential(credential) => Some(*credential),
        _ => None,
    });
    assert_eq!(pushed.await, newer);
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_elsewhere_does_not_replace_a_source_that_comes_first() {
    let variable = format!("env:{VARIABLE}");
    let fixture = Fixture::with(json!([variable, "login"]));
    let broker = fixture.broker();
    assert_eq!(broker.get(&anthropic(), None).await.unwrap().source, variable);
    let mut events = broker.subscribe();
    let background = broker.run_background();
    let mut pushed = Vec::new();
    for _ in 0..2 {
        fixture.log_in(&anthropic());
        // The news of the next change come after all pushes of this one.
        event(&mut events, |event| match event {
            Event::Credential(credential) => {
                pushed.push(credential.source);
                None
            }
            Event::Changed(_) => Some(()),
            Event::Notice(_) | Event::Waiting(_) => None,
        })
        .await;
    }
    assert_eq!(pushed, Vec::<String>::new());
    assert_eq!(broker.get(&anthropic(), None).await.unwrap().source, variable);
    background.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_news_is_never_an_older_state() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    let stop = Arc::new(AtomicBool::new(false));
    let tellers: Vec<_> = (0..4)
        .map(|_| {
            let (broker, stop) = (broker.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    broker.tell_all().await;
                }
            })
        })
        .collect();
    let writer = tokio::task::spawn_blocking(move || {
        for _ in 0..50 {
            fixture.log_in(&anthropic());
        }
        fixture
    });
    let fixture = writer.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for teller in tellers {
        teller.await.unwrap();
    }
    drop((fixture, broker));
    let mut last = 0;
    loop {
        match events.recv().await {
            Ok(Event::Changed(Changed { logins, .. })) => {
                let revision = logins.first().map_or(0, |status| status.revision);
                assert!(revision >= last, "{revision} after {last}");
                last = revision;
            }
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_what_a_get_would_answer() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    assert_eq!(status(&broker).await.source, Some(format!("env:{VARIABLE}")));
    let mut tokens = Tokens::api_key(Secret::new("sk-ant-oat01-short"), NOW);
    tokens.expires_at = Some(NOW + 120);
    fixture.put(&anthropic(), Kind::Oauth, &tokens);
    std::fs::rename(fixture.dir.paths().key_file(), fixture.dir.path().join("key")).unwrap();
    let shown = status(&broker).await;
    assert_eq!((shown.state, shown.source), (State::Error, None), "without the key");
    let refused = broker.get(&anthropic(), None).await.unwrap_err();
    assert_eq!((shown.error, refused.code()), (Some(refused.clone()), Code::StoreUnreadable));
    std::fs::rename(fixture.dir.path().join("key"), fixture.dir.paths().key_file()).unwrap();
    let shown = status(&broker).await;
    assert_eq!((shown.state, shown.error), (State::Valid, None), "half of its life is left");
    token(&broker).await;
    assert_eq!(status(&broker).await.state, State::Valid);
    fixture.clock.advance(61);
    assert_eq!(status(&broker).await.state, State::Expiring);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_unasked_claims_no_more_than_somebody_has_seen() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    let of = |wanted: State| {
        move |event: Event| match event {
            Event::Changed(Changed { logins, .. }) if logins[0].state == wanted => {
                Some(logins[0].error.clone())
            }
            _ => None,
        }
    };
    broker.tell_all().await;
    assert_eq!(event(&mut events, of(State::Stored)).await, None, "nobody has looked");
    std::fs::rename(fixture.dir.paths().key_file(), fixture.dir.path().join("key")).unwrap();
    let refused = broker.get(&anthropic(), None).await.unwrap_err();
    assert_eq!(event(&mut events, of(State::Error)).await, Some(refused));
    std::fs::rename(fixture.dir.path().join("key"), fixture.dir.paths().key_file()).unwrap();
    token(&broker).await;
    assert_eq!(event(&mut events, of(State::Valid)).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_that_fails_is_no_more_than_due_until_the_token_has_ended() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    fixture.clock.advance(LIFE - 10);
    fixture.fault(9, fault::status(503));
    token(&broker).await;
    let shown = status(&broker).await;
    assert_eq!((shown.state, shown.source.as_deref()), (State::Expiring, Some("login")));
    fixture.clock.advance(11);
    let refused = broker.get(&anthropic(), None).await.unwrap_err();
    let shown = status(&broker).await;
    assert_eq!((shown.state, shown.source), (State::Error, None));
    assert_eq!(shown.error.map(|error| error.code()), Some(refused.code()));
}
