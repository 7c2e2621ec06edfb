//! Rule 21: a login begins only if it can be stored, and what was made and is held by no login is taken back.

use convocations::credential::{Kind, Tokens};
use convocations::error::Code;
use convocations::login::{Replaced, Stage};
use convocations::oauth::Failure;
use convocations::protocol::Revoked;
use convocations::secret::Secret;
use convocations::store::NewLogin;
use serde_json::json;

use crate::fixture::{Fixture, Login, approve, arrive};

fn corp(url: &str) -> String {
    format!(
        "[providers.corp]\nname = \"Corp\"\nissuer = \"{url}/generic\"\nclient_id = \"sandbox-public\"\n\
         scopes = [\"openid\", \"offline_access\"]\n"
    )
}

/// The same where a revocation is known to end no other login.
fn corp_with_single_revocation(url: &str) -> String {
    format!("{}revocation_ends = \"login\"\n", corp(url))
}

/// Whether a login can still be refreshed.
async fn lives(fixture: &Fixture, tokens: &Tokens) -> bool {
    match fixture.client("corp", tokens).refresh(tokens).await {
        Ok(_) => true,
        Err(Failure::Refused(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Logs in by the browser; what is told of the login before, and beside it.
async fn log_in(fixture: &Fixture, provider: &str) -> (Option<Replaced>, Vec<String>) {
    let mut login: Login = fixture.start(provider, "browser");
    arrive(&approve(&login.opened().await.url).await).await;
    let Stage::Done { replaced, notices, .. } = login.done().await.stage else { panic!("not done") };
    login.over().await;
    (replaced, notices)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_over_another_takes_the_old_grant_back_and_keeps_the_new() {
    let fixture = Fixture::describing(corp_with_single_revocation);
    assert_eq!(log_in(&fixture, "corp").await.0, None);
    let old = fixture.stored("corp").unwrap();
    let (replaced, _) = log_in(&fixture, "corp").await;
    assert_eq!(replaced.unwrap().revoked, Revoked::Yes);
    let new = fixture.stored("corp").unwrap();
    assert!(!lives(&fixture, &old).await, "the old grant lives on");
    assert!(lives(&fixture, &new).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_revocation_may_end_every_login_the_one_before_is_left_and_the_new_one_lives() {
    let all_logins = json!({ "generic": { "tokens": { "revocation": "all-logins" } } });
    let fixture = Fixture::describing(corp);
    fixture.sandbox.switch(all_logins.clone());
    log_in(&fixture, "corp").await;
    let replaced = log_in(&fixture, "corp").await.0.unwrap();
    assert_eq!((replaced.revoked, &replaced.page), (Revoked::Unsupported, &None));
    assert!(replaced.message.contains("may end the new login"), "{replaced:?}");
    assert_eq!(fixture.sandbox.count("generic.revoke"), 0);
    assert!(lives(&fixture, &fixture.stored("corp").unwrap()).await);
    // What the settings promise wrongly costs the new login: such a server is not made up.
    let fixture = Fixture::describing(corp_with_single_revocation);
    fixture.sandbox.switch(all_logins);
    log_in(&fixture, "corp").await;
    log_in(&fixture, "corp").await;
    assert!(!lives(&fixture, &fixture.stored("corp").unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_grant_of_a_client_with_a_secret_is_taken_back_with_the_secret() {
    let client = "client_id = \"sandbox-confidential\"\nclient_secret = \"store\"";
    let public = "client_id = \"sandbox-public\"";
    let fixture = Fixture::describing(|url| corp_with_single_revocation(url).replace(public, client));
    let secret = Tokens::api_key(Secret::new("sandbox-confidential-secret"), 0);
    let login = "corp@oauth-client".parse().unwrap();
    fixture.services.store.put(&login, NewLogin::new("api-key", Kind::ApiKey, secret)).unwrap();
    assert_eq!(log_in(&fixture, "corp").await.0, None);
    let replaced = log_in(&fixture, "corp").await.0.unwrap();
    assert_eq!(replaced.revoked, Revoked::Yes, "{replaced:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_cannot_take_back_is_named_with_its_page() {
    let fixture = Fixture::new();
    fixture.echo_state();
    log_in(&fixture, "openrouter").await;
    let page = fixture
        .services
        .config
        .provider("openrouter")
        .unwrap()
        .key_page(&fixture.stored("openrouter").unwrap());
    let replaced = log_in(&fixture, "openrouter").await.0.unwrap();
    assert_eq!((replaced.revoked, &replaced.page), (Revoked::Unsupported, &page));
    assert!(page.is_some() && replaced.message.contains("still works"), "{replaced:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_the_persons_own_is_left_alone() {
    let fixture = Fixture::new();
    fixture.echo_state();
    let mut login = fixture.start("openrouter", "api-key");
    login.paste("sk-or-v1-typed").await.unwrap();
    login.done().await;
    login.over().await;
    assert_eq!(log_in(&fixture, "openrouter").await.0, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_keyring_that_the_settings_demand_nothing_is_begun() {
    let fixture = Fixture::in_store("keyring", |_| String::new());
    if fixture.services.store.backend_report().problem.is_none() {
        eprintln!("skipped: this session has a keyring");
        return;
    }
    for (provider, method) in [("openrouter", "browser"), ("anthropic", "subscription")] {
        let mut login = fixture.start(provider, method);
        let first = login.event().await;
        let Stage::Failed { error } = &first.stage else { panic!("{first:?}") };
        assert!([Code::KeyringUnavailable, Code::KeyringLocked].contains(&error.code()), "{error:?}");
    }
    assert_eq!(fixture.sandbox.calls()["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_and_cannot_be_kept_is_taken_back() {
    for (provider, method) in [("corp", "browser"), ("openrouter", "browser")] {
        let fixture = Fixture::describing(corp_with_single_revocation);
        fixture.echo_state();
        let mut login = fixture.start(provider, method);
        let opened = login.opened().await;
        // Since it began, somebody else has written an index that this program must not touch.
        std::fs::write(fixture.dir.paths().index_file(), "version = 99\n").unwrap();
        arrive(&approve(&opened.url).await).await;
        let error = login.failed(Code::StoreUnreadable).await;
        let hint = error.hint().unwrap();
        match provider {
            "corp" => {
                assert!(hint.contains("revoked the login"), "{error:?}");
                assert_eq!(fixture.sandbox.count("generic.revoke"), 2);
            }
            _ => assert!(hint.contains("/keys/"), "{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_token_that_was_made_for_another_login_is_refused() {
    let fixture = Fixture::describing(corp);
    fixture.sandbox.switch(json!({ "generic": { "nonce_required": true } }));
    log_in(&fixture, "corp").await;
    let before = fixture.stored("corp");
    for nonce in ["wrong", "absent"] {
        fixture.sandbox.switch(json!({ "generic": { "nonce_required": true, "nonce": nonce } }));
        let mut login = fixture.start("corp", "browser");
        arrive(&approve(&login.opened().await.url).await).await;
        login.failed(Code::StateMismatch).await;
        login.over().await;
        assert_eq!(fixture.stored("corp"), before, "{nonce}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_ignored_is_told_with_its_reason() {
    for (iss, reason, page) in [
        ("wrong", "names another issuer", "does not come from Corp"),
        ("absent", "without the issuer (`iss`)", "does not say who gives it"),
    ] {
        let fixture = Fixture::describing(corp);
        fixture.sandbox.switch(json!({ "generic": { "iss": iss, "iss_advertised": true } }));
        let mut login = fixture.start("corp", "browser");
        let callback = approve(&login.opened().await.url).await;
        let shown = crate::fixture::visit(&callback).await.text();
        assert!(shown.contains(page) && !shown.contains("older tab"), "{shown}");
        let (said, by_provider) = login.told().await;
        assert!(said.contains(reason) && !by_provider, "{said}");
    }
}
