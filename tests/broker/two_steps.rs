//! A login in two steps: GitHub's token stays, Copilot's is made from it every half hour.

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::NewLogin;
use serde_json::json;

use crate::common::fault;
use crate::fixture::Fixture;

const STEP: &str = "github.copilot-token";

fn copilot() -> LoginId {
    "github-copilot".parse().unwrap()
}

/// A fixture with a login whose Copilot token has so many seconds left.
fn fixture(left: i64) -> Fixture {
    let fixture = Fixture::new();
    let minted = fixture.sandbox.mint("github", "oauth");
    let mut tokens = Tokens::api_key(Secret::new("tid=1;exp=1"), fixture.clock.now());
    tokens.base_token = Some(Secret::new(minted["access_token"].as_str().unwrap()));
    tokens.expires_at = Some(fixture.clock.now() + left);
    fixture.store.put(&copilot(), NewLogin::new("device", Kind::Oauth, tokens)).unwrap();
    fixture
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_between_never_ends_it() {
    let fixture = fixture(-1);
    let before = fixture.tokens(&copilot());
    for fault in
        [fault::shape("html"), fault::json_body(401, json!("<html>sign in</html>")), fault::status(401)]
    {
        fixture.sandbox.fault(STEP, 2, fault.clone());
        let error = fixture.broker().get(&copilot(), None).await.unwrap_err();
        assert_eq!(error.code(), Code::BadResponse, "{fault}: {error}");
        assert_eq!(fixture.tokens(&copilot()), before, "{fault}");
        fixture.sandbox.no_faults();
    }
    let credential = fixture.broker().get(&copilot(), None).await.unwrap();
    assert_eq!(fixture.tokens(&copilot()).base_token, before.base_token);
    assert!(credential.expires_at.unwrap() > fixture.clock.now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_spends_nothing_and_is_hidden() {
    let fixture = fixture(100);
    fixture.clock.advance(90);
    fixture.sandbox.fault(STEP, 1, fault::lost_reply());
    let credential = fixture.broker().get(&copilot(), None).await.unwrap();
    assert_eq!(credential.token, fixture.tokens(&copilot()).access_token);
    assert!(credential.expires_at.unwrap() > fixture.clock.now() + 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn githubs_own_refusal_ends_it() {
    let fixture = fixture(-1);
    fixture.sandbox.revoke_all("github");
    for _ in 0..2 {
        assert_eq!(fixture.broker().get(&copilot(), None).await.unwrap_err().code(), Code::LoginExpired);
    }
    assert_eq!(fixture.sandbox.count(STEP), 1, "nobody sends it again");
}
