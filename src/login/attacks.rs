//! Attacks on the loopback listener, by raw sockets against a login that waits: after each of them the honest answer
//! still comes through.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::answer::{Answer, Expected};
use super::attempt::Attempt;
use super::listener::{Listener, Site};
use super::pages::{Outcome, Words};
use super::port::{self, Ports};
use super::race::{Race, Typed};
use super::wait::Deadline;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

const STATE: &str = "4f2c6e0b9d1a4f2c6e0b9d1a4f2c6e0b";
const DONE: &str = "/done/c0ffee";

/// A login that waits for its callback.
struct Login {
    listener: Listener,
    port: u16,
}

impl Login {
    async fn start() -> Self {
        Self::start_with(expected()).await
    }

    async fn start_with(expected: Expected) -> Self {
        let bound = port::bind(&Ports::Any { preferred: 0 }).await.unwrap();
        let site = Site {
            host: "localhost".into(),
            path: Secret::new("/callback"),
            done_path: Secret::new(DONE),
            expected,
            words: Words { provider: "Sandbox".into(), place: "Neovim".into() },
        };
        let listener = Listener::open(bound, site);
        Self { port: listener.port, listener }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn ignored(&self) -> u64 {
        *self.listener.ignored.borrow()
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends bytes and reads to the end. An answer cut off by a reset counts as far as it came.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = timeout(Duration::from_secs(10), read).await.expect("the listener ends every connection");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.host());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(format!("{head}\r\n").as_bytes()).await
    }

    async fn get(&self, target: &str) -> String {
        self.request("GET", target, &[]).await
    }

    /// The honest browser's callback, with what browsers send along.
    async fn honest(&self) -> String {
        let navigation = [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-User", "?1"),
            ("Upgrade-Insecure-Requests", "1"),
        ];
        self.request("GET", &right(), &navigation).await
    }

    /// The login is still there, and takes the right answer.
    async fn still_works(mut self) -> Self {
        assert!(self.honest().await.starts_with("HTTP/1.1 303 "));
        let code = Answer::Code(Secret::new("right-code"));
        assert_eq!(timeout(Duration::from_secs(5), self.listener.answer()).await.unwrap(), code);
        self
    }
}

fn expected() -> Expected {
    Expected {
        state: Some(Secret::new(STATE)),
        state_optional: false,
        issuer: Some("https://id.example".into()),
        iss_required: false,
    }
}

fn right() -> String {
    format!("/callback?code=right-code&state={STATE}")
}

fn done() -> Outcome {
    Outcome::Done { identity: Some("<ada>@example.com".into()), store: "keyring".into() }
}

#[track_caller]
fn refused(answer: &str, status: u16) {
    let got = answer.split(' ').nth(1).unwrap_or_default();
    assert_eq!(got, status.to_string(), "{answer}");
    assert!(!answer.contains(STATE) && !answer.contains("c0ffee"), "tells a secret: {answer}");
}

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

/// D52
#[tokio::test]
async fn a_replay_is_refused_and_after_the_end_nobody_listens() {
    let login = Login::start().await.still_works().await;
    let replay = login.honest().await;
    refused(&replay, 409);
    assert!(!replay.contains("Sandbox"), "reveals what was signed in to: {replay}");
    refused(&login.get(&format!("/callback?code=other&state={STATE}")).await, 409);
    refused(&login.get("/callback?code=other&state=wrong").await, 400);
    let port = login.port;
    let ((), page) = tokio::join!(login.listener.close(done()), async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {DONE} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    });
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(TcpStream::connect(("::1", port)).await.is_err());
}

/// D53
#[tokio::test]
async fn duplicate_parameters_are_refused() {
    let login = Login::start().await;
    for query in [
        format!("code=right-code&code=right-code&state={STATE}"),
        format!("code=right-code&state={STATE}&state={STATE}"),
        format!("code=right-code&state={STATE}&state=wrong"),
        format!("error=access_denied&error=access_denied&state={STATE}"),
    ] {
        refused(&login.get(&format!("/callback?{query}")).await, 400);
    }
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
    let login = login.still_works().await;
    for mut stream in silent {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest))
            .await
            .expect("closed after seconds");
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    drop(login);
}

/// D55: no connection is kept for a second request, so closing waits for no browser.
#[tokio::test]
async fn connections_are_not_kept() {
    let login = Login::start().await;
    let answer = login.request("GET", "/", &[("Connection", "keep-alive")]).await;
    assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    login.still_works().await;
}

/// D56, D57, and D16: what the page shows, and what its responses carry.
#[tokio::test]
async fn the_page_is_escaped_and_loads_nothing() {
    let mut login = Login::start().await;
    let query =
        "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%1b%5B2J%0d%0aX-Evil:%201";
    let answer = login.get(&format!("/callback?{query}&state={STATE}")).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(answer.contains(&format!("location: {DONE}\r\n")), "{answer}");
    assert!(!answer.contains(STATE) && !answer.contains("alert"), "{answer}");
    let Answer::Refused(refusal) = login.listener.answer().await else { panic!("not a refusal") };
    assert_eq!(refusal.code, Some("access_denied"));
    let error = Error::new(Code::LoginDenied, "No <b>.").with_hint("Type `:ConvLogin <x>`.");
    let port = login.port;
    let page = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("GET {DONE} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    };
    let outcome = Outcome::Failed { error, description: refusal.description };
    let (page, ()) = tokio::join!(page, login.listener.close(outcome));
    for header in [
        "content-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n",
        "referrer-policy: no-referrer\r\n",
        "cache-control: no-store\r\n",
        "x-content-type-options: nosniff\r\n",
        "content-type: text/html; charset=utf-8\r\n",
    ] {
        assert!(page.to_ascii_lowercase().contains(header), "{header} is missing: {page}");
    }
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; [2J X-Evil: 1"), "{page}");
    assert!(page.contains("No &lt;b&gt;.") && page.contains("<code>:ConvLogin &lt;x&gt;</code>"), "{page}");
    for forbidden in ["<script", "src=", "href=", "url(", "@import", "http:", "https:", "\u{1b}"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
}

/// D15, D16, D18
#[tokio::test]
async fn another_issuers_answer_is_dropped_even_if_it_is_an_error() {
    let login = Login::start().await;
    for answer in ["code=x", "error=access_denied&error_description=planted"] {
        let target = format!("/callback?{answer}&state={STATE}&iss=https://evil.example");
        let page = login.get(&target).await;
        refused(&page, 400);
        assert!(!page.contains("planted") && !page.contains("evil"), "{page}");
    }
    login.still_works().await;
}

/// D17
#[tokio::test]
async fn a_promised_issuer_must_be_named() {
    let mut login = Login::start_with(Expected { iss_required: true, ..expected() }).await;
    refused(&login.get(&right()).await, 400);
    let named = format!("{}&iss=https%3A%2F%2Fid.example", right());
    assert!(login.get(&named).await.starts_with("HTTP/1.1 303 "));
    assert_eq!(login.listener.answer().await, Answer::Code(Secret::new("right-code")));
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

#[tokio::test]
async fn ten_thousand_strays_do_not_end_it_and_are_reported_gently() {
    let mut login = Login::start().await;
    let (port, host) = (login.port, login.host());
    let deadline = Deadline::after(60, &Clock::System);
    let (_keep, mut typed) = mpsc::channel::<Typed>(1);
    let attempts = [attempt(&format!("http://{host}/callback"), false)];
    let reports = std::cell::RefCell::new(Vec::new());
    let flood = async {
        let request = format!("GET /callback?code=x&state=wrong HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for _ in 0..10_000 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 400 "));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", right()).as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    };
    let began = Instant::now();
    let race = Race {
        attempts: &attempts,
        listener: Some(&mut login.listener),
        typed: &mut typed,
        deadline: &deadline,
    };
    let (won, ()) = tokio::join!(race.run(|count| reports.borrow_mut().push(count)), flood);
    assert_eq!(won.unwrap(), (0, Answer::Code(Secret::new("right-code"))));
    assert_eq!(login.ignored(), 10_000);
    let reports = reports.into_inner();
    let most = began.elapsed().as_millis() / 500 + 1;
    assert!(!reports.is_empty() && reports.len() as u128 <= most, "{} reports", reports.len());
}

fn attempt(redirect_uri: &str, shows_code: bool) -> Attempt {
    Attempt {
        redirect_uri: Some(redirect_uri.into()),
        url: Secret::new("https://id.example/authorize"),
        expected: expected(),
        code_verifier: Secret::new("v".repeat(43)),
        shows_code,
    }
}

/// Pastes texts one after the other, each once the last was answered.
async fn paste(sender: mpsc::Sender<Typed>, texts: Vec<String>) -> Vec<Option<Code>> {
    let mut replies: Vec<Option<Code>> = Vec::new();
    for text in texts {
        let (reply, answered) = oneshot::channel::<Result<()>>();
        sender.send(Typed { text: Secret::new(text), reply }).await.unwrap();
        replies.push(answered.await.unwrap().err().map(|error| error.code()));
    }
    replies
}

/// D60
#[tokio::test]
async fn a_wrong_paste_is_told_and_ends_nothing() {
    let mut login = Login::start().await;
    let ours = format!("http://{}/callback", login.host());
    let page = "https://id.example/shown";
    let mut shown = attempt(page, true);
    shown.expected.state = Some(Secret::new("another-state"));
    let attempts = [attempt(&ours, false), shown];
    let (sender, mut typed) = mpsc::channel(1);
    let deadline = Deadline::after(60, &Clock::System);
    let texts = vec![
        String::new(),
        format!("https://evil.example/callback?code=x&state={STATE}"),
        format!("http://localhost:1/callback?code=x&state={STATE}"),
        "code#wrong".into(),
        format!("{ours}?code=x&state=wrong"),
        format!("{ours}?code=x"),
        "code=x&state=wrong".into(),
        // The code of the page goes with the page's own attempt.
        "right-code#another-state".into(),
    ];
    let race = Race {
        attempts: &attempts,
        listener: Some(&mut login.listener),
        typed: &mut typed,
        deadline: &deadline,
    };
    let (won, replies) = tokio::join!(race.run(|_| ()), paste(sender, texts));
    assert_eq!(won.unwrap(), (1, Answer::Code(Secret::new("right-code"))));
    let (bad, other) = (Some(Code::InvalidArgument), Some(Code::StateMismatch));
    assert_eq!(replies, [bad, bad, bad, other, other, other, other, None]);
    refused(&login.honest().await, 409);
}

#[tokio::test]
async fn time_is_up_by_the_wall_clock_too() {
    let clock = Clock::manual(1_000);
    let deadline = Deadline::after(1, &clock);
    clock.advance(2);
    let (_keep, mut typed) = mpsc::channel::<Typed>(1);
    let mut login = Login::start().await;
    login.get("/favicon.ico").await;
    let race =
        Race { attempts: &[], listener: Some(&mut login.listener), typed: &mut typed, deadline: &deadline };
    let error = race.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), Code::LoginTimeout);
    assert!(error.hint().unwrap().contains("1 time"), "{error:?}");
}
