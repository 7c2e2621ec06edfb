//! The ends of a grant: by its time, by being revoked, with who serves it; and what is cut off then.

use std::io::Write as _;
use std::sync::mpsc;
use std::time::Duration;

use crate::common::process::wait_for;
use crate::common::{eventually, run};
use crate::fixture::{Lent, grants, read_until, rest, socket};
use crate::gateway::{Upstream, home_with_key, reply};

/// An API whose answers begin and do not end, and which tells when its client is gone.
fn endless() -> (Upstream, mpsc::Receiver<()>) {
    let (tell, heard) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |wire, head, _| {
        wire.body(head);
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        assert!(wire.is_closed(), "nothing more is sent");
        tell.lock().unwrap().send(()).unwrap();
    });
    (upstream, heard)
}

fn stream_begins(lent: &Lent) -> std::os::unix::net::UnixStream {
    let mut stream = lent.connect();
    stream.write_all(b"GET /up/chat HTTP/1.1\r\nHost: agent\r\n\r\n").unwrap();
    read_until(&mut stream, "begin\r\n");
    stream
}

#[test]
fn revoking_cuts_a_stream_at_once_and_leaves_no_door() {
    let (upstream, gone) = endless();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up"]);
    let mut stream = stream_begins(&lent);
    let report = lent.report(&dir).unwrap();
    assert_eq!((&report["uses"], &report["open"]), (&1.into(), &1.into()));
    run(&mut dir.convocations(["grants", "revoke", &lent.id]), "").ok();
    let rest = rest(&mut stream);
    assert!(!rest.contains("0\r\n\r\n"), "it never looks complete: {rest:?}");
    gone.recv_timeout(Duration::from_secs(10)).expect("the request to the API has ended too");
    let ran = lent.child.finish(Duration::from_secs(10)).ok();
    assert!(ran.stderr.contains("revoked"), "{ran:?}");
    assert!(!socket(&dir).exists());
    assert!(grants(&dir).is_empty());
    let ran = run(&mut dir.convocations(["grants", "revoke", &lent.id]), "");
    assert!(ran.code() == 2 && ran.stderr.contains("no grant of this name"), "{ran:?}");
}

#[test]
fn revoking_cuts_a_websocket_too() {
    let (tell, gone) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |wire, _, _| {
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbegin\r\n",
        );
        assert!(wire.is_closed());
        tell.lock().unwrap().send(()).unwrap();
    });
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up"]);
    let mut stream = lent.connect();
    stream
        .write_all(
            b"GET /up/live HTTP/1.1\r\nHost: agent\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        )
        .unwrap();
    read_until(&mut stream, "begin\r\n");
    assert_eq!(lent.report(&dir).unwrap()["open"], 1, "as long as it is carried");
    run(&mut dir.convocations(["grants", "revoke", &lent.id]), "").ok();
    rest(&mut stream);
    gone.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn its_time_ends_a_grant_with_what_is_under_way() {
    let (upstream, gone) = endless();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up", "--for", "2s"]);
    assert!(lent.report(&dir).unwrap()["ends"].is_i64());
    let mut stream = stream_begins(&lent);
    rest(&mut stream);
    gone.recv_timeout(Duration::from_secs(10)).unwrap();
    let ran = lent.child.finish(Duration::from_secs(10)).ok();
    assert!(ran.stderr.contains("time is over"), "{ran:?}");
    assert!(!socket(&dir).exists());
    let path = socket(&dir);
    for bad in ["0s", "8", "-1h", "soon"] {
        let args = ["agent", "up", "--socket", path.to_str().unwrap(), "--for", bad];
        assert_eq!(run(&mut dir.convocations(args), "").code(), 2, "{bad}");
    }
}

#[test]
fn signals_end_it_cleanly() {
    let upstream = Upstream::echo();
    let dir = home_with_key(&upstream.url());
    for signal in ["INT", "TERM", "HUP"] {
        let lent = Lent::start(&dir, &["up"]);
        run(std::process::Command::new("kill").args(["-s", signal, &lent.child.id().to_string()]), "").ok();
        lent.child.finish(Duration::from_secs(10)).ok();
        assert!(!socket(&dir).exists(), "{signal}");
        assert_eq!(
            std::fs::read_dir(dir.runtime().join("convocations/grants")).unwrap().count(),
            0,
            "{signal}"
        );
    }
}

#[test]
fn it_ends_with_its_parent_where_that_is_asked() {
    let upstream = Upstream::echo();
    let dir = home_with_key(&upstream.url());
    let mut lent = Lent::start(&dir, &["up", "--until-eof"]);
    lent.get("/up/x").expect(200);
    lent.child.close();
    lent.child.finish(Duration::from_secs(10)).ok();
    assert!(!socket(&dir).exists());
}

#[test]
fn each_use_is_counted_and_stands_in_the_log() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    });
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up", "--token", "--lasting", "--label", "work@host"]);
    lent.get("/up/a").expect(200);
    lent.get("/up/b").expect(200);
    lent.token("up", "").expect(200);
    lent.token("other", "").expect(404);
    let report = eventually("the answers' end", || lent.report(&dir).filter(|report| report["open"] == 0));
    assert_eq!((&report["uses"], &report["refused"]), (&3.into(), &1.into()));
    assert_eq!(
        (&report["by_login"][0]["requests"], &report["by_login"][0]["tokens"]),
        (&2.into(), &1.into())
    );
    let ran = run(&mut dir.convocations(["grants"]), "").ok();
    assert!(ran.stdout.contains("work@host: up") && ran.stdout.contains("used 3 times, last up"), "{ran:?}");
    let ran = run(&mut dir.convocations(["status"]), "").ok();
    assert!(
        ran.stdout.contains(&format!("grant {}", lent.id)) && ran.stdout.contains("used 3 times"),
        "{ran:?}"
    );
    let ran = run(&mut dir.convocations(["status", "up", "--json"]), "").ok();
    let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(status["grants"][0]["id"], lent.id.as_str());
    let log = std::fs::read_to_string(dir.log()).unwrap();
    let uses: Vec<&str> = log.lines().filter(|line| line.contains("agent: used")).collect();
    assert_eq!(uses.len(), 3, "{log}");
    for (line, power) in uses.iter().zip(["request", "request", "token"]) {
        let said = format!("grant={} login=up power={power}", lent.id);
        assert!(line.contains(&said) && line.starts_with("20"), "{line}");
    }
    assert!(!log.contains(crate::gateway::SECRET));
    assert!(wait_for(Duration::ZERO, || log.contains("granted").then_some(())).is_some(), "{log}");
}

/// That a grant goes on must not be told as that there is none.
#[test]
fn revoking_says_that_a_process_does_not_answer_whose_grant_it_may_be() {
    let upstream = Upstream::echo();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up"]);
    let signal = |name: &str| {
        run(std::process::Command::new("kill").args(["-s", name, &lent.child.id().to_string()]), "").ok();
    };
    signal("STOP");
    let ran = run(&mut dir.convocations(["grants", "revoke", &lent.id]), "");
    signal("CONT");
    assert!(ran.code() == 5 && ran.stderr.contains("does not answer"), "{ran:?}");
    run(&mut dir.convocations(["grants", "revoke", &lent.id]), "");
    lent.child.finish(Duration::from_secs(10)).ok();
}
