//! What is sent in which form, and odd forms of good answers.

use convocations::error::Code;
use convocations::oauth::{Revocation, device};
use convocations::secret::Secret;
use serde_json::{Value, json};

use crate::client::{PLANTED, SENT, client, code, old_tokens, provider, refresh_at, row};
use crate::server::{Act, Server, http, json};

#[tokio::test]
async fn odd_answers_that_are_legal_are_taken() {
    let jwt = |claims: &str| {
        use base64::Engine as _;
        format!("e30.{}.s", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
    };
    for (body, expires_at) in [
        (json!({ "access_token": "a", "expires_in": 60 }), Some(1060)),
        (json!({ "access_token": "a", "expires_in": "60", "token_type": "bEaReR" }), Some(1060)),
        (json!({ "access_token": "a", "expires_in": 60.9, "token_type": null }), Some(1060)),
        (json!({ "access_token": "a", "error": null, "extra": { "x": [1] } }), None),
        (json!({ "access_token": "a", "expires_in": null, "scope": ["x"] }), None),
        (json!({ "access_token": jwt("{\"exp\":5000}") }), Some(5000)),
        (json!({ "access_token": jwt("{\"exp\":\"soon\"}") }), None),
    ] {
        let server = Server::start(json(200, body.clone())).await;
        let tokens = refresh_at(&server.url).await.unwrap();
        assert_eq!(tokens.expires_at, expires_at, "{body}");
        assert_eq!(tokens.refresh_token, old_tokens().refresh_token, "the old one is kept: {body}");
    }
    let server = Server::start(json(200, json!({ "access_token": "a", "refresh_token": "new" }))).await;
    assert_eq!(refresh_at(&server.url).await.unwrap().refresh_token, Some(Secret::new("new")));
}

#[tokio::test]
async fn parameters_travel_in_the_body_and_in_the_encoding_that_is_asked_for() {
    let good = || json(200, json!({ "access_token": "a" }));
    let server = Server::start(good()).await;
    let method =
        json!({ "token_encoding": "json", "refresh_encoding": "form", "state_in_token_request": true });
    let provider = provider(&server.url, method);
    let client = client(&provider, "code", 0);
    client.exchange(&code()).await.unwrap();
    client.refresh(&old_tokens()).await.unwrap();
    let [exchange, refresh] = &server.requests()[..] else { panic!() };
    for request in [exchange, refresh] {
        let (line, _) = request.split_once("\r\n").unwrap();
        assert_eq!(line, "POST /token HTTP/1.1", "nothing in the address");
        assert!(request.contains(&format!("user-agent: convocations/{}\r\n", env!("CARGO_PKG_VERSION"))));
        assert!(request.contains("accept: application/json\r\n") && !request.contains("referer"));
    }
    let (head, body) = exchange.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/json"));
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(
        body,
        json!({
            "grant_type": "authorization_code", "client_id": "c", "code": SENT, "code_verifier": SENT,
            "redirect_uri": "http://127.0.0.1:1/callback", "state": "STATE",
        })
    );
    let (head, body) = refresh.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: application/x-www-form-urlencoded"));
    assert_eq!(body, format!("grant_type=refresh_token&refresh_token={SENT}&client_id=c"), "and no scope");
}

#[tokio::test]
async fn a_minted_key_is_a_key_or_an_error() {
    let mint = async |act: Act| {
        let server = Server::start(act).await;
        let provider = provider(&server.url, json!({}));
        let minted = client(&provider, "mint", 1000).exchange(&code()).await;
        (minted, server.requests())
    };
    let error = |status: u16| json(status, json!({ "error": { "code": status, "message": PLANTED } }));
    let (minted, requests) = mint(json(200, json!({ "key": "sk-or-v1-x", "user_id": null }))).await;
    let minted = minted.unwrap();
    assert_eq!((minted.access_token.expose(), minted.expires_at), ("sk-or-v1-x", None));
    let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({ "code": SENT, "code_verifier": SENT, "code_challenge_method": "S256" }));
    let (minted, _) = mint(json(200, json!({ "api_key": "k", "api_key_expires_in": 60 }))).await;
    assert_eq!(minted.unwrap().expires_at, Some(1060));
    for (act, class, code) in [
        (error(403), "refused", Code::ProviderRefused),
        (error(400), "configuration", Code::ProviderRefused),
        (error(405), "configuration", Code::ProviderRefused),
        (error(409), "configuration", Code::ProviderRefused),
        (error(500), "transient", Code::ProviderError),
        (error(429), "transient", Code::RateLimited),
        (http(403, "", "<html>"), "transient", Code::BadResponse),
        (json(200, json!({ "key": "" })), "transient", Code::BadResponse),
    ] {
        let (minted, _) = mint(act).await;
        let (found, its, _) = row(&minted.unwrap_err());
        assert_eq!((found, its), (class, code));
    }
}

#[tokio::test]
async fn a_revocation_is_done_undone_or_impossible() {
    let revoke = async |act: Act| {
        let server = Server::start(act).await;
        let provider = provider(&server.url, json!({}));
        let revoked = client(&provider, "code", 0).revoke(&old_tokens()).await;
        (revoked, server.requests())
    };
    let (revoked, requests) = revoke(http(200, "", "")).await;
    assert_eq!(revoked.unwrap(), Revocation::Revoked);
    let bodies: Vec<&str> =
        requests.iter().map(|request| request.split_once("\r\n\r\n").unwrap().1).collect();
    assert_eq!(bodies[0], format!("token={SENT}&token_type_hint=refresh_token&client_id=c"));
    assert_eq!(bodies[1], "token=old&token_type_hint=access_token&client_id=c");
    for yes in [json(200, json!({})), http(200, "", "OK"), http(204, "", "")] {
        assert_eq!(revoke(yes).await.0.unwrap(), Revocation::Revoked);
    }
    for (act, code) in [
        (http(503, "retry-after: 9\r\n", ""), Code::ProviderError),
        (Act::Hang(Vec::new()), Code::Timeout),
        (Act::Close, Code::Network),
        (json(400, json!({ "error": "unsupported_token_type" })), Code::ProviderRefused),
        (http(302, "location: /\r\n", ""), Code::BadResponse),
        (http(200, "", "<html>portal</html>"), Code::BadResponse),
        (json(200, json!({ "error": "server_error" })), Code::ProviderError),
    ] {
        let (revoked, _) = revoke(act).await;
        assert_eq!(row(&revoked.unwrap_err()).1, code);
    }
}

#[tokio::test]
async fn a_device_poll_waits_through_what_says_nothing_final() {
    let poll = async |act: Act| {
        let server = Server::start(act).await;
        let provider = provider(&server.url, json!({}));
        let authorization = device::DeviceAuthorization {
            device_code: Secret::new(SENT),
            user_code: Secret::new("AB-12"),
            verification_uri: "https://p.example/device".to_owned(),
            verification_uri_complete: None,
            interval: 5,
            expires_in: 900,
        };
        client(&provider, "device", 0).poll(&authorization).await
    };
    for status in [200, 400, 428] {
        let error = |code: &str| json(status, json!({ "error": code, "interval": 30 }));
        assert!(matches!(poll(error("authorization_pending")).await, Ok(device::Poll::Pending)), "{status}");
        assert!(matches!(poll(error("slow_down")).await, Ok(device::Poll::SlowDown(Some(30)))), "{status}");
        for (code, its) in [
            ("access_denied", Code::LoginDenied),
            ("expired_token", Code::ProviderRefused),
            ("incorrect_device_code", Code::ProviderRefused),
        ] {
            assert_eq!(
                row(&poll(error(code)).await.unwrap_err()),
                ("refused", its, false),
                "{status} {code}"
            );
        }
    }
    for act in [http(502, "", "<html>"), Act::Close, Act::Hang(Vec::new()), http(200, "", "<html>")] {
        assert_eq!(row(&poll(act).await.unwrap_err()).0, "transient");
    }
    let done = poll(json(200, json!({ "access_token": "a", "scope": "read:user,x" }))).await;
    let Ok(device::Poll::Done(tokens)) = done else { panic!("{done:?}") };
    assert_eq!(tokens.scopes, ["read:user", "x"]);
}
