//! Tokens that are over by the time they could be handed out: the machine slept, or its clock was set, while
//! a refresh was on its way (rule 1: fresh is what is fresh at the moment of use).

use convocations::broker::Broker;
use convocations::credential::Kind;
use convocations::error::Result;
use convocations::protocol::{Credential, State};
use convocations::secret::Secret;
use tokio::task::JoinHandle;

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, anthropic, status};

type Asked = JoinHandle<Result<Credential>>;

fn invalidate(broker: &Broker, rejected: &str) -> Asked {
    let (broker, rejected) = (broker.clone(), Secret::new(rejected));
    tokio::spawn(async move { broker.invalidate(&anthropic(), &rejected).await })
}

fn get(broker: &Broker) -> Asked {
    let broker = broker.clone();
    tokio::spawn(async move { broker.get(&anthropic(), None).await })
}

/// What was handed out is stored, and good.
async fn is_good(fixture: &Fixture, asked: Asked) -> String {
    let credential = asked.await.unwrap().unwrap();
    assert!(credential.expires_at.unwrap() > fixture.clock.now(), "handed out when it was over");
    assert_eq!(credential.token, fixture.tokens(&anthropic()).access_token);
    credential.token.expose().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleep_while_the_answer_is_on_its_way_takes_one_refresh_more() {
    for rejected in [false, true] {
        let fixture = Fixture::new();
        let old = fixture.log_in(&anthropic());
        let broker = fixture.broker();
        if !rejected {
            fixture.leave(-1);
        }
        fixture.fault(1, fault::hold_reply("answer"));
        let asked = if rejected { invalidate(&broker, &old) } else { get(&broker) };
        fixture.sandbox.wait_for_hold("answer");
        // One who joins; the old token is good for him until the clock jumps, if it was only refused.
        let joined = (!rejected).then(|| get(&broker));
        fixture.clock.advance(2 * LIFE);
        fixture.sandbox.release("answer");
        let new = is_good(&fixture, asked).await;
        if let Some(joined) = joined {
            assert_eq!(is_good(&fixture, joined).await, new);
        }
        assert_eq!(fixture.refreshes(), 2, "rejected: {rejected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_whose_tokens_are_always_over_is_asked_once() {
    let fixture = Fixture::new();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(9, fault::set(serde_json::json!({ "expires_in": 0 })));
    let credential = fixture.broker().get(&anthropic(), None).await.unwrap();
    assert_eq!(credential.token, fixture.tokens(&anthropic()).access_token);
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_not_replaced_by_one_that_is_over() {
    let fixture = Fixture::new();
    let old = fixture.log_in(&anthropic());
    let turn = fixture.store.lock_login(&anthropic()).unwrap();
    let broker = fixture.broker();
    let asked = invalidate(&broker, &old);
    while status(&broker).await.state != State::Refreshing {
        tokio::task::yield_now().await;
    }
    // Another process's refresh, which began before a sleep.
    let mut newer = fixture.minted();
    newer.expires_at = Some(fixture.clock.now() - 46);
    fixture.put(&anthropic(), Kind::Oauth, &newer);
    drop(turn);
    let new = is_good(&fixture, asked).await;
    assert_ne!(new, newer.access_token.expose());
    assert_eq!(fixture.refreshes(), 1);
}
