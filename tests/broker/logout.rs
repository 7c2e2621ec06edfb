//! Logout: gone here in any case, and the truth about the provider (D29, D30).

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login_id::LoginId;
use convocations::protocol::Revoked;
use convocations::secret::Secret;
use serde_json::json;

use crate::common::fault;
use crate::fixture::{Fixture, LIFE, anthropic, token};
use crate::unsaved::log_in_to_openai;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_waits_for_a_refresh_and_the_login_stays_gone() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("slow"));
    let (one, other) = (fixture.broker(), fixture.broker());
    let asked = tokio::spawn(async move { one.get(&anthropic(), None).await });
    fixture.sandbox.wait_for_hold("slow");
    let out = tokio::spawn(async move { other.logout(&anthropic()).await });
    fixture.sandbox.release("slow");
    let _ = asked.await.unwrap();
    out.await.unwrap().unwrap();
    assert_eq!(fixture.store.read(&anthropic()).unwrap(), None);
    assert_eq!(fixture.broker().get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_removed_during_a_refresh_is_not_brought_back() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    fixture.leave(-1);
    fixture.fault(1, fault::hold("slow"));
    let broker = fixture.broker();
    let asked = tokio::spawn(async move { broker.get(&anthropic(), None).await });
    fixture.sandbox.wait_for_hold("slow");
    fixture.remove(&anthropic());
    fixture.sandbox.release("slow");
    assert_eq!(asked.await.unwrap().unwrap_err().code(), Code::NotLoggedIn);
    assert_eq!(fixture.store.read(&anthropic()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_did_is_told_as_it_was() {
    let fixture = Fixture::new();
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    let out = broker.logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::Unsupported, "Anthropic has no address for it");
    fixture.put(&anthropic(), Kind::ApiKey, &Tokens::api_key(Secret::new("sk-ant-api03-own"), 0));
    let out = broker.logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::Unsupported, "a key that the person brought is the person's");
    assert!(out.page.is_some());
    let error = broker.logout(&anthropic()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotLoggedIn);
    assert!(error.hint().unwrap().contains(crate::fixture::VARIABLE), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_one_whatever_the_provider_makes_of_it() {
    let fixture = Fixture::new();
    let (broker, login): (_, LoginId) = (fixture.broker(), "openai".parse().unwrap());
    let told = [
        (None, Revoked::Yes, "revoked its tokens"),
        (Some(fault::status(503)), Revoked::No, "work until they expire"),
        (Some(fault::dropped()), Revoked::No, "work until they expire"),
        (Some(fault::oauth_error(400, "invalid_client")), Revoked::No, "work until they expire"),
        (Some(fault::shape("html")), Revoked::No, "work until they expire"),
    ];
    for (fault, revoked, words) in told {
        let refresh_token = log_in_to_openai(&fixture, &login, LIFE);
        fixture.sandbox.forget_calls();
        if let Some(fault) = &fault {
            fixture.sandbox.fault_for_ever("openai.revoke", fault.clone());
        }
        let out = broker.logout(&login).await.unwrap();
        assert_eq!(out.revoked, revoked, "{fault:?}: {}", out.message);
        assert!(out.message.contains(words), "{fault:?}: {}", out.message);
        assert_eq!(fixture.store.read(&login).unwrap(), None, "{fault:?}");
        let sent = fixture.sandbox.calls_of("openai.revoke");
        assert_eq!(sent[0]["fields"]["token"], refresh_token.as_str(), "{fault:?}");
        fixture.sandbox.no_faults();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_says_when_others_may_have_ended_with_it() {
    let login: LoginId = "openai".parse().unwrap();
    for (ends, is_told) in [("login", false), ("all-logins", true)] {
        let fixture =
            Fixture::with_options(json!({ "providers": { "openai": { "revocation_ends": ends } } }));
        log_in_to_openai(&fixture, &login, LIFE);
        let out = fixture.broker().logout(&login).await.unwrap();
        assert_eq!(out.revoked, Revoked::Yes, "{out:?}");
        assert_eq!(out.message.contains("may have ended your other logins"), is_told, "{out:?}");
        // A provider that took nothing back has ended nothing.
        log_in_to_openai(&fixture, &login, LIFE);
        fixture.sandbox.fault_for_ever("openai.revoke", fault::status(503));
        let out = fixture.broker().logout(&login).await.unwrap();
        assert!(!out.message.contains("other logins"), "{out:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_read_can_be_removed() {
    let fixture = Fixture::with(json!(["login"]));
    fixture.log_in(&anthropic());
    std::fs::write(fixture.dir.paths().key_file(), "garbage").unwrap();
    fixture.broker().get(&anthropic(), None).await.unwrap_err();
    let out = fixture.broker().logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::No);
    assert!(fixture.store.index().unwrap().logins.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_forgets_with_the_store() {
    let fixture = Fixture::with(json!(["login"]));
    let broker = fixture.broker();
    fixture.log_in(&anthropic());
    token(&broker).await;
    broker.logout(&anthropic()).await.unwrap();
    assert_eq!(broker.get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
}
