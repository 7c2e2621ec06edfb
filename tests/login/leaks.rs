//! What a login must not leave anywhere: codes, verifiers, states, tokens.

use convocations::secret::Secret;

use crate::fixture::{Fixture, approve, arrive, parameter, visit};

#[tokio::test(flavor = "multi_thread")]
async fn neither_events_nor_pages_nor_files_tell_a_secret() {
    let fixture = Fixture::new();
    let mut login = fixture.start("anthropic", "subscription");
    let opened = login.opened().await;
    let callback = approve(&opened.url).await;
    let _ = login.paste(&callback.replace("code=", "code=x&code=")).await.unwrap_err();
    let stray = visit(&callback.replace("state=", "state=x")).await.text();
    let page = arrive(&callback).await;
    login.done().await;
    login.over().await;
    let tokens = fixture.stored("anthropic").unwrap();
    let verifier = fixture.sandbox.calls_of("anthropic.token")[0]["fields"]["code_verifier"]
        .as_str()
        .unwrap()
        .to_owned();
    let shown = |secret: &Secret| secret.expose().to_owned();
    let secrets: Vec<String> = [
        parameter(&callback, "code"),
        parameter(&callback, "state"),
        Some(verifier.clone()),
        Some(shown(&tokens.access_token)),
        tokens.refresh_token.as_ref().map(shown),
    ]
    .into_iter()
    .map(Option::unwrap)
    .collect();
    assert!(!opened.url.contains(&verifier), "the verifier is in the address");
    let told = [login.seen.join("\n"), page, stray].join("\n");
    for secret in &secrets {
        assert!(secret.len() > 10);
        assert!(!told.contains(secret.as_str()), "{secret} is told");
    }
    assert_eq!(fixture.dir.files_with(&secrets), Vec::<std::path::PathBuf>::new());
}
