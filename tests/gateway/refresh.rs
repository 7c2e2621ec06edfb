//! A token that ends while programs go on: one refresh, one replay, and the same address and key.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::common::{Sandbox, fault, run};
use crate::fixture::{Served, Upstream, reply};

fn token(head: &crate::fixture::Head) -> String {
    head.header("authorization").unwrap().trim_start_matches("Bearer ").to_owned()
}

/// An API that refuses the first token it sees and takes every other.
fn refusing_the_first() -> (Upstream, Arc<AtomicUsize>) {
    let (first, calls) = (std::sync::Mutex::new(None), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&calls);
    let upstream = Upstream::start(move |wire, head, _| {
        count.fetch_add(1, Ordering::SeqCst);
        let is_first = *first.lock().unwrap().get_or_insert_with(|| token(head)) == token(head);
        if is_first {
            wire.body(head);
            return reply(wire, 401, r#"{"error":{"message":"expired"}}"#);
        }
        let body = wire.body(head);
        reply(wire, 200, &String::from_utf8(body).unwrap());
    });
    (upstream, calls)
}

#[test]
fn a_refused_token_is_refreshed_once_and_the_request_sent_again_whole() {
    let sandbox = Sandbox::start();
    let (upstream, calls) = refusing_the_first();
    let served = Served::with_login(&upstream, &sandbox);
    let before = sandbox.refreshes("generic.token");
    let (head, body) = served.post("/chat", "content-type: text/plain\r\n", "the whole body");
    assert_eq!((head.status(), body.as_str()), (200, "the whole body"));
    assert_eq!((sandbox.refreshes("generic.token") - before, calls.load(Ordering::SeqCst)), (1, 2));
    assert_eq!(served.post("/chat", "", "next").1, "next");
    assert_eq!((sandbox.refreshes("generic.token") - before, calls.load(Ordering::SeqCst)), (1, 3));
}

#[test]
fn sixty_four_clients_on_a_refused_token_cost_one_refresh_and_none_fails() {
    let sandbox = Sandbox::start();
    let (upstream, _) = refusing_the_first();
    let served = Arc::new(Served::with_login(&upstream, &sandbox));
    let before = sandbox.refreshes("generic.token");
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let served = Arc::clone(&served);
            std::thread::spawn(move || served.post("/chat", "", &number.to_string()).0.status())
        })
        .collect();
    let statuses: Vec<u16> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(sandbox.refreshes("generic.token") - before, 1);
}

#[test]
fn an_early_401_to_a_chunked_upload_is_sent_again_with_what_was_still_to_come() {
    let sandbox = Sandbox::start();
    let first = std::sync::Mutex::new(None);
    let upstream = Upstream::start(move |wire, head, _| {
        let is_first = *first.lock().unwrap().get_or_insert_with(|| token(head)) == token(head);
        if is_first {
            // Before the body has been read.
            reply(wire, 401, "{}");
            while let Ok(Some(_)) = wire.try_chunk() {}
            wire.trailers();
            return;
        }
        let length = wire.body(head).len();
        reply(wire, 200, &length.to_string());
    });
    let served = Served::with_login(&upstream, &sandbox);
    let mut wire = served.connect();
    wire.send(format!("{}transfer-encoding: chunked\r\n\r\n", served.head("POST", "/chat")));
    let piece = "x".repeat(1 << 16);
    for _ in 0..16 {
        wire.send(format!("{:x}\r\n{piece}\r\n", piece.len()));
    }
    wire.send("0\r\n\r\n");
    let head = wire.head().unwrap();
    assert_eq!(head.status(), 200);
    assert_eq!(String::from_utf8(wire.body(&head)).unwrap(), (16 << 16).to_string());
}

#[test]
fn a_body_too_long_to_keep_is_passed_with_its_401_and_the_next_request_is_fresh() {
    let sandbox = Sandbox::start();
    let (upstream, _) = refusing_the_first();
    let served = Served::with_login(&upstream, &sandbox);
    let before = sandbox.refreshes("generic.token");
    let body = vec![b'x'; 17 << 20];
    let mut wire = served.connect();
    wire.send(format!("{}content-length: {}\r\n\r\n", served.head("POST", "/chat"), body.len()));
    wire.send(&body);
    assert_eq!(wire.head().unwrap().status(), 401);
    assert_eq!(served.post("/chat", "", "next").0.status(), 200);
    assert_eq!(sandbox.refreshes("generic.token") - before, 1);
}

#[test]
fn an_account_that_is_refused_for_good_brings_no_storm_of_refreshes() {
    let sandbox = Sandbox::start();
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 401, r#"{"error":{"message":"suspended"}}"#);
    });
    let served = Served::with_login(&upstream, &sandbox);
    let before = sandbox.refreshes("generic.token");
    for _ in 0..20 {
        let (head, body) = served.post("/chat", "", "x");
        assert_eq!(head.status(), 401);
        assert!(body.contains("suspended"), "the API's own words: {body}");
    }
    assert_eq!(sandbox.refreshes("generic.token") - before, 1);
}

#[test]
fn a_logout_is_said_with_the_command_to_type_and_a_stream_under_way_goes_on() {
    let sandbox = Sandbox::start();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let upstream = Upstream::start(move |wire, head, _| {
        wire.body(head);
        wire.send(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\none\r\n"
                .replace("2\r\none", "3\r\none"),
        );
        may_go.lock().unwrap().recv_timeout(std::time::Duration::from_secs(20)).unwrap();
        wire.send("3\r\ntwo\r\n0\r\n\r\n");
    });
    let served = Served::with_login(&upstream, &sandbox);
    let mut wire = served.connect();
    wire.send(format!("{}\r\n", served.head("GET", "/chat")));
    wire.head().unwrap();
    assert_eq!(wire.chunk().unwrap(), b"one");
    run(&mut served.dir.convocations(["logout", "mycorp"]), "").ok();
    let (head, body) = served.get("/chat", "");
    assert_eq!(head.status(), 401);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["error"]["code"], "not_logged_in");
    let said = body["error"]["message"].as_str().unwrap();
    assert!(said.contains("`convocations login mycorp`"), "{body}");
    go.send(()).unwrap();
    assert_eq!(wire.chunk().unwrap(), b"two");
    assert_eq!(wire.chunk(), None);
}

#[test]
fn a_login_that_was_taken_back_is_said_with_the_command_to_type_and_asked_about_once() {
    let sandbox = Sandbox::start();
    let (upstream, calls) = refusing_the_first();
    let served = Served::with_login(&upstream, &sandbox);
    sandbox.fault_refresh("generic.token", 1000, fault::oauth_error(400, "invalid_grant"));
    let before = sandbox.refreshes("generic.token");
    for _ in 0..20 {
        let (head, body) = served.post("/chat", "", "x");
        assert_eq!(head.status(), 401);
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["error"]["code"], "login_expired", "{body}");
        assert!(body["error"]["message"].as_str().unwrap().contains("mycorp"), "{body}");
    }
    assert_eq!(sandbox.refreshes("generic.token") - before, 1);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "nothing is sent without a login");
}
