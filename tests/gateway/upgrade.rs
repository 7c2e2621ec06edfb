//! WebSocket through the gateway.

use serde_json::Value;

use crate::fixture::{SECRET, Served, Upstream, reply};

const WISH: &str = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn bytes_are_carried_both_ways_after_101() {
    let upstream = Upstream::start(|wire, head, _| {
        assert_eq!(head.header("upgrade"), Some("websocket"));
        assert_eq!(head.header("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
        assert_eq!(head.header("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(head.header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
        wire.send("HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
        for _ in 0..3 {
            let bytes = wire.bytes(4);
            wire.send(bytes.iter().rev().copied().collect::<Vec<u8>>());
        }
        wire.hang_up();
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}{WISH}", served.head("GET", "/responses")));
    let head = wire.head().unwrap();
    assert_eq!(head.status(), 101);
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    for _ in 0..3 {
        wire.send("abcd");
        assert_eq!(wire.bytes(4), b"dcba");
    }
    assert!(wire.is_closed());
}

#[test]
fn an_api_without_websocket_is_told_by_426() {
    for status in [200, 404, 405] {
        let upstream = Upstream::start(move |wire, head, _| {
            wire.body(head);
            reply(wire, status, "{}");
        });
        let served = Served::with_key(&upstream);
        let (head, body) = served.raw(&format!("{}{WISH}", served.head("GET", "/responses")));
        assert_eq!(head.status(), 426, "{status}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"]["message"].is_string());
    }
}

#[test]
fn an_upgrade_to_http2_is_not_taken_up() {
    let served = Served::with_key(&Upstream::echo());
    let (head, seen) = served
        .get("/x", "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n");
    assert_eq!(head.status(), 200);
    assert!(!seen.contains("h2c") && !seen.contains("AAMAAABk"), "{seen}");
}

#[test]
fn an_upgrade_that_nobody_asked_for_is_a_502() {
    let upstream = Upstream::start(|wire, _, _| {
        wire.send("HTTP/1.1 101 Switching\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n");
    });
    let (head, body) = Served::with_key(&upstream).get("/x", "");
    assert_eq!(head.status(), 502);
    assert!(serde_json::from_str::<Value>(&body).unwrap()["error"]["message"].is_string());
}
