//! Logins that nobody takes part in (RFC 6749, 4.4), and what an API's refusal asks for (RFC 6750, 3.1).

use convocations::error::Code;
use convocations::login::{LoginRequest, Stage};
use convocations::wording::Face;
use serde_json::json;
use tokio::sync::mpsc;

use crate::fixture::{Fixture, approve, arrive, parameter};

fn machine(url: &str) -> String {
    format!(
        "[providers.ci]\nissuer = \"{url}/generic\"\nclient_id = \"sandbox-confidential\"\n\
         client_secret = \"file:{}\"\nscopes = [\"tools:read\"]\n\
         [providers.ci.login.machine]\ngrant = \"client-credentials\"\n",
        std::env::temp_dir().join("convocations-no-such-secret").display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_named() {
    let fixture = Fixture::describing(machine);
    let error = fixture.start_headless("ci", None).failed(Code::ConfigInvalid).await;
    assert!(error.hint().unwrap().contains("convocations-no-such-secret"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_logs_in_by_itself_and_again_when_its_token_ends() {
    for auth in ["client_secret_basic", "client_secret_post"] {
        let folder = crate::common::TestDir::new();
        let file = folder.path().join("secret");
        std::fs::write(&file, "sandbox-confidential-secret\n").unwrap();
        let missing = std::env::temp_dir().join("convocations-no-such-secret").display().to_string();
        let fixture = Fixture::describing(|url| {
            machine(url).replace(&missing, &file.display().to_string())
                + &format!("client_auth = \"{auth}\"\n")
        });
        fixture.sandbox.switch(json!({ "generic": { "tokens": { "lifetime": 1 } } }));
        let mut login = fixture.start_headless("ci", None);
        let event = login.event().await;
        assert!(matches!(event.stage, Stage::Exchanging), "nobody is asked: {event:?}");
        login.done().await;
        assert_eq!(fixture.sandbox.count("generic.register"), 0);
        let stored = fixture.stored("ci").unwrap();
        assert_eq!((stored.refresh_token, &stored.scopes), (None, &vec!["tools:read".to_owned()]));
        let newer = fixture.broker().get(&"ci".parse().unwrap(), Some(60)).await.unwrap();
        assert_ne!(newer.token, stored.access_token, "{auth}");
        assert_eq!(newer.scopes, ["tools:read"]);
    }
}

fn by_resource(url: &str) -> String {
    format!("[providers.corp]\nname = \"Corp\"\nresource = \"{url}/generic/mcp\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_asks_for_beyond_is_asked_for_and_said() {
    let fixture = Fixture::describing(by_resource);
    let mut login = fixture.start("corp", "browser");
    let opened = login.opened().await;
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    login.over().await;
    assert_eq!(fixture.stored("corp").unwrap().scopes, ["tools:read", "offline_access"]);
    let again = |challenge: &str| LoginRequest {
        login: "corp".parse().unwrap(),
        method: Some("browser".to_owned()),
        browser: true,
        confirmed: true,
        challenge: Some(challenge.to_owned()),
        organization: None,
        place: Face::Editor,
    };
    let (sender, mut events) = mpsc::unbounded_channel();
    let challenge =
        "Bearer error=\"insufficient_scope\", scope=\"tools:write\", resource_metadata=\"https://x\"";
    fixture.logins.start(&fixture.services, again(challenge), sender).unwrap();
    let Stage::OpenUrl { url, notice, .. } = events.recv().await.unwrap().stage else { panic!() };
    assert_eq!(notice.as_deref(), Some("Corp asks for more than this login may do: `tools:write`."));
    let scope = parameter(url.expose(), "scope").unwrap();
    assert_eq!(scope, "tools:read offline_access tools:write", "what it had is not lost");
    arrive(&approve(url.expose()).await).await;
    while let Some(event) = events.recv().await {
        assert!(!matches!(event.stage, Stage::Failed { .. }), "{event:?}");
    }
    assert!(fixture.stored("corp").unwrap().scopes.contains(&"tools:write".to_owned()));
    // A server that asks for ever for what was granted is not asked back for ever.
    let (sender, _events) = mpsc::unbounded_channel();
    let error = fixture.logins.start(&fixture.services, again(challenge), sender).unwrap_err();
    assert_eq!(error.code(), Code::ProviderRefused, "{error:?}");
    for nothing in ["", "Bearer", "Basic realm=\"x\"", "Bearer error=\"invalid_token\""] {
        let (sender, _events) = mpsc::unbounded_channel();
        let error = fixture.logins.start(&fixture.services, again(nothing), sender).unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{nothing}");
    }
}
