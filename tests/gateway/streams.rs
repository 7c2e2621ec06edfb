//! Bodies: both ways, piece by piece, cut where they are cut, and ended when the client leaves.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use crate::common::{Child, eventually};
use crate::fixture::{Served, Upstream, Wire, home_with_key, reply};

#[test]
fn each_event_of_a_stream_arrives_before_the_next_is_sent() {
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let upstream = Upstream::start(move |wire, _, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            wire.send(format!("{:x}\r\n{event}\r\n", event.len()));
            may_go.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
        }
        wire.send("0\r\n\r\n");
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}\r\n", served.head("GET", "/x")));
    assert_eq!(wire.head().unwrap().header("content-type"), Some("text/event-stream"));
    for number in 0..5 {
        assert_eq!(wire.chunk().unwrap(), format!("data: {number}\n\n").as_bytes());
        go.send(()).unwrap();
    }
    assert_eq!(wire.chunk(), None);
}

#[test]
fn ten_megabytes_go_up_and_down_unchanged() {
    let upstream = Upstream::start(|wire, head, _| {
        let body = wire.body(head);
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
        wire.send(body);
    });
    let served = Served::with_key(&upstream);
    let body: Vec<u8> = (0..10 << 20).map(|number: u32| number.to_le_bytes()[1]).collect();
    let mut wire = served.connect();
    wire.send(format!("{}content-length: {}\r\n\r\n", served.head("POST", "/x"), body.len()));
    wire.send(&body);
    let head = wire.head().unwrap();
    assert_eq!(head.status(), 200);
    assert!(wire.body(&head) == body);
}

#[test]
fn a_body_that_is_cut_off_never_looks_complete() {
    for head in ["transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", "content-length: 100\r\n\r\nhello"] {
        let upstream = Upstream::start(move |wire, _, _| {
            wire.send(format!("HTTP/1.1 200 OK\r\n{head}"));
            wire.hang_up();
        });
        let served = Served::with_key(&upstream);
        let mut wire = served.connect();
        wire.send(format!("{}\r\n", served.head("GET", "/x")));
        let answer = wire.head().unwrap();
        if answer.header("transfer-encoding").is_some() {
            assert_eq!(wire.chunk().unwrap(), b"hello");
            assert!(wire.try_chunk().is_err(), "the last chunk came");
        } else {
            assert_eq!(wire.bytes(5), b"hello");
            assert!(wire.is_closed());
        }
    }
}

#[test]
fn a_client_that_leaves_ends_the_request_at_the_api_within_a_second() {
    leaves_in_a_stream(1);
}

/// A client sends so many requests, and leaves when the first piece of the first answer is there.
fn leaves_in_a_stream(requests: usize) {
    let (left, was_left) = mpsc::channel();
    let upstream = Upstream::start(move |wire, _, _| {
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n");
        left.send(wire.is_closed()).unwrap();
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}\r\n", served.head("GET", "/x")).repeat(requests));
    wire.head().unwrap();
    assert_eq!(wire.chunk().unwrap(), b"hello");
    drop(wire);
    assert_eq!(was_left.recv_timeout(Duration::from_secs(1)), Ok(true));
}

#[test]
fn a_client_that_leaves_before_the_answer_ends_it_too() {
    let (came, has_come) = mpsc::channel();
    let (left, was_left) = mpsc::channel();
    let upstream = Upstream::start(move |wire, head, _| {
        wire.body(head);
        came.send(()).unwrap();
        left.send(wire.is_closed()).unwrap();
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}content-length: 2\r\n\r\nhi", served.head("POST", "/x")));
    has_come.recv_timeout(Duration::from_secs(20)).unwrap();
    drop(wire);
    assert_eq!(was_left.recv_timeout(Duration::from_secs(1)), Ok(true));
}

/// The next request waits in the pipe, and the client's end behind it.
#[test]
fn a_client_that_leaves_behind_a_request_that_nobody_reads_ends_the_one_under_way() {
    leaves_in_a_stream(2);
}

/// As above, on a socket.
#[test]
fn a_client_of_a_socket_that_leaves_behind_a_request_ends_the_one_under_way() {
    let (left, was_left) = mpsc::channel();
    let upstream = Upstream::start(move |wire, _, _| {
        wire.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello");
        left.send(wire.is_closed()).unwrap();
    });
    let dir = home_with_key(&upstream.url());
    let path = dir.runtime().join("g.sock");
    let args = ["gateway", "up", "--json", "--socket", path.to_str().unwrap()];
    let gateway = Child::spawn(&mut dir.convocations(args));
    let line = eventually("the line", || Some(gateway.stdout()).filter(|line| line.ends_with('\n')));
    let doors: serde_json::Value = serde_json::from_str(&line).unwrap();
    let key = doors["logins"]["up"]["key"].as_str().unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    let request = format!("GET /up/x HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n\r\n");
    client.write_all(request.repeat(2).as_bytes()).unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"hello") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        seen.extend(byte);
    }
    drop(client);
    assert_eq!(was_left.recv_timeout(Duration::from_secs(1)), Ok(true));
}

/// The client's end stands behind bytes that the system has no place for, and cannot arrive.
#[cfg(target_os = "linux")]
#[test]
fn a_client_that_leaves_during_an_upload_ends_it_though_the_api_reads_nothing() {
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let (ended, has_ended) = mpsc::channel();
    let upstream = Upstream::start(move |wire, _, _| {
        may_go.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
        ended.send(wire.rest()).unwrap();
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}content-length: {}\r\n\r\n", served.head("POST", "/x"), 1 << 30));
    let taken = wire.send_until_full(&vec![b'x'; 1 << 20], 1 << 10);
    assert!(is_held_by(served.host()));
    drop(wire);
    eventually("the end of the upload", || (!is_held_by(served.host())).then_some(()));
    go.send(()).unwrap();
    let arrived = has_ended.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(arrived < taken, "{arrived} of {taken} bytes were sent on");
}

/// Whether a connection is open at the end that has this address, be it closed at the other (ESTABLISHED,
/// CLOSE_WAIT).
#[cfg(target_os = "linux")]
fn is_held_by(address: &str) -> bool {
    let address: std::net::SocketAddr = address.parse().unwrap();
    let local = format!("0100007F:{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next() == Some(&local) && matches!(fields.nth(1), Some("01" | "08"))
    })
}

#[test]
fn a_fast_upload_waits_for_a_slow_api() {
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = std::sync::Mutex::new(may_go);
    let upstream = Upstream::start(move |wire, head, _| {
        may_go.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
        let length = wire.body(head).len();
        reply(wire, 200, &length.to_string());
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    // Far more than every buffer of the system on the way: it cannot all have been taken.
    let (size, piece) = (256_usize << 20, vec![b'x'; 1 << 20]);
    wire.send(format!("{}content-length: {size}\r\n\r\n", served.head("POST", "/x")));
    let taken = wire.send_until_full(&piece, size / piece.len());
    assert!(taken < size, "all of it was taken while the API read nothing");
    go.send(()).unwrap();
    wire.send(vec![b'x'; size - taken]);
    let head = wire.head().unwrap();
    assert_eq!(String::from_utf8(wire.body(&head)).unwrap(), size.to_string());
}

#[test]
fn a_body_that_is_none_is_the_clients_fault_and_not_the_apis() {
    let upstream = Upstream::start(|wire, _, _| while let Ok(Some(_)) = wire.try_chunk() {});
    let served = Served::with_key(&upstream);
    for broken in ["zz\r\n", "5\r\nhello, and no end\r\n", "fffffffffffffffff\r\n"] {
        let (head, body) = served.raw(&format!(
            "{}transfer-encoding: chunked\r\n\r\n3\r\none\r\n{broken}",
            served.head("POST", "/x")
        ));
        assert_eq!(head.status(), 400, "{broken}: {body}");
        assert!(body.contains("The body of the request"), "{body}");
    }
}

/// hyper's server has no way to send them on (RFC 9110, 15.2, wants it): they do no harm.
#[test]
fn answers_before_the_answer_are_left_out() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        wire.send("HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n");
        wire.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n");
        reply(wire, 200, "the answer");
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    for _ in 0..2 {
        wire.send(format!("{}content-length: 2\r\n\r\nhi", served.head("POST", "/x")));
        let head = wire.head().unwrap();
        assert_eq!((head.status(), head.header("link")), (200, None));
        assert_eq!(wire.body(&head), b"the answer");
    }
}

#[test]
fn expect_is_answered_here_once_the_client_is_known() {
    let upstream = Upstream::start(|wire, head, _| {
        assert_eq!(head.header("expect"), None);
        let body = String::from_utf8(wire.body(head)).unwrap();
        reply(wire, 200, &body);
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}expect: 100-continue\r\ncontent-length: 5\r\n\r\n", served.head("POST", "/x")));
    assert_eq!(wire.head().unwrap().status(), 100);
    wire.send("hello");
    let head = wire.head().unwrap();
    assert_eq!((head.status(), wire.body(&head).as_slice()), (200, b"hello".as_slice()));
    let mut stranger: Wire = served.connect();
    stranger.send(format!(
        "POST /up/x HTTP/1.1\r\nHost: {}\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n",
        served.host()
    ));
    assert_eq!(stranger.head().unwrap().status(), 401);
}

#[test]
fn trailers_of_an_answer_are_carried_to_a_client_that_takes_them() {
    let upstream = Upstream::start(|wire, head, _| {
        assert_eq!((head.header("te"), head.header("connection")), (Some("trailers"), Some("TE")));
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n");
    });
    let served = Served::with_key(&upstream);
    let mut wire = served.connect();
    wire.send(format!("{}te: trailers\r\nconnection: te\r\n\r\n", served.head("GET", "/x")));
    wire.head().unwrap();
    assert_eq!(wire.chunk().unwrap(), b"hi");
    assert_eq!(wire.chunk(), None);
    assert_eq!(wire.trailers(), ["x-sum: 7"]);
}

/// The limits of `http.timeout` are for logins and refreshes: a model may think for minutes.
#[test]
fn a_slow_api_is_waited_for() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        std::thread::sleep(Duration::from_millis(1500));
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n");
        std::thread::sleep(Duration::from_millis(1500));
        wire.send("3\r\ntwo\r\n0\r\n\r\n");
    });
    let served = Served::with_key(&upstream);
    let config = std::fs::read_to_string(served.dir.config().join("config.toml")).unwrap();
    served.dir.write_config(&format!("{config}[http]\ntimeout = 1\n"));
    let (head, body) = served.again().get("/x", "");
    assert_eq!((head.status(), body.as_str()), (200, "onetwo"));
}

/// A client whose writing fails looks for no answer: the rest of a request is taken even where it is in vain.
#[test]
fn a_refusal_is_read_by_a_client_that_first_sends_all_of_a_long_body() {
    let served = Served::with_key(&Upstream::echo());
    let mut wire = served.connect();
    let body = vec![b'a'; 32 << 20];
    wire.send(format!(
        "POST /up/x HTTP/1.1\r\nHost: {}\r\ncontent-length: {}\r\n\r\n",
        served.host(),
        body.len()
    ));
    wire.send(body);
    assert_eq!(wire.head().unwrap().status(), 401);
}
