//! Device codes (RFC 8628), at a provider of one's own.

use std::time::{Duration, Instant};

use convocations::error::Code;
use convocations::login::Stage;
use serde_json::json;

use crate::common::{approve_device, deny_device, fault};
use crate::fixture::{Fixture, Login, person};

/// The sandbox's provider that follows the standards, described by its addresses.
fn own(url: &str) -> String {
    format!(
        r#"[providers.own]
name = "Own"
[providers.own.login.device]
label = "Device"
grant = "device-code"
device_authorization_url = "{url}/generic/device"
token_url = "{url}/generic/token"
client_id = "sandbox-public"
scopes = ["openid", "offline_access"]
"#
    )
}

/// A login whose code the person can type, polled every second.
async fn begin(fixture: &Fixture) -> (Login, String, String) {
    fixture.sandbox.switch(json!({ "generic": { "interval": 1 } }));
    let mut login = fixture.start("own", "device");
    let event = login.event().await;
    let Stage::DeviceCode { user_code, verification_uri, verification_uri_complete, qr, interval, .. } =
        event.stage
    else {
        panic!("{event:?}")
    };
    assert_eq!(interval, 1);
    assert!(verification_uri_complete.unwrap().expose().contains(user_code.expose()));
    assert!(!qr.unwrap().lines().is_empty());
    (login, verification_uri, user_code.expose().to_owned())
}

/// When the polls came, in the sandbox's seconds.
fn polls(fixture: &Fixture) -> u64 {
    fixture.sandbox.count("generic.token")
}

#[tokio::test(flavor = "multi_thread")]
async fn by_code() {
    let fixture = Fixture::describing(own);
    let (mut login, page, code) = begin(&fixture).await;
    assert_eq!(login.paste("text").await.unwrap_err().code(), Code::InvalidArgument);
    fixture.sandbox.wait_for_calls("generic.token", 1);
    fixture.sandbox.fault("generic.token", 1, fault::status(503));
    fixture.sandbox.wait_for_calls("generic.token", 2);
    let began = Instant::now();
    person(move || approve_device(&page, &code, "ada")).await;
    login.done().await;
    assert!(began.elapsed() >= Duration::from_secs(2), "a server in trouble is asked half as often");
    login.over().await;
    assert!(fixture.stored("own").unwrap().refresh_token.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_ends_it() {
    let fixture = Fixture::describing(own);
    let (mut login, page, code) = begin(&fixture).await;
    person(move || deny_device(&page, &code)).await;
    login.failed(Code::LoginDenied).await;
    assert!(fixture.names().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_stops_the_polling() {
    let fixture = Fixture::describing(own);
    let (mut login, ..) = begin(&fixture).await;
    fixture.sandbox.wait_for_calls("generic.token", 1);
    let began = Instant::now();
    login.cancel();
    login.failed(Code::Cancelled).await;
    login.over().await;
    assert!(began.elapsed() < Duration::from_secs(1));
    let before = polls(&fixture);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(polls(&fixture), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_the_codes_life() {
    let fixture = Fixture::describing(own);
    fixture.sandbox.switch(json!({ "generic": { "device_lifetime": 2 } }));
    let (mut login, ..) = begin(&fixture).await;
    let error = login.failed(Code::LoginTimeout).await;
    assert!(error.hint().unwrap().contains("expired"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_down_holds_for_all_later_polls() {
    let fixture = Fixture::describing(own);
    let refusal = fault::oauth_error(400, "slow_down");
    fixture.sandbox.fault("generic.token", 1, refusal);
    let (login, ..) = begin(&fixture).await;
    fixture.sandbox.wait_for_calls("generic.token", 1);
    let began = Instant::now();
    fixture.sandbox.wait_for_calls("generic.token", 2);
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    login.cancel();
}
