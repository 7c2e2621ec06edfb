//! What travels: every header, query and status as it was, but for those of one hop and the credential.

use crate::fixture::{SECRET, Served, Upstream, reply};

#[test]
fn the_key_of_the_gateway_is_taken_out_wherever_it_was_and_the_logins_goes_in() {
    let served = Served::with_key(&Upstream::echo());
    let (host, key) = (served.host(), &served.key);
    for place in [
        format!("authorization: Bearer {key}"),
        format!("Authorization: bearer {key}"),
        format!("x-api-key: {key}"),
        format!("api-key: {key}"),
        format!("x-goog-api-key: {key}"),
    ] {
        let (head, seen) = served.raw(&format!("GET /up/x?a=1 HTTP/1.1\r\nHost: {host}\r\n{place}\r\n\r\n"));
        assert_eq!(head.status(), 200, "{place}");
        assert!(!seen.contains(key.as_str()), "{place}: {seen}");
        assert!(seen.starts_with("GET /base/x?a=1 HTTP/1.1\n"), "{seen}");
        assert_eq!(seen.matches(&format!("authorization: Bearer {SECRET}")).count(), 1, "{place}: {seen}");
    }
    let (_, seen) =
        served.raw(&format!("GET /up/x?key={key}&b=%20&key=own HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    assert!(seen.starts_with("GET /base/x?b=%20&key=own HTTP/1.1\n"), "{seen}");
}

#[test]
fn headers_of_one_hop_stay_behind_both_ways_and_all_others_travel() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        let gone = ["x-mine", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade", "expect"];
        for name in gone {
            assert_eq!(head.header(name), None, "{name}");
        }
        assert_eq!(head.all("cookie"), ["a=1", "b=2"]);
        for (name, value) in
            [("x-request-id", "7"), ("idempotency-key", "k"), ("user-agent", "me/1"), ("accept", "x/y")]
        {
            assert_eq!(head.all(name), [value], "{name}");
        }
        wire.send(
            "HTTP/1.1 429 Slow Down\r\nconnection: x-hop, keep-alive\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\
             proxy-authenticate: Basic\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nretry-after: 3\r\n\
             x-ratelimit-remaining-requests: 9\r\nx-request-id: 7\r\ncontent-length: 2\r\n\r\nno",
        );
    });
    let served = Served::with_key(&upstream);
    let (head, body) = served.post(
        "/x",
        "connection: keep-alive, X-Mine\r\nx-mine: 1\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n\
         proxy-authorization: Basic x\r\nupgrade: h2c\r\ncookie: a=1\r\ncookie: b=2\r\nx-request-id: 7\r\n\
         idempotency-key: k\r\nuser-agent: me/1\r\naccept: x/y\r\n",
        "hello",
    );
    assert_eq!((head.status(), body.as_str()), (429, "no"));
    for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
        assert_eq!(head.header(name), None, "{name}");
    }
    assert_eq!(head.all("set-cookie"), ["a=1", "b=2"]);
    for (name, value) in
        [("retry-after", "3"), ("x-ratelimit-remaining-requests", "9"), ("x-request-id", "7")]
    {
        assert_eq!(head.all(name), [value], "{name}");
    }
}

#[test]
fn nothing_is_added_that_says_who_is_between() {
    let (_, seen) = Served::with_key(&Upstream::echo()).get("/x", "");
    for name in ["via", "forwarded", "x-forwarded-for", "user-agent", "referer", "accept", "accept-encoding"]
    {
        assert!(!seen.contains(&format!("\n{name}:")), "{name}: {seen}");
    }
}

#[test]
fn headers_keep_their_order_and_a_query_its_letters() {
    let (_, seen) = Served::with_key(&Upstream::echo())
        .get("/x?a=%7B%22b%22%3A%201%7D&c={}&d=%2F..%2F&&=", "z-one: 1\r\na-two: 2\r\nm-three: 3\r\n");
    assert!(seen.starts_with("GET /base/x?a=%7B%22b%22%3A%201%7D&c={}&d=%2F..%2F&&= HTTP/1.1\n"), "{seen}");
    let places: Vec<usize> = ["z-one", "a-two", "m-three"].map(|name| seen.find(name).unwrap()).to_vec();
    assert!(places.is_sorted(), "{seen}");
}

#[test]
fn a_redirect_is_passed_back_and_not_followed() {
    let upstream = Upstream::start(|wire, head, number| {
        assert_eq!(number, 0, "followed");
        wire.body(head);
        wire.send("HTTP/1.1 307 Elsewhere\r\nlocation: https://evil.example/x\r\ncontent-length: 0\r\n\r\n");
    });
    let (head, _) = Served::with_key(&upstream).post("/x", "", "body");
    assert_eq!((head.status(), head.header("location")), (307, Some("https://evil.example/x")));
}

#[test]
fn a_packed_body_is_passed_as_it_is() {
    let upstream = Upstream::start(|wire, head, _| {
        assert_eq!(head.header("accept-encoding"), Some("gzip"));
        wire.send(
            "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\u{0}\u{1}\u{2}",
        );
    });
    let (head, body) = Served::with_key(&upstream).get("/x", "accept-encoding: gzip\r\n");
    assert_eq!((head.header("content-encoding"), body.as_str()), (Some("gzip"), "\x1f\u{0}\u{1}\u{2}"));
}

#[test]
fn the_answer_to_head_has_its_length_and_no_body() {
    let upstream = Upstream::start(|wire, head, _| {
        assert!(head.line.starts_with("HEAD "));
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n");
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    for _ in 0..2 {
        wire.send(format!("{}\r\n", served.head("HEAD", "/x")));
        assert_eq!(wire.head().unwrap().header("content-length"), Some("1234"));
    }
}

#[test]
fn an_upstream_that_cannot_be_reached_is_a_502_in_the_apis_shape() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "");
    });
    let served = Served::with_key(&upstream);
    let config = std::fs::read_to_string(served.dir.config().join("config.toml")).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    served.dir.write_config(&config.replace(&upstream.url(), &format!("http://{nobody}")));
    let served = served.again();
    let (head, body) = served.get("/x", "");
    assert_eq!(head.status(), 502);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["error"]["code"], "network");
    assert!(body["error"]["message"].as_str().unwrap().contains("127.0.0.1"), "{body}");
}

#[test]
fn an_answer_that_cannot_be_read_is_a_502_that_says_so() {
    let many: String = (0..101).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (answer, why) in [
        (format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n"), "more headers"),
        ("220 mail.example ESMTP\r\n".to_owned(), "no answer of HTTP"),
    ] {
        let upstream = Upstream::start(move |wire, _, _| wire.send(&answer));
        let (head, body) = Served::with_key(&upstream).get("/x", "");
        assert_eq!(head.status(), 502, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"]["message"].as_str().unwrap().contains(why), "{body}");
        assert_eq!(body["error"]["code"], "bad_response");
    }
}

/// RFC 9112, 6.3: the chunks count, and a client that believed the length would see half an answer as whole.
#[test]
fn a_length_beside_the_chunks_of_an_answer_is_not_passed_on() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    });
    let (head, body) = Served::with_key(&upstream).get("/x", "");
    assert_eq!((head.header("content-length"), body.as_str()), (None, "hello"));
}
