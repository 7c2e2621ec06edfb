//! Which of a person's organizations a login is for: chosen, kept, shown, and never another one.

use convocations::error::Code;
use convocations::login::Stage;
use convocations::protocol::LoginStatus;
use serde_json::json;

use crate::common::approve_device;
use crate::fixture::{Fixture, approve, arrive, parameter, person};

/// The workspace of the sandbox that everybody is in.
const TEAM: &str = "5a17b0c5-0000-4000-8000-000000007ea0";
const ANY_PORT: &str = "[providers.openai.login.chatgpt.redirect]\nports = \"any\"\n";

async fn status(fixture: &Fixture, login: &str) -> LoginStatus {
    fixture.broker().status(Some(&login.parse().unwrap())).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn anthropics_page_chooses_and_the_login_tells_which() {
    let fixture = Fixture::new();
    for method in ["console-key", "subscription"] {
        let mut login = fixture.start("anthropic", method);
        let opened = login.opened().await;
        arrive(&approve(&opened.url).await).await;
        login.done().await;
        login.over().await;
        assert_eq!(
            status(&fixture, "anthropic").await.organization.as_deref(),
            Some("Ada's pretend organisation")
        );
    }
    let error = fixture.try_start_in("anthropic", "console-key", "org-1").err().unwrap();
    assert!(error.message().contains("on its own page"), "{error:?}");
    let error = fixture.try_start_in("openrouter", "browser", "org-1").err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(error.message().contains("no organizations"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn openais_workspace_is_asked_for_and_held_to() {
    let fixture = Fixture::with(ANY_PORT);
    fixture.sandbox.switch(json!({ "openai": { "ports": [] } }));
    let mut login = fixture.try_start_in("openai", "chatgpt", TEAM).unwrap();
    let opened = login.opened().await;
    assert_eq!(parameter(&opened.url, "allowed_workspace_id").as_deref(), Some(TEAM));
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    login.over().await;
    assert_eq!(status(&fixture, "openai").await.organization.as_deref(), Some(TEAM));
    let tokens = fixture.stored("openai").unwrap();
    assert_eq!(tokens.extra["account_id"], TEAM, "which the API is told");

    // Somebody who is not in it is signed in to their own, which is not what was asked for.
    let mut login = fixture.try_start_in("openai", "chatgpt", "elsewhere").unwrap();
    let opened = login.opened().await;
    let page = arrive(&approve(&opened.url).await).await;
    let error = login.failed(Code::ProviderRefused).await;
    assert!(error.message().contains("another workspace") && page.contains("another workspace"), "{error:?}");
    assert!(error.hint().unwrap().contains("has revoked the login"), "{error:?}");
    assert_eq!(fixture.sandbox.count("openai.revoke"), 2, "both of its tokens");
    assert_eq!(fixture.stored("openai"), Some(tokens), "the login before it is as it was");

    let error = fixture.try_start_in("openai", "device", TEAM).err().unwrap();
    assert_eq!(error.hint(), Some("`chatgpt` does."));
    for bad in ["", "two words", "a\u{1b}b"] {
        assert_eq!(
            fixture.try_start_in("openai", "chatgpt", bad).err().unwrap().code(),
            Code::InvalidArgument
        );
    }
}

/// Two GitHub hosts at once: each login is made, refreshed and ended at its own. The sandbox has two names.
#[tokio::test(flavor = "multi_thread")]
async fn each_copilot_login_stays_at_its_own_host() {
    let mut fixture = Fixture::new();
    let settings = fixture.sandbox.config_toml();
    let (host, _) = settings.split_once("/github").unwrap();
    let port = host.rsplit(':').next().unwrap().to_owned();
    let lines = settings.lines().map(|line| match line.starts_with("key_page") {
        true => line.to_owned(),
        false => line.replace(&format!("127.0.0.1:{port}/github/"), "{domain}/github/"),
    });
    let at_domain = lines.collect::<Vec<_>>().join("\n");
    let usual = format!("[providers.github-copilot.options]\ndomain = \"localhost:{port}\"\n");
    fixture.rewrite(&format!("{at_domain}\n{usual}"));
    fixture.sandbox.switch(json!({ "github": { "interval": 1 } }));
    let own = format!("127.0.0.1:{port}");
    for (login, domain) in [("github-copilot", None), ("github-copilot@work", Some(own.as_str()))] {
        let mut running = match domain {
            Some(domain) => fixture.try_start_in(login, "device", domain).unwrap(),
            None => fixture.start(login, "device"),
        };
        let Stage::DeviceCode { user_code, verification_uri, .. } = running.event().await.stage else {
            panic!()
        };
        person(move || approve_device(&verification_uri, user_code.expose(), "ada")).await;
        running.done().await;
        running.over().await;
        assert_eq!(status(&fixture, login).await.organization.as_deref(), domain);
    }
    let hosts = |fixture: &Fixture, route: &str| {
        let host = |call: &serde_json::Value| call["headers"]["host"].as_str().unwrap().to_owned();
        fixture.sandbox.calls_of(route).iter().map(host).collect::<Vec<_>>()
    };
    assert_eq!(hosts(&fixture, "github.copilot-token"), [format!("localhost:{port}"), own.clone()]);
    let login = "github-copilot@work".parse().unwrap();
    let broker = fixture.broker();
    let old = broker.get(&login, None).await.unwrap();
    broker.invalidate(&login, &old.token).await.unwrap();
    assert_eq!(hosts(&fixture, "github.copilot-token")[2], own, "and the refresh");
    assert_eq!(status(&fixture, "github-copilot@work").await.organization, Some(own.clone()));
    // Once more, and nobody names the host: it is not GitHub's own that the login is of from now on.
    let mut running = fixture.start("github-copilot@work", "device");
    let Stage::DeviceCode { user_code, verification_uri, .. } = running.event().await.stage else { panic!() };
    assert!(verification_uri.contains(&own), "{verification_uri}");
    person(move || approve_device(&verification_uri, user_code.expose(), "ada")).await;
    running.done().await;
    running.over().await;
    assert_eq!(hosts(&fixture, "github.copilot-token")[3], own);
    assert_eq!(status(&fixture, "github-copilot@work").await.organization, Some(own));
    assert_eq!(
        fixture.try_start_in("github-copilot", "device", "a/b?c").err().unwrap().code(),
        Code::InvalidArgument
    );
}
