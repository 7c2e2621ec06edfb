//! What a failed refresh does to a login (rules 4 and 7): nothing, unless the provider has refused exactly
//! this refresh token.

use std::time::{Duration, Instant};

use convocations::credential::Tokens;
use convocations::error::Code;
use convocations::protocol::State;
use convocations::secret::Secret;
use serde_json::{Value, json};

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, NOW, VARIABLE_VALUE, anthropic, event, notices, status, token};

/// Answers that say nothing about the login, and the error that each is.
fn passing() -> Vec<(Value, Code)> {
    let error = |code: &str| fault::oauth_error(400, code);
    vec![
        (fault::status(500), Code::ProviderError),
        (fault::status(408), Code::Timeout),
        (fault::dropped(), Code::Network),
        (fault::shape("html"), Code::BadResponse),
        (fault::shape("empty"), Code::BadResponse),
        (fault::redirect("https://elsewhere.example/"), Code::BadResponse),
        (fault::json_body(403, json!("<html>")), Code::BadResponse),
        (error("temporarily_unavailable"), Code::ProviderError),
        (error("server_error"), Code::ProviderError),
        (error("invalid_client"), Code::ProviderRefused),
        (error("unauthorized_client"), Code::ProviderRefused),
        (error("invalid_scope"), Code::ProviderRefused),
        (error("access_denied"), Code::LoginDenied),
        (fault::json_body(200, json!({"error": {"type": "api_error"}})), Code::ProviderError),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_a_refusal_ends_a_login() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    let before = fixture.tokens(&anthropic());
    for (fault, code) in passing() {
        fixture.fault(2, fault.clone());
        let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
        assert_eq!(error.code(), code, "{fault}: {error}");
        assert!(error.hint().is_some(), "{fault}: {error}");
        assert_eq!(fixture.tokens(&anthropic()), before, "{fault}");
        let status = status(&fixture.broker()).await;
        assert_eq!((status.state, status.needs_login), (State::Expiring, None), "{fault}");
        fixture.sandbox.no_faults();
    }
    token(&fixture.broker()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_passing_failure_is_hidden_by_a_retry_inside_the_call() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    for (fault, _) in
        passing().into_iter().filter(|(_, code)| !matches!(code, Code::ProviderRefused | Code::LoginDenied))
    {
        let (old, asked) = (fixture.tokens(&anthropic()).access_token, fixture.refreshes());
        fixture.leave(-1);
        fixture.fault(1, fault.clone());
        assert_ne!(token(&fixture.broker()).await, old.expose(), "{fault}");
        assert_eq!(fixture.refreshes(), asked + 2, "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_token_is_handed_out_while_it_lives() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let old = fixture.log_in(&anthropic());
    fixture.leave(10);
    fixture.fault(2, fault::status(500));
    assert_eq!(token(&broker).await, old);
    let shown = status(&broker).await;
    assert_eq!(shown.error.unwrap().code(), Code::ProviderError, "and the status tells why");
    assert_eq!(token(&broker).await, old);
    assert_eq!(fixture.refreshes(), 2, "the provider is left alone for a while");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_to_be_left_alone_is_heard_by_every_process() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::rate_limited(120));
    for _ in 0..3 {
        let begun = Instant::now();
        let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::RateLimited);
        let wait = error.retry_after().unwrap().as_secs();
        assert!((100..=120).contains(&wait), "{wait}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    }
    assert_eq!(fixture.refreshes(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_of_odd_length_is_bounded() {
    for (asked, least, most) in [(100_000, 290, 300), (3, 3, 5)] {
        let fixture = Fixture::with(json!(["login"]));
        fixture.log_in(&anthropic());
        fixture.leave(-1);
        fixture.fault(2, fault::rate_limited(asked));
        fixture.broker().get(&anthropic(), None).await.unwrap_err();
        let wait =
            fixture.broker().get(&anthropic(), None).await.unwrap_err().retry_after().unwrap().as_secs();
        assert!((least..=most).contains(&wait), "{asked}: {wait}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_checked_against_the_store_before_it_counts() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, json!({"hold": "slow", "status": 400, "body": {"error": "invalid_grant"}}));
    let broker = fixture.broker();
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { token(&broker).await }
    });
    fixture.sandbox.wait_for_hold("slow");
    // Somebody who knows nothing of our locks has replaced the refresh token meanwhile.
    let newer = fixture.log_in(&anthropic());
    fixture.sandbox.release("slow");
    assert_eq!(asked.await.unwrap(), newer);
    assert_eq!(status(&broker).await.needs_login, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_keeps_its_token_to_the_end_of_its_life() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    let old = fixture.log_in(&anthropic());
    fixture.leave(10);
    fixture.fault(1, fault::oauth_error(400, "invalid_grant"));
    for _ in 0..2 {
        assert_eq!(token(&broker).await, old);
        assert_eq!(token(&fixture.broker()).await, old, "in another process too");
    }
    assert_eq!(fixture.refreshes(), 1);
    assert_eq!(notices(&mut events).len(), 0, "nothing has changed for the person yet");
    fixture.clock.advance(10);
    assert_eq!(token(&broker).await, VARIABLE_VALUE);
    assert_eq!(notices(&mut events).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_shown_to_be_ending_long_before_its_end() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let old = fixture.log_in(&anthropic());
    assert_eq!(status(&broker).await.state, State::Valid);
    fixture.fault(1, fault::oauth_error(400, "invalid_grant"));
    let newest = broker.get(&anthropic(), Some(LIFE + 1)).await.unwrap();
    assert_eq!((newest.token.expose(), fixture.refreshes()), (old.as_str(), 1));
    let shown = status(&broker).await;
    assert_eq!((shown.state, shown.needs_login.is_some()), (State::NeedsLogin, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_refused_by_the_api_whose_login_is_refused_too_is_not_handed_out_again() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    let old = Secret::new(fixture.log_in(&anthropic()));
    assert_eq!(token(&broker).await, old.expose());
    fixture.sandbox.revoke_all("anthropic");
    assert_eq!(broker.invalidate(&anthropic(), &old).await.unwrap().token.expose(), VARIABLE_VALUE);
    for broker in [&broker, &fixture.broker()] {
        assert_eq!(
            token(broker).await,
            VARIABLE_VALUE,
            "hours are left by the clock, and it is dead all the same"
        );
        assert_eq!(status(broker).await.state, State::NeedsLogin);
    }
    assert_eq!(fixture.refreshes(), 1);
    let newer = fixture.log_in(&anthropic());
    assert_eq!(token(&broker).await, newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_whose_answer_was_lost_is_not_sent_again_while_the_old_token_lives() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.sandbox.switch(json!({"anthropic": {"tokens": {"reuse": "revoke-family"}}}));
    let old = fixture.log_in(&anthropic());
    fixture.leave(10);
    fixture.fault(1, fault::lost_reply());
    for _ in 0..3 {
        assert_eq!(token(&fixture.broker()).await, old);
    }
    assert_eq!(fixture.refreshes(), 1, "sent again it would end the token that still works");
    fixture.clock.advance(10);
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), fixture.refreshes()), (Code::LoginExpired, 2), "now there is nothing to lose");
    let reason = status(&fixture.broker()).await.needs_login.unwrap();
    assert!(reason.contains("answer"), "the true reason is told: {reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_in_the_same_call_is_the_reason_that_is_told() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::lost_reply());
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), fixture.refreshes()), (Code::LoginExpired, 2));
    let reason = status(&fixture.broker()).await.needs_login.unwrap();
    assert!(reason.contains("answer"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_gave_up_waiting_may_have_lost_the_answer() {
    for status in [502, 504, 524] {
        let fixture = Fixture::with(json!(["login"]));
        fixture.sandbox.switch(json!({"anthropic": {"tokens": {"reuse": "revoke-family"}}}));
        let old = fixture.log_in(&anthropic());
        fixture.leave(10);
        fixture.fault(1, json!({"status": status, "body": "", "process": true}));
        assert_eq!(token(&fixture.broker()).await, old);
        assert_eq!(fixture.refreshes(), 1, "{status}: sent again it would end the token that still works");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_named() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    // Lost on the way in, both times: the provider has done nothing, but nobody here can know.
    fixture.fault(2, fault::dropped());
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!(error.code(), Code::Network);
    assert!(error.message().contains("may have been carried out"), "{error}");
    token(&fixture.broker()).await;
    assert_eq!(fixture.refreshes(), 3, "it had not been, and the login is whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_answer_leaves_out_is_kept() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.sandbox.switch(json!({"anthropic": {"tokens": {"rotation": "omit"}}}));
    let spent = fixture.tokens(&anthropic()).refresh_token;
    for round in 1..=2 {
        fixture.leave(-1);
        token(&fixture.broker()).await;
        assert_eq!(fixture.tokens(&anthropic()).refresh_token, spent, "round {round}");
        assert!(fixture.tokens(&anthropic()).expires_at.unwrap() > fixture.clock.now());
    }
    fixture.fault(1, fault::omit(&["expires_in", "token_type"]));
    fixture.leave(-1);
    token(&fixture.broker()).await;
    assert_eq!(fixture.tokens(&anthropic()).expires_at, None, "no end is made up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_without_a_refresh_token_ends_with_its_token() {
    let fixture = Fixture::with(json!(["login"]));
    let mut tokens = Tokens::api_key(Secret::new("sk-ant-oat01-alone"), NOW);
    tokens.expires_at = Some(NOW + 100);
    fixture.put(&anthropic(), convocations::credential::Kind::Oauth, &tokens);
    let broker = fixture.broker();
    assert_eq!(token(&broker).await, "sk-ant-oat01-alone", "it is used to its end");
    fixture.clock.advance(100);
    assert_eq!(broker.get(&anthropic(), None).await.unwrap_err().code(), Code::LoginExpired);
    assert_eq!(fixture.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_back_is_put_right_by_the_apis_refusal() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    let old = Secret::new(fixture.log_in(&anthropic()));
    fixture.clock.advance(-43_200);
    assert_eq!(token(&broker).await, old.expose());
    assert_ne!(broker.invalidate(&anthropic(), &old).await.unwrap().token, old);
    fixture.clock.advance(86_400);
    token(&broker).await;
    assert_eq!(fixture.refreshes(), 2, "set forward, it is refreshed once");
    token(&broker).await;
    assert_eq!(fixture.refreshes(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_told_once() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    let background = broker.run_background();
    let mut events = broker.subscribe();
    std::fs::write(fixture.dir.paths().index_file(), "no index").unwrap();
    let told = event(&mut events, |event| match event {
        convocations::broker::Event::Notice(notice) => Some(notice),
        _ => None,
    });
    assert_eq!(told.await.error.code(), Code::StoreUnreadable);
    broker.tell_all().await;
    assert_eq!(notices(&mut events).len(), 0);
    background.abort();
}
