//! Which answer ends a login, which names a wrong setting, and which only passes.

use std::time::Duration;

use convocations::error::Code;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::client::{PLANTED, refresh_at, row};
use crate::server::{Act, Server, http, json};

async fn expect(what: &str, act: Act, class: &str, code: Code, sent: bool) {
    let server = Server::start(act).await;
    let failure = refresh_at(&server.url).await.expect_err(what);
    assert_eq!(row(&failure), (class, code, sent), "{what}: {failure:?}");
    assert_eq!(server.requests().len(), 1, "{what} is asked once, and nobody else is");
}

#[tokio::test]
async fn an_answer_that_is_no_oauth_answer_never_ends_a_login() {
    let html = format!("<!doctype html><p>{PLANTED}");
    let cut = format!("{{\"access_token\":\"{PLANTED}\",\"refr");
    let transient =
        |what: &'static str, act: Act, code: Code, sent: bool| expect(what, act, "transient", code, sent);
    transient("HTML", http(200, "content-type: text/html\r\n", &html), Code::BadResponse, false).await;
    transient("nothing", http(200, "", ""), Code::BadResponse, false).await;
    transient("no content", Act::Say(b"HTTP/1.1 204 X\r\n\r\n".to_vec()), Code::BadResponse, false).await;
    transient("truncated", http(200, "", &cut), Code::BadResponse, true).await;
    transient("a list", http(200, "", "[1]"), Code::BadResponse, false).await;
    transient("no token", json(200, json!({ "token": PLANTED })), Code::BadResponse, true).await;
    transient("a token of another type", json(200, json!({ "access_token": 7 })), Code::BadResponse, true)
        .await;
    transient("HTML at 400", http(400, "", &html), Code::BadResponse, false).await;
    transient("HTML at 404", http(404, "", &html), Code::BadResponse, false).await;
    transient("gzip", http(200, "content-encoding: gzip\r\n", "\u{1f}\u{8b}x"), Code::BadResponse, false)
        .await;
    transient("too much", http(200, "", &"x".repeat((1 << 20) + 1)), Code::BadResponse, true).await;
    transient("no HTTP", Act::Say(format!("{PLANTED}\r\n\r\n").into()), Code::Network, true).await;
    transient("silence", Act::Close, Code::Network, true).await;
    let short = format!("HTTP/1.1 200 X\r\ncontent-length: 500\r\n\r\n{cut}");
    transient("cut short", Act::Say(short.clone().into()), Code::Network, true).await;
    transient("a stop in the body", Act::Hang(short.into()), Code::Timeout, true).await;
    transient("a stop before the head", Act::Hang(Vec::new()), Code::Timeout, true).await;
}

#[tokio::test]
async fn trouble_at_the_provider_never_ends_a_login() {
    let gone = || json!({ "error": "invalid_grant", "error_description": PLANTED });
    for (status, code) in [
        (408, Code::Timeout),
        (425, Code::ProviderError),
        (429, Code::RateLimited),
        (500, Code::ProviderError),
        (502, Code::ProviderError),
        (503, Code::ProviderError),
        (504, Code::ProviderError),
        (524, Code::ProviderError),
        (529, Code::ProviderError),
    ] {
        // A gateway's page says nothing of what the server behind it has done.
        let sent = matches!(status, 502 | 504 | 524);
        expect("empty", http(status, "", ""), "transient", code, sent).await;
        expect("an error of its own", json(status, gone()), "transient", code, false).await;
    }
    for (error, code) in [
        (json!("temporarily_unavailable"), Code::ProviderError),
        (json!("server_error"), Code::ProviderError),
        (json!("slow_down"), Code::RateLimited),
        (json!({ "type": "rate_limit_error", "message": PLANTED }), Code::RateLimited),
        (json!({ "type": "overloaded_error", "message": PLANTED }), Code::ProviderError),
    ] {
        for status in [200, 400, 401, 403] {
            let act = json(status, json!({ "error": error }));
            expect("a passing error", act, "transient", code, false).await;
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(json(200, json!({ "access_token": PLANTED }))).await;
    for status in [301, 302, 303, 307, 308] {
        let act = http(status, &format!("location: {}/{PLANTED}\r\n", elsewhere.url), "");
        expect("a redirect", act, "transient", Code::BadResponse, false).await;
    }
    assert!(elsewhere.requests().is_empty(), "the refresh token went nowhere else");
}

#[tokio::test]
async fn what_was_never_sent_is_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for url in [format!("http://127.0.0.1:{closed}"), format!("https://127.0.0.1:{closed}")] {
        let failure = refresh_at(&url).await.unwrap_err();
        assert_eq!(row(&failure), ("transient", Code::Network, false), "{failure:?}");
    }
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", plain.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 X\r\n\r\n").await;
        }
    });
    let failure = refresh_at(&url).await.unwrap_err();
    assert_eq!(row(&failure), ("transient", Code::Network, false), "no TLS: {failure:?}");
}

#[tokio::test]
async fn only_a_refusal_of_this_very_token_is_final() {
    let coded = |code: &str| json!({ "error": { "code": code, "type": "invalid_request_error", "message": PLANTED } });
    for status in [200, 400, 401, 403] {
        for body in [
            json!({ "error": "invalid_grant", "error_description": PLANTED }),
            json!({ "error": "bad_refresh_token" }),
            coded("refresh_token_reused"),
            coded("refresh_token_expired"),
            coded("refresh_token_invalidated"),
            json!({ "error": { "code": "refresh_token_expired" } }),
        ] {
            expect("a refusal", json(status, body), "refused", Code::ProviderRefused, false).await;
        }
    }
}

#[tokio::test]
async fn a_wrong_setting_leaves_the_login_alone() {
    for body in [
        json!({ "error": "invalid_client", "error_description": PLANTED }),
        json!({ "error": "unauthorized_client" }),
    ] {
        for status in [400, 401, 403] {
            let act = json(status, body.clone());
            expect("a client", act, "client", Code::ProviderRefused, false).await;
        }
    }
    for body in [
        json!({ "error": "invalid_scope" }),
        json!({ "error": "unsupported_grant_type" }),
        json!({ "error": "invalid_request" }),
        json!({ "error": { "type": "invalid_request_error", "message": PLANTED } }),
        json!({ "error": PLANTED }),
        json!({ "error": 7 }),
        json!({ "error": [PLANTED] }),
        json!({ "message": PLANTED }),
    ] {
        for status in [400, 401, 403, 404] {
            let act = json(status, body.clone());
            expect("a setting", act, "configuration", Code::ProviderRefused, false).await;
        }
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_in_each_form() {
    let later = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(90));
    for (header, least, most) in [
        ("retry-after: 7\r\n".to_owned(), 7, 7),
        ("retry-after-ms: 2500\r\n".to_owned(), 2, 2),
        (format!("retry-after: {later}\r\n"), 80, 90),
    ] {
        for status in [429, 503] {
            let server = Server::start(http(status, &header, "{}")).await;
            let error = refresh_at(&server.url).await.unwrap_err().into_error();
            let wait = error.retry_after().unwrap().as_secs();
            assert!((least..=most).contains(&wait), "{header}: {wait}");
        }
    }
    let server = Server::start(http(429, "retry-after: soon\r\n", "{}")).await;
    assert_eq!(refresh_at(&server.url).await.unwrap_err().into_error().retry_after(), None);
}

/// Every field of every answer with every type: an error or tokens, never a panic, and never a refusal that
/// no OAuth error code stands for.
#[tokio::test]
async fn fields_of_any_type_do_no_harm() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!(PLANTED),
        json!("\u{0}\u{1b}[2J"),
        json!([]),
        json!([[PLANTED]]),
        json!({ "code": [PLANTED], "type": {}, "message": 1 }),
    ];
    let fields = [
        "access_token",
        "refresh_token",
        "id_token",
        "expires_in",
        "scope",
        "token_type",
        "error",
        "account",
    ];
    // Small and fast, so that a failing case can be had again from its number.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % below as u64).unwrap()
    };
    for case in 0..300 {
        let mut body = json!({ "access_token": "a" });
        for _ in 0..next(4) {
            body[fields[next(fields.len())]] = odd[next(odd.len())].clone();
        }
        let status = [200, 200, 400, 401, 500][next(5)];
        let server = Server::start(json(status, body.clone())).await;
        match refresh_at(&server.url).await {
            Ok(tokens) => assert!(!tokens.access_token.is_empty() && status == 200, "{case}: {body}"),
            Err(failure) => assert_ne!(row(&failure).0, "refused", "{case}: {status} {body}"),
        }
    }
}
