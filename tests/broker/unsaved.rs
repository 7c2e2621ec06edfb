//! A store that cannot be written just now: nothing is spent that could not be kept (rule 3), and what was
//! spent all the same is kept in memory until it can be stored.

use convocations::broker::{Broker, Event};
use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::NewLogin;
use serde_json::json;

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, Unwritable, anthropic, event, notices, token};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_spent_that_could_not_be_kept() {
    let fixture = Fixture::with(json!(["login"]));
    let old = fixture.log_in(&anthropic());
    let unwritable = Unwritable::store(&fixture);
    fixture.leave(10);
    assert_eq!(token(&fixture.broker()).await, old, "while it lives");
    fixture.clock.advance(10);
    let error = fixture.broker().get(&anthropic(), None).await.unwrap_err();
    assert_eq!((error.code(), fixture.refreshes()), (Code::StoreUnwritable, 0));
    drop(unwritable);
    assert_ne!(token(&fixture.broker()).await, old);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_is_kept_in_memory_until_it_can_be_stored() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    let mut events = broker.subscribe();
    let old = fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("answer"));
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&anthropic(), None).await }
    });
    fixture.sandbox.wait_for_hold("answer");
    let unwritable = Unwritable::store(&fixture);
    fixture.sandbox.release("answer");
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::StoreUnwritable, "rule 3: what is not durable is not handed out");
    assert_eq!(notices(&mut events).len(), 1, "the person can still save the login");
    broker.get(&anthropic(), None).await.unwrap_err();
    drop(unwritable);
    let newer = token(&broker).await;
    assert_ne!(newer, old);
    assert_eq!(token(&fixture.broker()).await, newer);
    assert_eq!(fixture.refreshes(), 1, "the spent refresh token was not sent again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_stored_without_being_asked_for_and_at_the_end() {
    for in_the_background in [true, false] {
        let fixture = Fixture::with(json!(["login"]));
        let broker = fixture.broker();
        let old = fixture.log_in(&anthropic());
        fixture.leave(-1);
        fixture.fault(1, fault::hold("answer"));
        let asked = tokio::spawn({
            let broker = broker.clone();
            async move { broker.get(&anthropic(), None).await }
        });
        fixture.sandbox.wait_for_hold("answer");
        let unwritable = Unwritable::store(&fixture);
        fixture.sandbox.release("answer");
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
        assert_ne!(fixture.tokens(&anthropic()).access_token.expose(), old, "{in_the_background}");
        token(&fixture.broker()).await;
        assert_eq!(fixture.refreshes(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_gives_way_to_a_newer_login() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("answer"));
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&anthropic(), None).await }
    });
    fixture.sandbox.wait_for_hold("answer");
    let unwritable = Unwritable::store(&fixture);
    fixture.sandbox.release("answer");
    asked.await.unwrap().unwrap_err();
    drop(unwritable);
    let newer = fixture.log_in(&anthropic());
    broker.finish_in_flight().await;
    assert_eq!(fixture.tokens(&anthropic()).access_token.expose(), newer);
    assert_eq!(token(&broker).await, newer);
}

/// A broker that has got a newer token, which the store did not take.
async fn with_unsaved(fixture: &Fixture, left: i64) -> Broker {
    fixture.leave(left);
    fixture.fault(1, fault::hold("answer"));
    got_and_not_stored(fixture, anthropic()).await
}

async fn got_and_not_stored(fixture: &Fixture, login: LoginId) -> Broker {
    let broker = fixture.broker();
    let asked = tokio::spawn({
        let broker = broker.clone();
        async move { broker.get(&login, None).await }
    });
    fixture.sandbox.wait_for_hold("answer");
    let unwritable = Unwritable::store(fixture);
    fixture.sandbox.release("answer");
    let _ = asked.await.unwrap();
    drop(unwritable);
    broker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_process_sends_what_was_spent_while_the_old_token_lives() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.sandbox.switch(json!({"anthropic": {"tokens": {"reuse": "revoke-family"}}}));
    let old = fixture.log_in(&anthropic());
    let broker = with_unsaved(&fixture, 10).await;
    assert_eq!(token(&fixture.broker()).await, old);
    assert_eq!(fixture.refreshes(), 1, "sent again it would end the only copy of the newer one");
    let newer = token(&broker).await;
    assert_ne!(newer, old);
    assert_eq!(token(&fixture.broker()).await, newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_gives_way_to_a_newer_token_of_the_same_login() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.sandbox.switch(json!({"anthropic": {"tokens": {"rotation": "omit"}}}));
    fixture.log_in(&anthropic());
    let broker = with_unsaved(&fixture, -1).await;
    // The refresh token is good still, so others go on without what that one holds.
    let newer = token(&fixture.broker()).await;
    broker.finish_in_flight().await;
    assert_eq!(fixture.tokens(&anthropic()).access_token.expose(), newer);
    assert_eq!(token(&broker).await, newer);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_gives_way_to_a_login_in_an_index_that_began_anew() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    let broker = with_unsaved(&fixture, -1).await;
    // Damaged, it is set aside by the next login, which is the first one of its index.
    std::fs::write(fixture.dir.paths().index_file(), "no index").unwrap();
    let made = fixture.log_in(&anthropic());
    broker.finish_in_flight().await;
    assert_eq!(fixture.tokens(&anthropic()).access_token.expose(), made);
    assert!(fixture.tokens(&anthropic()).expires_at.unwrap() >= fixture.clock.now() + LIFE);
}

/// Stores a login to OpenAI, which takes tokens back, and returns its refresh token.
pub fn log_in_to_openai(fixture: &Fixture, login: &LoginId, left: i64) -> String {
    let minted = fixture.sandbox.mint("openai", "oauth");
    let text = |name: &str| Secret::new(minted[name].as_str().unwrap());
    let mut tokens = Tokens::api_key(text("access_token"), fixture.clock.now());
    tokens.refresh_token = Some(text("refresh_token"));
    tokens.expires_at = Some(fixture.clock.now() + left);
    fixture.store.put(login, NewLogin::new("chatgpt", Kind::Oauth, tokens.clone())).unwrap();
    text("refresh_token").expose().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_takes_back_the_login_that_is_there_and_not_what_is_kept_of_another() {
    let fixture = Fixture::new();
    let login: LoginId = "openai".parse().unwrap();
    log_in_to_openai(&fixture, &login, -1);
    fixture.sandbox.fault_refresh("openai.token", 1, fault::hold("answer"));
    let broker = got_and_not_stored(&fixture, login.clone()).await;
    let newer = log_in_to_openai(&fixture, &login, LIFE);
    broker.logout(&login).await.unwrap();
    let calls = fixture.sandbox.calls_of("openai.revoke");
    assert!(calls.iter().any(|call| call["fields"]["token"] == newer.as_str()), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_a_login_that_is_gone_is_given_back() {
    for asked_to_log_out_too in [false, true] {
        let fixture = Fixture::new();
        let login: LoginId = "openai".parse().unwrap();
        log_in_to_openai(&fixture, &login, -1);
        fixture.sandbox.fault_refresh("openai.token", 1, fault::hold("answer"));
        let broker = got_and_not_stored(&fixture, login.clone()).await;
        fixture.remove(&login);
        if asked_to_log_out_too {
            assert_eq!(broker.logout(&login).await.unwrap_err().code(), Code::NotLoggedIn);
        }
        broker.finish_in_flight().await;
        assert_eq!(fixture.store.read(&login).unwrap(), None);
        assert!(fixture.sandbox.count("openai.revoke") > 0, "nobody is left with what nobody can log out");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_of_a_login_that_is_gone_is_left_where_others_may_end_with_it() {
    let fixture =
        Fixture::with_options(json!({ "providers": { "openai": { "revocation_ends": "all-logins" } } }));
    let login: LoginId = "openai".parse().unwrap();
    log_in_to_openai(&fixture, &login, -1);
    fixture.sandbox.fault_refresh("openai.token", 1, fault::hold("answer"));
    let broker = got_and_not_stored(&fixture, login.clone()).await;
    fixture.remove(&login);
    let mut events = broker.subscribe();
    broker.finish_in_flight().await;
    assert_eq!(fixture.sandbox.count("openai.revoke"), 0);
    let told = notices(&mut events);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].error.message().contains("works until it expires"), "{told:?}");
}
