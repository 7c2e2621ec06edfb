//! Without a browser here (SSH, containers, `--no-browser`): every provider ends in a prompt that a person
//! can use.

use convocations::error::Code;
use convocations::login::{Input, Stage};
use convocations::provider::builtin;
use serde_json::{Value, json};

use crate::common::fault;
use crate::fixture::{Fixture, Login, approve};

/// Switches of servers without device codes for this program, as they are met.
fn without_device_codes() -> [Value; 2] {
    [json!({ "device": false }), json!({ "device_entitled": false })]
}

fn described(by: &str) -> impl Fn(&str) -> String {
    move |url| match by {
        "issuer" => format!("[providers.corp]\nname = \"Corp\"\nissuer = \"{url}/generic\"\n"),
        _ => format!("[providers.corp]\nname = \"Corp\"\nresource = \"{url}/generic/mcp\"\n"),
    }
}

/// What the person has to answer: a code shown there, a code or key typed here.
async fn prompt(login: &mut Login) -> Stage {
    let stage = login.event().await.stage;
    match &stage {
        Stage::OpenUrl { input: Input::Code, .. } | Stage::DeviceCode { .. } => {}
        Stage::Waiting { input: Input::ApiKey, label: Some(_), .. } => {}
        other => panic!("nobody can answer {other:?}"),
    }
    stage
}

/// The person signs in on another machine and brings the address that the browser ended at.
async fn paste_the_address(login: &mut Login, stage: Stage) {
    let Stage::OpenUrl { url, notice, .. } = stage else { panic!("{stage:?}") };
    assert!(notice.unwrap().contains("paste the whole address"), "{url:?}");
    let ended_at = approve(url.expose()).await;
    login.paste(&ended_at).await.unwrap();
    login.done().await;
    login.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_builtin_provider_ends_in_a_prompt() {
    let fixture = Fixture::new();
    for (id, _) in builtin::ALL {
        let mut login = fixture.start_headless(id, None);
        prompt(&mut login).await;
        login.cancel();
        login.failed(Code::Cancelled).await;
        login.over().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_device_codes_is_logged_in_to_by_paste() {
    for by in ["issuer", "resource"] {
        for switch in without_device_codes() {
            for method in [None, Some("device"), Some("browser")] {
                let fixture = Fixture::describing(described(by));
                fixture.sandbox.switch(json!({ "generic": switch.clone() }));
                let mut login = fixture.start_headless("corp", method);
                let stage = prompt(&mut login).await;
                paste_the_address(&mut login, stage).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_address_with_nothing_behind_it_is_none() {
    let fixture = Fixture::describing(described("issuer"));
    fixture.sandbox.fault("generic.device-code", 1, fault::status(404));
    let mut login = fixture.start_headless("corp", None);
    let stage = prompt(&mut login).await;
    let Stage::OpenUrl { notice, .. } = &stage else { panic!("{stage:?}") };
    assert!(notice.as_ref().unwrap().contains("does not offer device codes"), "{notice:?}");
    paste_the_address(&mut login, stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_device_codes_is_logged_in_by_paste() {
    let fixture = Fixture::new();
    fixture.sandbox.switch(json!({ "openai": { "device": false } }));
    let mut login = fixture.start_headless("openai", Some("device"));
    let stage = prompt(&mut login).await;
    paste_the_address(&mut login, stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn device_codes_lead_where_they_work() {
    for by in ["issuer", "resource"] {
        let fixture = Fixture::describing(described(by));
        let mut login = fixture.start_headless("corp", None);
        let stage = prompt(&mut login).await;
        assert!(matches!(stage, Stage::DeviceCode { .. }), "{stage:?}");
    }
}

/// Trouble that passes is told as such: the person would be sent to another machine for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_in_trouble_is_no_server_without_device_codes() {
    let fixture = Fixture::describing(described("issuer"));
    fixture.sandbox.fault("generic.device-code", 1, fault::status(503));
    fixture.start_headless("corp", None).failed(Code::ProviderError).await;
}

/// With a browser here the method that was named is meant; the error names the way out.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_login_that_was_named_says_what_works_instead() {
    for switch in without_device_codes() {
        let fixture = Fixture::describing(described("issuer"));
        fixture.sandbox.switch(json!({ "generic": switch }));
        let mut login = fixture.start("corp", "device");
        let error = match login.next().await.stage {
            Stage::Failed { error } => error,
            other => panic!("{other:?}"),
        };
        assert!(error.hint().unwrap().contains(":ConvLogin! corp browser"), "{error:?}");
    }
}
