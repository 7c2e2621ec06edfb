//! Who may come in, and what is no request (rule 23).

use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Child, eventually, run};
use crate::fixture::{SECRET, Served, Upstream, Wire};

/// Raw requests, each with the status it gets. None reaches the API.
fn refused(served: &Served) -> Vec<(&'static str, String, u16)> {
    let (host, key) = (served.host().to_owned(), served.key.clone());
    let get = |path: &str, headers: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    let with_key = |path: &str, headers: &str| get(path, &format!("x-api-key: {key}\r\n{headers}"));
    vec![
        ("no key", get("/up/x", ""), 401),
        (
            "a wrong key",
            get("/up/x", "Authorization: Bearer conv-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"),
            401,
        ),
        ("the real key", get("/up/x", &format!("Authorization: Bearer {SECRET}\r\n")), 401),
        ("the key in the path", get(&format!("/up/{key}"), ""), 401),
        ("a web page", with_key("/up/x", "Origin: https://evil.example\r\n"), 403),
        ("a file in a browser", with_key("/up/x", "Origin: null\r\n"), 403),
        (
            "a rebound name",
            format!("GET /up/x HTTP/1.1\r\nHost: evil.example:80\r\nx-api-key: {key}\r\n\r\n"),
            403,
        ),
        (
            "two hosts",
            format!("GET /up/x HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\nx-api-key: {key}\r\n\r\n"),
            403,
        ),
        ("no host", format!("GET /up/x HTTP/1.1\r\nx-api-key: {key}\r\n\r\n"), 403),
        ("an absolute target", with_key("http://evil.example/up/x", ""), 400),
        (
            "CONNECT",
            format!("CONNECT evil.example:443 HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\n\r\n"),
            400,
        ),
        ("OPTIONS *", format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\n\r\n"), 400),
        ("TRACE", format!("TRACE /up/x HTTP/1.1\r\nHost: {host}\r\nx-api-key: {key}\r\n\r\n"), 405),
        ("a way up", with_key("/up/../admin", ""), 400),
        ("an encoded way up", with_key("/up/%2e%2e/admin", ""), 400),
        ("a twice encoded way up", with_key("/up/%252e%252e/admin", ""), 400),
        ("a NUL in the path", with_key("/up/a%00b", ""), 400),
        ("another login", with_key("/openrouter/x", ""), 404),
        ("no login", with_key("/", ""), 404),
        (
            "a preflight",
            format!(
                "OPTIONS /up/x HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n"
            ),
            403,
        ),
        ("two lengths", with_key("/up/x", "content-length: 1\r\ncontent-length: 2\r\n"), 400),
        ("an odd length", with_key("/up/x", "content-length: +1\r\n"), 400),
        ("an odd encoding", with_key("/up/x", "transfer-encoding: xchunked\r\n"), 400),
        ("a NUL in a header", with_key("/up/x", "x-a: a\0b\r\n"), 400),
        ("a line break in a header", with_key("/up/x", "x-a: a\r\n b: c\r\n"), 400),
        ("oversized headers", with_key("/up/x", &format!("x-a: {}\r\n", "a".repeat(100_000))), 431),
    ]
}

#[test]
fn what_is_no_request_of_this_users_program_never_reaches_the_api() {
    let upstream = Upstream::start(|_, head, _| panic!("reached the API: {}", head.line));
    let served = Served::with_key(&upstream);
    for (what, request, status) in refused(&served) {
        let mut wire = served.connect();
        wire.try_send(request.as_bytes());
        let head = wire.head().unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(head.status(), status, "{what}");
        assert!(head.headers.iter().all(|(name, _)| !name.starts_with("access-control")), "{what}: no CORS");
        let body = String::from_utf8(wire.body(&head)).unwrap();
        assert!(!body.contains(&served.key) && !body.contains(SECRET), "{what}");
    }
}

#[test]
fn a_refusal_has_a_sentence_and_is_counted_in_the_log() {
    let served = Served::with_key(&Upstream::echo());
    let (head, body) = served.raw(&format!("GET /up/x HTTP/1.1\r\nHost: {}\r\n\r\n", served.host()));
    assert_eq!((head.status(), head.header("content-type")), (401, Some("application/json")));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["error"]["message"].as_str().unwrap().contains("key"), "{body}");
    let log = || std::fs::read_to_string(served.dir.log()).unwrap_or_default();
    eventually("the line in the log", || log().contains("reason=key").then_some(()));
    assert!(!log().contains(&served.key));
}

#[test]
fn another_users_program_is_turned_away() {
    let served = Served::with_key(&Upstream::echo());
    let Some(mut other) = as_nobody() else {
        println!("skipped: this user cannot become another one");
        return;
    };
    let request = format!("{}\r\n", served.head("GET", "/x"));
    let (host, port) = served.host().split_once(':').unwrap();
    let script = format!("exec 3<>/dev/tcp/{host}/{port}; printf '%s' \"$0\" >&3; cat <&3");
    let ran = run(other.args(["bash", "-c", &script, &request]), "");
    assert_eq!(ran.stdout, "", "{ran:?}");
    assert_eq!(served.get("/x", "").0.status(), 200, "and its own user goes on");
    let log = || std::fs::read_to_string(served.dir.log()).unwrap_or_default();
    eventually("the line in the log", || log().contains("reason=user").then_some(()));
}

/// A command that runs another as `nobody`, where that can be done.
fn as_nobody() -> Option<std::process::Command> {
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    let mut probe = std::process::Command::new("setpriv");
    probe.args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"]);
    probe.output().is_ok_and(|output| output.status.success()).then_some(command)
}

#[test]
fn half_a_head_and_two_hundred_silent_connections_keep_nobody_out() {
    let served = Served::with_key(&Upstream::echo());
    let mut half = served.connect();
    half.send("GET /up/x HTTP/1.1\r\nHost: ");
    let silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(served.host()).unwrap()).collect();
    assert_eq!(served.get("/x", "").0.status(), 200);
    half.send(format!("{}\r\nx-api-key: {}\r\n\r\n", served.host(), served.key));
    assert_eq!(half.head().unwrap().status(), 200, "the slow one is answered all the same");
    drop(silent);
}

#[test]
fn more_silent_connections_than_places_make_room_for_one_that_speaks() {
    let served = Served::with_key(&Upstream::echo());
    let silent: Vec<TcpStream> = (0..1100).filter_map(|_| TcpStream::connect(served.host()).ok()).collect();
    assert!(silent.len() > 1024, "only {} connections", silent.len());
    assert_eq!(served.get("/x", "").0.status(), 200);
}

#[test]
fn http_1_0_and_pipelined_requests_are_answered() {
    let served = Served::with_key(&Upstream::echo());
    let old = format!("GET /up/x HTTP/1.0\r\nx-api-key: {}\r\n\r\n", served.key);
    assert_eq!(served.raw(&old).0.status(), 200);
    let one = format!("{}x-number: ", served.head("GET", "/x"));
    let mut wire = served.connect();
    wire.send(format!("{one}1\r\n\r\n{one}2\r\n\r\n{one}3\r\n\r\n"));
    for number in 1..=3 {
        let head = wire.head().unwrap();
        let body = String::from_utf8(wire.body(&head)).unwrap();
        assert!(body.contains(&format!("x-number: {number}")), "{body}");
    }
}

#[test]
fn a_gateway_listens_on_loopback_only_and_on_a_socket_of_its_own_user() {
    let served = Served::with_key(&Upstream::echo());
    let ran = run(&mut served.dir.convocations(["gateway", "up", "--listen", "0.0.0.0:0"]), "");
    assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{ran:?}");
    let path = served.dir.runtime().join("g.sock");
    let args = ["gateway", "up", "--json", "--socket", path.to_str().unwrap()];
    let child = Child::spawn(&mut served.dir.convocations(args));
    let line = eventually("the line", || Some(child.stdout()).filter(|line| line.ends_with('\n')));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let key = doors["logins"]["up"]["key"].as_str().unwrap();
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let answer = over_unix(
        stream,
        &format!("GET /up/x HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n"),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let second = run(&mut served.dir.convocations(args), "");
    assert_eq!(second.code(), 5, "a live socket is not replaced: {second:?}");
}

fn over_unix(mut stream: std::os::unix::net::UnixStream, request: &str) -> String {
    use std::io::{Read as _, Write as _};
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_connection_of_a_stranger_is_told_nothing_after_an_end() {
    let mut served = Served::with_key(&Upstream::echo());
    let mut wire: Wire = served.connect();
    wire.send(format!("{}\r\n", served.head("GET", "/x")));
    assert_eq!(wire.head().unwrap().status(), 200);
    served.child.kill();
    assert!(TcpStream::connect(served.host()).is_err() || served.connect().is_closed());
}

/// RFC 9112, 6.3: the chunks count; what a server that believes the length would see as a request of its own
/// is one here too, and has no key.
#[test]
fn a_length_beside_chunks_smuggles_nothing() {
    let served = Served::with_key(&Upstream::echo());
    let mut wire = served.connect();
    let head = served.head("POST", "/x");
    wire.send(format!("{head}content-length: 60\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: {}\r\n\r\n", served.host()));
    let head = wire.head().unwrap();
    let seen = String::from_utf8(wire.body(&head)).unwrap();
    assert!(head.status() == 400 || !seen.contains("content-length"), "{seen}");
    assert!(wire.head().is_none_or(|second| second.status() == 401));
}
