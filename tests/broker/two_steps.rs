//! A login in two steps: GitHub's token stays, Copilot's is made from it every half hour.

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::NewLogin;
use serde_json::json;

use crate::common::fault;
use crate::desk::Desk;

const STEP: &str = "github.copilot-token";

fn copilot() -> LoginId {
    "github-copilot".parse().unwrap()
}

/// A desk with a login whose Copilot token has so many seconds left.
fn desk(left: i64) -> Desk {
    let desk = Desk::new();
    let minted = desk.sandbox.mint("github", "oauth");
    let mut tokens = Tokens::api_key(Secret::new("tid=1;exp=1"), desk.clock.now());
    tokens.base_token = Some(Secret::new(minted["access_token"].as_str().unwrap()));
    tokens.expires_at = Some(desk.clock.now() + left);
    desk.store.put(&copilot(), NewLogin::new("device", Kind::Oauth, tokens)).unwrap();
    desk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_between_never_ends_it() {
    let desk = desk(-1);
    let before = desk.tokens(&copilot());
    for fault in
        [fault::shape("html"), fault::json_body(401, json!("<html>sign in</html>")), fault::status(401)]
    {
        desk.sandbox.fault(STEP, 2, fault.clone());
        let error = desk.broker().get(&copilot(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::BadResponse, "{fault}: {error}");
        assert_eq!(desk.tokens(&copilot()), before, "{fault}");
        desk.sandbox.no_faults();
    }
    let credential = desk.broker().get(&copilot(), None).await.unwrap();
    assert_eq!(desk.tokens(&copilot()).base_token, before.base_token);
    assert!(credential.expires_at.unwrap() > desk.clock.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_spends_nothing_and_is_hidden() {
    let desk = desk(100);
    desk.clock.advance(90);
    desk.sandbox.fault(STEP, 1, fault::lost_reply());
    let credential = desk.broker().get(&copilot(), None).await.unwrap();
    assert_eq!(credential.token, desk.tokens(&copilot()).access_token);
    assert!(credential.expires_at.unwrap() > desk.clock.now() + 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn githubs_own_refusal_ends_it() {
    let desk = desk(-1);
    desk.sandbox.revoke_all("github");
    for _ in 0..2 {
        assert_eq!(desk.broker().get(&copilot(), None).await.unwrap_err().code(), Code::LoginExpired);
    }
    assert_eq!(desk.sandbox.count(STEP), 1, "nobody sends it again");
}
