//! Registration with a server (RFC 7591): what servers take, what is kept, and what is forgotten.

use serde_json::{Value, json};

use crate::fixture::{Fixture, Login, approve, arrive, parameter};

fn by_issuer(url: &str) -> String {
    format!(
        "[providers.corp]\nname = \"Corp\"\nissuer = \"{url}/generic\"\nscopes = [\"openid\", \"offline_access\"]\n"
    )
}

async fn finish(login: &mut Login, url: &str) {
    arrive(&approve(url).await).await;
    login.done().await;
    login.over().await;
}

/// Logs in; returns the client id that the browser came with.
async fn log_in(fixture: &Fixture) -> Option<String> {
    let mut login = fixture.start("corp", "browser");
    let opened = login.opened().await;
    finish(&mut login, &opened.url).await;
    parameter(&opened.url, "client_id")
}

fn asked(fixture: &Fixture) -> Vec<Value> {
    let calls = fixture.sandbox.calls_of("generic.register");
    calls.iter().map(|call| call["fields"].clone()).collect()
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_registered_than_the_chosen_method_needs() {
    let fixture = Fixture::describing(by_issuer);
    log_in(&fixture).await;
    assert_eq!(list(&asked(&fixture)[0]["grant_types"]), ["authorization_code", "refresh_token"]);
    let fixture = Fixture::describing(by_issuer);
    fixture.start("corp", "device").event().await;
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(list(&asked(&fixture)[0]["grant_types"]), [device, "refresh_token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_take_less_are_asked_for_less() {
    for (dialect, requests) in
        [("any", 1), ("one-grant", 2), ("code-and-refresh", 1), ("no-scope", 2), ("confidential", 3)]
    {
        for method in ["browser", "device"] {
            let fixture = Fixture::describing(by_issuer);
            fixture.sandbox.switch(json!({ "generic": { "registration_dialect": dialect } }));
            let mut login = fixture.start("corp", method);
            let event = login.event().await;
            assert!(!event.stage.is_last(), "{dialect} {method}: {event:?}");
            if method == "browser" {
                assert_eq!(asked(&fixture).len(), requests, "{dialect}");
                let convocations::login::Stage::OpenUrl { url, .. } = event.stage else {
                    panic!("{event:?}")
                };
                finish(&mut login, url.expose()).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_the_server_forgot_is_made_anew_in_the_same_login() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fixture = Fixture::describing(|url| by_issuer(url) + &format!("[callback]\nport = {port}\n"));
    let first = log_in(&fixture).await;
    assert_eq!(log_in(&fixture).await, first);
    assert_eq!(asked(&fixture).len(), 1, "it is used again");
    fixture.sandbox.reset();
    assert_ne!(log_in(&fixture).await, first, "the browser never sees the dead one");
    assert_eq!(asked(&fixture).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_redirect_keeps_its_registration() {
    let fixture = Fixture::describing(by_issuer);
    log_in(&fixture).await;
    log_in(&fixture).await;
    assert_eq!(asked(&fixture).len(), 2, "each has a port of its own");
    fixture.sandbox.switch(json!({ "generic": { "interval": 1 } }));
    fixture.sandbox.control("consent", json!({ "mode": "auto" }));
    for _ in 0..2 {
        let mut login = fixture.start("corp", "device");
        login.done().await;
        login.over().await;
    }
    assert_eq!(asked(&fixture).len(), 3, "one for device codes, used twice");
    assert_eq!(fixture.names(), ["corp", "corp@oauth-client"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_logins_at_once_make_one_registration() {
    let fixture = Fixture::describing(by_issuer);
    let mut logins: Vec<Login> = (0..4).map(|_| fixture.start_in_another_process("corp", "device")).collect();
    for login in &mut logins {
        let event = login.event().await;
        assert!(!event.stage.is_last(), "{event:?}");
    }
    assert_eq!(asked(&fixture).len(), 1);
}
