//! Who may come in, and where a socket can be.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;

use crate::common::{Child, TestDir, eventually, run};
use crate::fixture::{Lent, ask, connect_tcp, grants, read_until, socket};
use crate::gateway::{Upstream, home_with_key, reply};

fn never_reached() -> Upstream {
    Upstream::start(|_, head, _| panic!("reached the API: {}", head.line))
}

fn agent(dir: &TestDir, path: &std::path::Path) -> crate::common::Ran {
    run(&mut dir.convocations(["agent", "up", "--socket", path.to_str().unwrap()]), "")
}

/// The socket at which a process lists what it lends.
fn control(dir: &TestDir) -> PathBuf {
    let folder = dir.runtime().join("convocations/grants");
    std::fs::read_dir(folder).unwrap().flatten().next().unwrap().path()
}

#[test]
fn on_loopback_nothing_is_answered_without_the_key() {
    let upstream = never_reached();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start_at(&dir, &["--listen", "127.0.0.1:0"], &["up", "--token", "--lasting"]);
    let (_, key, host) = connect_tcp(&lent.address);
    let ask_with = |method: &str, path: &str, headers: &str| {
        let (stream, ..) = connect_tcp(&lent.address);
        ask(stream, method, path, &format!("Host: {host}\r\n{headers}"), "")
    };
    let wrong = "Authorization: Bearer conv-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n";
    for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/token/up"), ("GET", "/up/models")] {
        for headers in ["", wrong] {
            let answer = ask_with(method, path, headers).expect(401);
            assert!(!answer.whole.contains("mycorp") && !answer.whole.contains("sk-"), "{}", answer.whole);
        }
    }
    let right = format!("Authorization: Bearer {key}\r\n");
    ask_with("GET", "/v1/status", &format!("{right}Origin: https://evil.example\r\n")).expect(403);
    let (stream, ..) = connect_tcp(&lent.address);
    ask(stream, "GET", "/v1/status", &format!("Host: evil.example\r\n{right}"), "").expect(403);
    // Another port of loopback is the same door, forwarded.
    let (stream, ..) = connect_tcp(&lent.address);
    ask(stream, "GET", "/v1/status", &format!("Host: localhost:4711\r\n{right}"), "").expect(200);
    ask_with("GET", "/v1/status", &right).expect(200);
    let report = lent.report(&dir).unwrap();
    assert_eq!(report["refused"], 8);
    assert!(!report.to_string().contains(&key), "the list shows no key: {report}");
}

#[test]
fn a_web_page_gets_nothing_by_the_socket_either() {
    let upstream = never_reached();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up", "--token", "--lasting"]);
    lent.ask("POST", "/v1/token/up", "Origin: null\r\n", "").expect(403);
    lent.ask("GET", "/up/x", "Origin: https://evil.example\r\n", "").expect(403);
}

/// Rule 23. Only root can be somebody else.
#[test]
fn another_user_of_the_machine_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can act as another user");
    }
    let upstream = never_reached();
    let dir = home_with_key(&upstream.url());
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let lent = Lent::start(&dir, &["up"]);
    let as_nobody = |program: &str, args: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", program]).args(args);
        Child::spawn(&mut command).finish(crate::common::process::LIMIT)
    };
    let path = lent.path();
    let url = "http://agent/v1/status";
    let connect = |path: &str| as_nobody("curl", &["-s", "--max-time", "5", "--unix-socket", path, url]);
    assert_ne!(connect(path.to_str().unwrap()).code(), 0, "the folder is closed");
    // Even with the file system wide open, the peer is looked at.
    open(dir.path(), 0o755);
    open(path.parent().unwrap(), 0o755);
    open(&path, 0o666);
    let ran = connect(path.to_str().unwrap());
    assert!(ran.code() != 0 && ran.stdout.is_empty(), "{ran:?}");
    let tcp = Lent::start_at(&dir, &["--listen", "127.0.0.1:0"], &["up"]);
    let (_, key, host) = connect_tcp(&tcp.address);
    let header = format!("Authorization: Bearer {key}");
    let ran =
        as_nobody("curl", &["-s", "--max-time", "5", "-H", &header, &format!("http://{host}/v1/status")]);
    assert!(ran.code() != 0 && ran.stdout.is_empty(), "with the right key, but another's program: {ran:?}");
    let control = control(&dir);
    for folder in
        [dir.runtime(), dir.runtime().join("convocations"), dir.runtime().join("convocations/grants")]
    {
        open(&folder, 0o755);
    }
    open(&control, 0o666);
    let script = format!(
        "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(5)\ns.connect({:?})\ntry:\n s.sendall(b'{{\"ask\":\"list\"}}\\n')\n sys.stdout.write(s.recv(99).decode())\nexcept OSError: pass",
        control.to_str().unwrap()
    );
    // The system's own: another user may not reach what this one has installed for itself.
    let python = ["-i", "PATH=/usr/bin:/bin", "python3", "-c", &script];
    let own = Child::spawn(Command::new("env").args(python)).finish(crate::common::process::LIMIT);
    if own.code() == 127 {
        return println!("skipped in part: there is no python3 to ask the control socket by");
    }
    assert!(own.stdout.contains("grants"), "one's own program is answered: {own:?}");
    let ran = as_nobody("env", &python);
    assert!(ran.code() == 0 && ran.stdout.is_empty(), "{ran:?}");
}

/// More connections than a process takes: those that say nothing give way, one that watches does not.
#[test]
fn silent_connections_keep_nobody_from_listing_what_is_lent() {
    let upstream = never_reached();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up"]);
    let connect = || UnixStream::connect(control(&dir)).unwrap();
    let mut watching = connect();
    watching.write_all(b"{\"ask\":\"watch\"}\n").unwrap();
    read_until(&mut watching, "\n");
    let silent: Vec<UnixStream> = (0..80).map(|_| connect()).collect();
    assert!(lent.report(&dir).is_some(), "it is listed");
    watching.set_nonblocking(true).unwrap();
    let read = watching.read(&mut [0]);
    assert_eq!(read.map_err(|error| error.kind()), Err(ErrorKind::WouldBlock), "it is still served");
    drop(silent);
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_never() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    });
    let dir = home_with_key(&upstream.url());
    let mut first = Lent::start(&dir, &["up"]);
    let ran = agent(&dir, &first.path());
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("Somebody listens"), "{ran:?}");
    first.get("/up/x").expect(200);
    // As a crash leaves it.
    first.child.kill();
    drop(first);
    assert!(socket(&dir).exists());
    let second = Lent::start(&dir, &["up"]);
    second.get("/up/x").expect(200);
    let listed: Vec<_> = grants(&dir).iter().map(|grant| grant["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, std::slice::from_ref(&second.id), "the dead one's entry is swept");
    assert_eq!(std::fs::read_dir(dir.runtime().join("convocations/grants")).unwrap().count(), 1);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&second.path()), mode(second.path().parent().unwrap())), (0o600, 0o700));
}

#[test]
fn of_many_that_begin_at_a_dead_socket_at_once_one_lives_and_is_reached() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    });
    let dir = home_with_key(&upstream.url());
    let mut dead = Lent::start(&dir, &["up"]);
    dead.child.kill();
    drop(dead);
    let path = socket(&dir);
    let start = || {
        let args = ["agent", "up", "--json", "--socket", path.to_str().unwrap()];
        Child::spawn(&mut dir.convocations(args))
    };
    let mut children: Vec<Child> = (0..8).map(|_| start()).collect();
    let mut living = || children.iter_mut().filter_map(|child| child.is_running().then_some(())).count();
    eventually("all but one have given up", || (living() == 1).then_some(()));
    eventually("the one lends", || {
        let stream = std::os::unix::net::UnixStream::connect(&path).ok()?;
        (ask(stream, "GET", "/up/x", "Host: agent\r\n", "").status == 200).then_some(())
    });
    assert_eq!(grants(&dir).len(), 1);
}

#[test]
fn a_socket_is_made_in_a_closed_folder_of_ones_own_alone() {
    let dir = home_with_key("http://127.0.0.1:1");
    let refused = |path: &std::path::Path, code: i32, why: &str| {
        let ran = agent(&dir, path);
        assert_eq!(ran.code(), code, "{ran:?}");
        assert!(ran.stderr.contains(why), "{ran:?}");
    };
    let long = dir.path().join("x".repeat(100)).join("agent.sock");
    refused(&long, 2, "too long");
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    refused(&open.join("s"), 2, "can be opened by other users");
    let file = dir.path().join("closed/file");
    std::fs::create_dir(dir.path().join("closed")).unwrap();
    std::fs::set_permissions(dir.path().join("closed"), std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(&file, "mine").unwrap();
    refused(&file, 2, "is not a socket");
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
    refused(&file.join("s"), 2, "is not a folder");
    let foreign = UnixListener::bind(dir.path().join("closed/live")).unwrap();
    refused(&dir.path().join("closed/live"), 5, "Somebody listens");
    drop(foreign);
    let ran = run(&mut dir.convocations(["agent", "up", "--listen", "0.0.0.0:0"]), "");
    assert!(ran.code() == 2 && ran.stderr.contains("this machine only"), "{ran:?}");
    let ran = run(&mut dir.convocations(["agent", "up"]), "");
    assert_eq!(ran.code(), 2, "{ran:?}");
    let ran = run(&mut dir.convocations(["agent", "nothing", "--listen", "127.0.0.1:0"]), "");
    assert_eq!(ran.code(), 2, "{ran:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ran = run(&mut dir.convocations(["agent", "up", "--listen", &address]), "");
    assert!(ran.code() == 5 && TcpStream::connect(&address).is_ok(), "{ran:?}");
}

#[test]
fn two_agents_lend_different_things_side_by_side() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    });
    let dir = home_with_key(&upstream.url());
    let one = Lent::start(&dir, &["up", "--label", "one"]);
    let other = dir.path().join("s/other.sock");
    let two = Lent::start_at(&dir, &["--socket", other.to_str().unwrap()], &["up", "--token", "--lasting"]);
    one.token("up", "").expect(403);
    two.token("up", "").expect(200);
    let listed = grants(&dir);
    assert_eq!(listed.len(), 2);
    let report = |lent: &Lent| listed.iter().find(|grant| grant["id"] == lent.id.as_str()).unwrap();
    assert_eq!((&report(&one)["label"], &report(&two)["power"]), (&"one".into(), &"token".into()));
}

/// Whoever has the folder of a grant mounted would find there what answers for the person.
#[test]
fn no_grant_is_served_beside_the_sockets_that_revoke_it() {
    let dir = home_with_key(&Upstream::echo().url());
    let _lent = Lent::start(&dir, &["up"]);
    let folder = dir.runtime().join("convocations/grants");
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    for folder in [folder, link] {
        let path = folder.join("agent.sock");
        let ran = run(&mut dir.convocations(["agent", "up", "--socket", path.to_str().unwrap()]), "");
        assert!(ran.code() == 2 && ran.stderr.contains("by which grants are revoked"), "{ran:?}");
        assert!(!path.exists());
    }
}
