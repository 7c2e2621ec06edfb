//! Logout: gone here in any case, and the truth about the provider (D29, D30).

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login_id::LoginId;
use convocations::protocol::Revoked;
use convocations::secret::Secret;
use serde_json::json;

use crate::common::fault;
use crate::desk::{Desk, LIFE, anthropic, token};
use crate::unsaved::log_in_to_openai;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_waits_for_a_refresh_and_the_login_stays_gone() {
    let desk = Desk::with(json!(["login"]));
    desk.log_in(&anthropic());
    desk.leave(-1);
    desk.fault(1, fault::hold("slow"));
    let (one, other) = (desk.broker(), desk.broker());
    let asked = tokio::spawn(async move { one.get(&anthropic(), None).await });
    desk.sandbox.wait_for_hold("slow");
    let out = tokio::spawn(async move { other.logout(&anthropic()).await });
    desk.sandbox.release("slow");
    let _ = asked.await.unwrap();
    out.await.unwrap().unwrap();
    assert_eq!(desk.store.read(&anthropic()).unwrap(), None);
    assert_eq!(desk.broker().get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_removed_during_a_refresh_is_not_brought_back() {
    let desk = Desk::with(json!(["login"]));
    desk.log_in(&anthropic());
    desk.leave(-1);
    desk.fault(1, fault::hold("slow"));
    let broker = desk.broker();
    let asked = tokio::spawn(async move { broker.get(&anthropic(), None).await });
    desk.sandbox.wait_for_hold("slow");
    desk.remove(&anthropic());
    desk.sandbox.release("slow");
    assert_eq!(asked.await.unwrap().unwrap_err().code(), Code::NotLoggedIn);
    assert_eq!(desk.store.read(&anthropic()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_did_is_told_as_it_was() {
    let desk = Desk::new();
    let broker = desk.broker();
    desk.log_in(&anthropic());
    let out = broker.logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::Unsupported, "Anthropic has no address for it");
    desk.put(&anthropic(), Kind::ApiKey, &Tokens::api_key(Secret::new("sk-ant-api03-own"), 0));
    let out = broker.logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::Unsupported, "a key that the person brought is the person's");
    assert!(out.page.is_some());
    let error = broker.logout(&anthropic()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotLoggedIn);
    assert!(error.hint().unwrap().contains(crate::desk::VARIABLE), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_is_one_whatever_the_provider_makes_of_it() {
    let desk = Desk::new();
    let (broker, login): (_, LoginId) = (desk.broker(), "openai".parse().unwrap());
    let told = [
        (None, Revoked::Yes, "took its tokens back"),
        (Some(fault::status(503)), Revoked::No, "lives on until it ends"),
        (Some(fault::dropped()), Revoked::No, "lives on until it ends"),
        (Some(fault::oauth_error(400, "invalid_client")), Revoked::No, "lives on until it ends"),
        (Some(fault::shape("html")), Revoked::No, "lives on until it ends"),
    ];
    for (fault, revoked, words) in told {
        let refresh_token = log_in_to_openai(&desk, &login, LIFE);
        desk.sandbox.forget_calls();
        if let Some(fault) = &fault {
            desk.sandbox.fault_for_ever("openai.revoke", fault.clone());
        }
        let out = broker.logout(&login).await.unwrap();
        assert_eq!(out.revoked, revoked, "{fault:?}: {}", out.message);
        assert!(out.message.contains(words), "{fault:?}: {}", out.message);
        assert_eq!(desk.store.read(&login).unwrap(), None, "{fault:?}");
        let sent = desk.sandbox.calls_of("openai.revoke");
        assert_eq!(sent[0]["fields"]["token"], refresh_token.as_str(), "{fault:?}");
        desk.sandbox.no_faults();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_logout_says_when_others_may_have_ended_with_it() {
    let login: LoginId = "openai".parse().unwrap();
    for (ends, is_told) in [("login", false), ("all-logins", true)] {
        let desk = Desk::with_options(json!({ "providers": { "openai": { "revocation_ends": ends } } }));
        log_in_to_openai(&desk, &login, LIFE);
        let out = desk.broker().logout(&login).await.unwrap();
        assert_eq!(out.revoked, Revoked::Yes, "{out:?}");
        assert_eq!(out.message.contains("may have ended your other logins"), is_told, "{out:?}");
        // A provider that took nothing back has ended nothing.
        log_in_to_openai(&desk, &login, LIFE);
        desk.sandbox.fault_for_ever("openai.revoke", fault::status(503));
        let out = desk.broker().logout(&login).await.unwrap();
        assert!(!out.message.contains("other logins"), "{out:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_cannot_be_read_can_be_removed() {
    let desk = Desk::with(json!(["login"]));
    desk.log_in(&anthropic());
    std::fs::write(desk.dir.paths().key_file(), "garbage").unwrap();
    desk.broker().get(&anthropic(), None).await.unwrap_err();
    let out = desk.broker().logout(&anthropic()).await.unwrap();
    assert_eq!(out.revoked, Revoked::No);
    assert!(desk.store.index().unwrap().logins.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_forgets_with_the_store() {
    let desk = Desk::with(json!(["login"]));
    let broker = desk.broker();
    desk.log_in(&anthropic());
    token(&broker).await;
    broker.logout(&anthropic()).await.unwrap();
    assert_eq!(broker.get(&anthropic(), None).await.unwrap_err().code(), Code::NotLoggedIn);
}
