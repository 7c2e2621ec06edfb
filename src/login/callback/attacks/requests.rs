//! Requests that are none of ours: foreign hosts and pages, strays, noise, giants, silence.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{DONE, Login, STATE, refused, right};
use crate::login::callback::params::Answer;
use crate::secret::Secret;
use crate::test_support::peak_of;

/// D48
#[tokio::test]
async fn foreign_or_missing_hosts_are_refused_even_with_the_right_state() {
    let login = Login::start().await;
    let port = login.port;
    for host in [
        "evil.example".into(),
        format!("evil.example:{port}"),
        "localhost".into(),
        format!("localhost.evil.example:{port}"),
        format!("127.0.0.1:{port}"),
        format!("localhost:{}", port.wrapping_add(1)),
        format!("x@localhost:{port}"),
        String::new(),
    ] {
        let answer = login.request("GET", &right(), &[("Host", &host)]).await;
        refused(&answer, 403);
    }
    refused(&login.raw(format!("GET {} HTTP/1.1\r\n\r\n", right()).as_bytes()).await, 403);
    refused(&login.raw(format!("GET {} HTTP/1.0\r\n\r\n", right()).as_bytes()).await, 403);
    let twice = [("Host", &*login.host()), ("Host", "evil.example")];
    refused(&login.request("GET", &right(), &twice).await, 403);
    refused(&login.get(&format!("http://evil.example{}", right())).await, 403);
    assert_eq!(login.ignored(), 12);
    login.still_works().await;
}

/// D49
#[tokio::test]
async fn what_other_pages_send_in_the_background_is_refused() {
    let login = Login::start().await;
    let cases: &[&[(&str, &str)]] = &[
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
        &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")],
        &[("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Mode", "no-cors")],
        &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
        &[("Sec-Purpose", "prefetch;prerender"), ("Sec-Fetch-Mode", "navigate")],
        &[("Purpose", "prefetch")],
    ];
    for headers in cases {
        refused(&login.request("GET", &right(), headers).await, 403);
    }
    login.still_works().await;
}

/// D50
#[tokio::test]
async fn strays_are_answered_and_counted_and_end_nothing() {
    let login = Login::start().await;
    for (target, status) in [
        ("/favicon.ico", 404),
        ("/robots.txt", 404),
        ("/", 404),
        ("/callback/", 404),
        ("/Callback", 404),
        ("/cancel", 404),
        (DONE, 404),
        ("/callback", 400),
        ("/callback?", 400),
        ("/callback?code=x", 400),
        ("/callback?code=x&state=wrong", 400),
        ("/callback?error=access_denied", 400),
        ("/callback?error=access_denied&state=wrong", 400),
    ] {
        refused(&login.get(target).await, status);
    }
    refused(&login.get(&format!("/callback?state={STATE}")).await, 400);
    refused(&login.get(&format!("/callback?code=&state={STATE}")).await, 400);
    assert_eq!(login.ignored(), 15);
    login.still_works().await;
}

/// D51
#[tokio::test]
async fn other_methods_and_noise_are_answered() {
    let login = Login::start().await;
    for method in ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "BREW"] {
        let answer = login.request(method, &right(), &[]).await;
        refused(&answer, 405);
        assert!(answer.to_ascii_lowercase().contains("\r\nallow: get\r\n"), "{answer}");
    }
    refused(&login.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello\r\n\r\n").await, 400);
    refused(&login.raw(b"garbage\r\n\r\n").await, 400);
    refused(&login.raw(b"GET\r\n\r\n").await, 400);
    let body = format!("GET {} HTTP/1.1\r\nHost: {}\r\nContent-Length: x\r\n\r\n", right(), login.host());
    refused(&login.raw(body.as_bytes()).await, 400);
    login.still_works().await;
}

/// D54
#[tokio::test]
async fn giant_requests_are_cut_early() {
    let login = Login::start().await;
    let host = login.host();
    let long_url = format!("GET /callback?code={} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a".repeat(2 << 20));
    let long_header = format!("GET / HTTP/1.1\r\nHost: {host}\r\nX: {}\r\n\r\n", "a".repeat(2 << 20));
    let many = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", "X: y\r\n".repeat(1_000));
    let held = peak_of(async {
        for request in [long_url, long_header, many] {
            let answer = login.raw(request.as_bytes()).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let mut endless = login.connect().await;
        endless.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        let mut taken = 0;
        while taken < 64 << 20 && endless.write_all(&[b'a'; 16 * 1024]).await.is_ok() {
            taken += 16 * 1024;
        }
        assert!(taken < 32 << 20, "took {taken} bytes of one header");
    });
    let held = held.await;
    assert!(held < 512 << 10, "held {held} bytes");
    login.still_works().await;
}

/// Header injection: what a request holds stands in no header of an answer, however it is written.
#[tokio::test]
async fn what_is_sent_in_comes_out_in_no_header() {
    let login = Login::start().await;
    let planted = "%0d%0aX-Planted:%201%0d%0a%0d%0aplanted";
    for target in [
        format!("/callback?code=x{planted}&state=wrong"),
        format!("/callback?code=x{planted}&state={STATE}"),
        format!("/callback?code=x&state={STATE}&iss={planted}"),
        format!("/{planted}"),
        format!("/callback{planted}?code=x"),
    ] {
        let answer = login.get(&target).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("planted"), "{answer}");
    }
    let host = login.host();
    for raw in [
        format!("GET {} HTTP/1.1\r\nHost: {host}\r\n X-Folded: planted\r\n\r\n", right()),
        format!("GET {} HTTP/1.1\r\nHost: {host}\rX-Planted: 1\r\n\r\n", right()),
        format!("GET {}\nX-Planted: 1 HTTP/1.1\r\nHost: {host}\r\n\r\n", right()),
        format!("GET {} HTTP/1.1\r\nHost: {host}\r\nX-\0Planted: 1\r\n\r\n", right()),
        format!("GET {} HTTP/1.1\r\nHost : {host}\r\n\r\n", right()),
    ] {
        let answer = login.raw(raw.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 4") && !answer.contains("lanted"), "{raw:?}: {answer}");
    }
    login.still_works().await;
}

/// D59: another process that is there before the browser, keeps its connection and tries what it can think
/// of.
#[tokio::test]
async fn whoever_connects_first_gains_nothing_without_the_state() {
    let login = Login::start().await;
    let mut first = login.connect().await;
    first.write_all(b"GET /callback?code=").await.unwrap();
    for query in [
        "code=evil",
        "code=evil&state=",
        "code=evil&state=guess",
        "error=access_denied",
        "error=server_error&state=x",
    ] {
        refused(&login.get(&format!("/callback?{query}")).await, 400);
    }
    // It even sends to the page of the end, which it cannot know, and to where others have a way to cancel.
    for path in ["/done", "/done/", "/done/0", "/cancel", "/shutdown", "/callback/cancel"] {
        refused(&login.get(path).await, 404);
    }
    let host = login.host();
    first.write_all(format!("evil&state=guess HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    refused(&answer, 400);
    assert_eq!(login.ignored(), 12);
    login.still_works().await;
}

/// D55
#[tokio::test]
async fn silent_connections_keep_nobody_out_and_are_closed() {
    let login = Login::start().await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for index in 0..500 {
        let mut stream = login.connect().await;
        if index % 2 == 0 {
            stream.write_all(b"GET /callback HTTP/1.1\r\nHost: ").await.unwrap();
        }
        silent.push(stream);
    }
    let slow = tokio::spawn(one_header_a_moment(login.connect().await));
    let login = login.still_works().await;
    // Only so many are kept: the first ones have long given way.
    let oldest = timeout(Duration::from_secs(1), silent[0].read_to_end(&mut Vec::new())).await;
    assert!(oldest.is_ok(), "all of them are kept");
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest))
            .await
            .expect("closed after seconds");
    }
    assert!(slow.await.unwrap() < Duration::from_secs(10), "slow headers are waited for");
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(login);
}

/// Sends headers one by one, each soon enough to look alive, and returns when it was thrown out.
async fn one_header_a_moment(mut stream: TcpStream) -> Duration {
    let began = Instant::now();
    let mut alive = stream.write_all(b"GET /callback HTTP/1.1\r\n").await.is_ok();
    while alive && began.elapsed() < Duration::from_secs(12) {
        let mut answer = [0; 512];
        // Silence is what it waits for; anything else is its end.
        let heard = timeout(Duration::from_millis(300), stream.read(&mut answer)).await;
        alive = heard.is_err() && stream.write_all(b"X-Slow: 1\r\n").await.is_ok();
    }
    began.elapsed()
}

/// D55: no connection is kept for a second request, so closing waits for no browser.
#[tokio::test]
async fn connections_are_not_kept() {
    let login = Login::start().await;
    let answer = login.request("GET", "/", &[("Connection", "keep-alive")]).await;
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    login.still_works().await;
}

/// D3, D59: nobody but this machine gets through to the socket, and on it nobody without the state.
#[tokio::test]
async fn listens_on_loopback_alone() {
    let login = Login::start().await;
    for address in other_addresses() {
        let reached = timeout(Duration::from_secs(2), TcpStream::connect((address, login.port))).await;
        assert!(!matches!(reached, Ok(Ok(_))), "{address} is reachable");
    }
    login.still_works().await;
}

/// Rule 13: `localhost` may lead a browser to either address.
#[tokio::test]
async fn either_loopback_address_takes_the_answer() {
    let Ok(probe) = tokio::net::TcpListener::bind("[::1]:0").await else {
        eprintln!("skipped: this machine has no [::1]");
        return;
    };
    drop(probe);
    let mut login = Login::start().await;
    let mut stream = TcpStream::connect(("::1", login.port)).await.unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", right(), login.host());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert_eq!(login.listener.split().0.await, Answer::Code(Secret::new("right-code")));
}

/// Addresses of this machine that are not 127.0.0.1, found without asking anybody.
fn other_addresses() -> Vec<std::net::IpAddr> {
    let mut found = vec!["127.0.0.2".parse().unwrap()];
    // Connecting a datagram socket sends nothing; it only picks the address that would be used.
    let picked = std::net::UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    found.extend(picked.map(|address| address.ip()).ok().filter(|ip| !ip.is_loopback()));
    found
}
