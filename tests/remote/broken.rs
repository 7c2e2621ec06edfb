//! Connections that break, and are back; and what listens in their place.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Child, Sandbox, TestDir, eventually, run};
use crate::far::{Far, UP};
use crate::gateway::{SECRET, Upstream, home_with_key, reply};
use crate::lent::{Lent, socket};

fn home() -> (Upstream, TestDir) {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    });
    let home = home_with_key(&upstream.url());
    (upstream, home)
}

#[test]
fn a_broken_connection_is_one_message_and_heals_in_the_process_that_met_it() {
    let (_upstream, home) = home();
    let lent = Lent::start(&home, &["up"]);
    let far = Far::new(&lent.address);
    let mut command = far.command(&["gateway", "up", "--json"]);
    let gateway = Child::spawn(&mut command);
    let line = eventually("the line", || gateway.stdout().lines().next().map(str::to_owned));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| doors["logins"]["up"][name].as_str().unwrap().to_owned();
    let header = format!("authorization: Bearer {}", text("key"));
    let url = format!("{}/models", text("url"));
    let ask = || {
        run(std::process::Command::new("curl").args(["-s", "-w", " %{http_code}", "-H", &header, &url]), "")
            .stdout
    };
    assert_eq!(ask(), "answered 200");

    drop(lent);
    let broken = ask();
    assert!(broken.ends_with(" 502") && broken.contains("network"), "{broken}");
    let ran = far.run(&["token", "up"]);
    assert_eq!(ran.code(), 5, "{ran:?}");
    assert!(ran.stderr.contains("Nobody serves logins at"), "{ran:?}");
    assert!(ran.stderr.contains("convocations ssh") && ran.stderr.contains("unset"), "{ran:?}");

    let _again = Lent::start(&home, &["up"]);
    assert_eq!(ask(), "answered 200");
}

/// Whose account it would be is not known: nothing of this machine's is taken in its place.
#[test]
fn while_nobody_can_say_what_is_lent_no_login_of_this_machine_is_used() {
    let far = Far::new("unix:/nonexistent/agent.sock");
    far.dir.write_config(UP);
    run(&mut far.dir.convocations(["secret", "set", "up"]), &format!("{SECRET}\n")).ok();
    let ran = far.run(&["token", "up"]);
    assert_eq!((ran.code(), ran.stdout.as_str()), (5, ""), "{ran:?}");
    let status = far.run(&["status"]).ok();
    assert!(status.stdout.contains("error") && status.stderr.contains("There is no socket"), "{status:?}");
    assert_eq!(run(&mut far.dir.convocations(["token", "up"]), "").ok().stdout, format!("{SECRET}\n"));
}

#[test]
fn the_link_leads_a_shell_of_a_dead_session_to_the_next_one() {
    let (_upstream, home) = home();
    let lent = Lent::start(&home, &["up", "--token", "--lasting"]);
    let far = Far::new(format!("unix:{}/gone", home.path().display()));
    let link = far.dir.home().join(".convocations-agent");
    std::os::unix::fs::symlink(lent.path(), &link).unwrap();
    assert_eq!(far.run(&["token", "up"]).ok().stdout, format!("{SECRET}\n"));
    // A socket that nobody listens on is the same.
    let dead = home.path().join("dead");
    drop(UnixListener::bind(&dead).unwrap());
    let far = Far { agent: format!("unix:{}", dead.display()), ..far };
    assert_eq!(far.run(&["token", "up"]).ok().stdout, format!("{SECRET}\n"));
    std::fs::remove_file(link).unwrap();
    assert_eq!(far.run(&["token", "up"]).code(), 5);
}

/// The tunnel stands, and behind it is nobody: ssh takes the connection and closes it.
#[test]
fn a_connection_that_is_closed_at_once_is_told_from_one_that_is_not_there() {
    let dir = TestDir::new();
    let path = dir.path().join("closes");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let ran = Far::new(format!("unix:{}", path.display())).run(&["token", "openrouter"]);
    assert!(ran.code() == 5 && ran.stderr.contains("ended the connection without an answer"), "{ran:?}");
}

#[test]
fn the_key_of_a_port_is_asked_for_and_a_wrong_one_gets_nothing() {
    let (_upstream, home) = home();
    let lent = Lent::start_at(&home, &["--listen", "127.0.0.1:0"], &["up", "--token", "--lasting"]);
    assert_eq!(Far::new(&lent.address).run(&["token", "up"]).ok().stdout, format!("{SECRET}\n"));
    let (_, place) = lent.address.split_once('@').unwrap();
    let wrong = "conv-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let ran = Far::new(format!("http://{wrong}@{place}")).run(&["token", "up"]);
    assert!(ran.code() != 0 && ran.stdout.is_empty() && ran.stderr.contains("key"), "{ran:?}");
    assert!(!ran.stderr.contains(wrong) && !ran.stderr.contains(SECRET), "{ran:?}");
}

/// Rule 23: the path of a session that has ended can be anybody's. Only root can be somebody else.
#[test]
fn what_another_user_listens_on_is_told_nothing() {
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: only root can act as another user");
    }
    let (_upstream, home) = home();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    // The other way round: root keeps a socket open to all, and it is another user who finds it and is turned
    // away; and this user finds another one's port.
    let lent = Lent::start(&home, &["up", "--token", "--lasting"]);
    for folder in [home.path(), socket(&home).parent().unwrap()] {
        open(folder, 0o755);
    }
    open(&lent.path(), 0o666);
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "curl", "-s", "--max-time", "5"]);
    command.args(["--unix-socket", lent.path().to_str().unwrap(), "-X", "POST", "http://a/v1/token/up"]);
    let ran = run(&mut command, "");
    assert!(ran.code() != 0 && ran.stdout.is_empty(), "{ran:?}");

    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", LISTENS]);
    let stranger = Child::spawn(&mut command);
    let port = eventually("the port", || stranger.stdout().trim().parse::<u16>().ok());
    let ran = Far::new(format!("http://conv-planted@127.0.0.1:{port}")).run(&["token", "up"]);
    assert!(ran.code() == 5 && ran.stderr.contains("belongs to another user"), "{ran:?}");
    assert!(!stranger.stderr().contains("conv-planted"), "the key was said to a stranger");
}

/// A port that tells on standard error what it hears.
const LISTENS: &str = "
import socket, sys
server = socket.create_server(('127.0.0.1', 0))
print(server.getsockname()[1], flush=True)
while True:
    client, _ = server.accept()
    client.settimeout(2)
    try: print(client.recv(4096), file=sys.stderr, flush=True)
    except OSError: pass
";

/// A stream that is cut at home is cut here, and does not look complete.
#[test]
fn a_stream_is_cut_with_the_connection() {
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n");
        assert!(wire.is_closed());
    });
    let home = home_with_key(&upstream.url());
    let lent = Lent::start(&home, &["up"]);
    let far = Far::new(&lent.address);
    far.dir.write_config(UP);
    let script = "curl -sN $OPENAI_BASE_URL/chat -H \"x-api-key: $OPENAI_API_KEY\"; echo \" ended $?\"";
    let mut command = far.command(&["exec", "--gateway", "up", "--", "sh", "-c", script]);
    let program = Child::spawn(&mut command);
    eventually("the stream", || program.stdout().starts_with("begin").then_some(()));
    run(&mut home.convocations(["grants", "revoke", &lent.id]), "").ok();
    let ran = program.finish(Duration::from_secs(20));
    assert_eq!(ran.stdout, "begin ended 18\n", "18 is curl's word for a part of a file");
    let _ = Sandbox::start;
}
