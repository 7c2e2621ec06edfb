//! `convocations ssh` with OpenSSH's own client and server.

use std::time::Duration;

use crate::common::process::LIMIT;
use crate::common::{Child, Ran, Sandbox, eventually, run};
use crate::gateway::{SECRET, Upstream, Wire, home_with_key, home_with_login, reply};
use crate::host::{Host, Kind, PROGRAM, at_a_terminal, is_possible};
use crate::lent::{discreet, grants, secrets};

/// Until the end of standard input, so that a test says when a session ends.
const STAY: &str = "echo ready; cat >/dev/null";

fn ready(session: &Child) {
    eventually("the session", || session.stdout().contains("ready").then_some(()));
}

#[test]
fn a_session_has_the_login_as_long_as_it_lasts_and_leaves_nothing() {
    if !is_possible() {
        return;
    }
    let sandbox = Sandbox::start();
    let (upstream, heard) = discreet();
    let home = home_with_login(&upstream, &sandbox);
    let host = Host::start();
    let script = "echo \"$CONVOCATIONS_AGENT|$(readlink ~/.convocations-agent)|$(stat -c %a ${CONVOCATIONS_AGENT#unix:} $(dirname ${CONVOCATIONS_AGENT#unix:}) | tr '\\n' ' ')\"; \
        /opt/convocations status; curl -s --unix-socket ${CONVOCATIONS_AGENT#unix:} http://agent/mycorp/models; \
        cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; cat >/dev/null; exit 7";
    let mut session = Child::spawn(&mut host.lend(&home, &["--login", "mycorp", "--for", "8h"], &[script]));
    eventually("the answer", || session.stdout().contains("answered").then_some(()));
    let first = heard.recv_timeout(Duration::from_secs(10)).unwrap();
    let all = secrets(&home, "mycorp");
    assert_eq!(first.header("authorization"), Some(format!("Bearer {}", all[0]).as_str()));
    let listed = grants(&home);
    assert_eq!((listed.len(), &listed[0]["label"], &listed[0]["power"]), (1, &"far".into(), &"use".into()));

    session.close();
    let ran = session.finish(LIMIT);
    assert_eq!(ran.code(), 7, "the session's own: {ran:?}");
    let address = ran.stdout.split('|').next().unwrap();
    let path = address.strip_prefix("unix:/tmp/conv-agent.").unwrap_or_else(|| panic!("{ran:?}"));
    assert!(path.ends_with("/agent.sock"), "{ran:?}");
    assert!(ran.stdout.contains(&format!("|{}|600 700 ", address.trim_start_matches("unix:"))), "{ran:?}");
    assert!(ran.stdout.contains("lent by") && ran.stdout.contains("(far)"), "{ran:?}");
    assert!(
        ran.stderr.contains("Lent to far: mycorp.") && ran.stderr.contains("no token and no key"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("the session ends") && ran.stderr.contains("(8h)"), "{ran:?}");
    for secret in &all {
        assert!(!ran.stdout.contains(secret.as_str()), "in a file of /proc");
    }
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
    assert!(host.dir.files_with(&all).is_empty());
    assert!(grants(&home).is_empty(), "the session has ended, and so has the grant");
}

#[test]
fn a_server_that_makes_no_sockets_gives_a_port_and_its_key_is_no_argument() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::of(Kind { config: "AllowStreamLocalForwarding no", ..Kind::default() });
    // Without our program there, by an address and a key as any program takes them.
    let script = "echo $CONVOCATIONS_AGENT; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo; \
        at=${CONVOCATIONS_AGENT#http://}; curl -s http://${at#*@}/up/models -H \"x-api-key: ${at%@*}\"; echo; \
        /opt/convocations token up";
    let ran = run(&mut host.lend(&home, &["--login", "up", "--token", "--lasting"], &[script]), "").ok();
    let address = ran.stdout.lines().next().unwrap();
    let (key, _) = address.strip_prefix("http://").and_then(|rest| rest.split_once('@')).unwrap();
    assert_eq!(ran.stdout.matches(key).count(), 1, "in the variable alone: {ran:?}");
    assert!(ran.stdout.ends_with(&format!("answered\n{SECRET}\n")), "{ran:?}");
    assert!(ran.stderr.contains("makes no sockets"), "{ran:?}");
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
}

/// Nothing of the session is done, and nothing stays.
fn refused(kind: Kind) -> Ran {
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::of(kind);
    let ran = run(&mut host.lend(&home, &["--login", "up"], &["echo", "opened"]), "");
    assert!(!ran.stdout.contains("opened") && ran.stderr.contains("othing was lent"), "{ran:?}");
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
    assert!(grants(&home).is_empty());
    ran
}

#[test]
fn a_server_that_forwards_nothing_is_one_sentence() {
    if is_possible() {
        let ran = refused(Kind { config: "DisableForwarding yes", ..Kind::default() });
        assert!(ran.code() == 5 && ran.stderr.contains("forwards neither sockets nor ports"), "{ran:?}");
    }
}

#[test]
fn a_forced_command_is_one_sentence() {
    if is_possible() {
        let ran = refused(Kind { key_options: "command=\"echo forced\"", ..Kind::default() });
        assert!(ran.code() == 5 && ran.stderr.contains("a command of its own for you"), "{ran:?}");
    }
}

#[test]
fn who_cannot_connect_gets_what_ssh_says_and_its_status() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let ran = run(
        &mut host.lend_to("far", &home, &["--login", "up"], &["-o", "PubkeyAuthentication=no", "true"]),
        "",
    );
    assert!(ran.code() == 255 && ran.stderr.contains("Permission denied"), "{ran:?}");
    let ran = run(&mut host.lend_to("far", &home, &["--login", "up"], &["-f", "true"]), "");
    assert!(ran.code() == 2 && ran.stderr.contains("`-f`"), "{ran:?}");
    let ran = run(&mut host.lend(&home, &["--login", "nobody"], &["true"]), "");
    assert!(ran.code() == 2 && ran.stderr.contains("nobody"), "{ran:?}");
}

#[test]
fn a_connection_that_the_person_has_open_is_used_and_stays() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let control = host.dir.path().join("cm");
    let host = host.with(&format!("  ControlMaster auto\n  ControlPath {}\n", control.display()));
    let _master = Child::spawn(&mut host.ssh(&["-N", "far"]));
    eventually("the master", || control.exists().then_some(()));
    let accepted = |host: &Host| host.server.stderr().matches("Accepted publickey").count();
    eventually("the master's login", || (accepted(&host) == 1).then_some(()));
    let script = "/opt/convocations status; exit 3";
    let ran = run(&mut host.lend(&home, &["--login", "up"], &[script]), "");
    assert!(ran.code() == 3 && ran.stdout.contains("lent by"), "{ran:?}");
    assert_eq!(accepted(&host), 1, "no second one");
    run(&mut host.ssh(&["-O", "check", "far"]), "").ok();
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn it_works_through_another_host() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let script = "/opt/convocations status up";
    let ran = run(&mut host.lend_to("inner", &home, &["--login", "up"], &[script]), "").ok();
    assert!(ran.stdout.contains("(inner)"), "{ran:?}");
}

#[test]
fn the_command_arrives_word_for_word_and_a_shell_gets_a_terminal() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let words = ["printf", "'%s|'", "\"it's\"", "a\\\\b", "\"$HOME\"", ";", "tty"];
    let own = run(&mut host.ssh(&[&["far"][..], &words].concat()), "");
    let ran = run(&mut host.lend(&home, &["--login", "up"], &words), "");
    assert_eq!((ran.stdout.as_str(), ran.code()), (own.stdout.as_str(), own.code()), "as ssh has it");
    assert!(own.stdout.contains("it's|a\\b|/srv/far|"), "{own:?}");

    let lent = host.lend(&home, &["--login", "up"], &[]);
    let ran = run(&mut at_a_terminal(&home, &lent), "tty; echo $CONVOCATIONS_AGENT; exit 4\n");
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert!(ran.stdout.contains("/dev/pts/") && ran.stdout.contains("unix:/tmp/conv-agent."), "{ran:?}");
}

#[test]
fn two_sessions_at_once_have_a_grant_each() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let terms = |label| ["--login", "up", "--label", label];
    let mut first = Child::spawn(&mut host.lend(&home, &terms("one"), &[STAY]));
    ready(&first);
    let mut second = Child::spawn(&mut host.lend(&home, &terms("two"), &[STAY]));
    ready(&second);
    assert_eq!(grants(&home).len(), 2);
    let there = |path: std::path::PathBuf| std::fs::read_link(path).unwrap();
    let link = || host.seen("/srv/far/.convocations-agent");
    let newest = there(link());
    second.close();
    second.finish(LIMIT).ok();
    assert_ne!(there(link()), newest, "the link leads to the session that is left");
    let linked = run(
        &mut host.ssh(&["far", "CONVOCATIONS_AGENT=unix:$HOME/.convocations-agent", PROGRAM, "status"]),
        "",
    );
    assert!(linked.stdout.contains("(one)"), "{linked:?}");
    first.close();
    first.finish(LIMIT).ok();
    assert!(grants(&home).is_empty());
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
}

/// As in tmux: what was started in a session outlives it, and goes on with the next one.
#[test]
fn a_tunnel_that_is_cut_in_a_stream_is_found_again_by_what_outlived_the_session() {
    if !is_possible() {
        return;
    }
    let upstream = Upstream::start(|wire, head, _| {
        wire.body(head);
        if head.line.contains("/stream") {
            wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nbegin\r\n");
            assert!(wire.is_closed());
        }
        reply(wire, 200, "answered");
    });
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let script = "setsid /opt/convocations gateway up --json >~/door 2>~/errors </dev/null & echo ready; cat >/dev/null";
    let mut session = Child::spawn(&mut host.lend(&home, &["--login", "up"], &[script]));
    ready(&session);
    let door = eventually("the gateway", || {
        let text = std::fs::read_to_string(host.seen("/srv/far/door")).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    let text = |name: &str| door["logins"]["up"][name].as_str().unwrap().to_owned();
    let address = text("url").trim_start_matches("http://").trim_end_matches("/up").to_owned();
    let ask = |path: &str| {
        let mut wire = Wire::new(std::net::TcpStream::connect(&address).unwrap());
        wire.send(format!("GET /up{path} HTTP/1.1\r\nHost: {address}\r\nx-api-key: {}\r\n\r\n", text("key")));
        let head = wire.head().expect("an answer");
        (head.status(), wire)
    };
    let (status, mut stream) = ask("/stream");
    assert_eq!((status, stream.chunk()), (200, Some(b"begin".to_vec())));

    // The network is gone: our end of the connection, and with it the session.
    let before = grants(&home);
    session.kill();
    // The connection that is shared names the folder of its socket.
    for whose in [host.client_config(), home.runtime()] {
        let mut killed = std::process::Command::new("pkill");
        killed.args(["-KILL", "-f", whose.to_str().unwrap()]);
        run(&mut killed, "");
    }
    assert_eq!(stream.try_chunk(), Err(()), "cut, and no end of a stream");
    eventually("the end of the tunnel", || (ask("/models").0 == 502).then_some(()));

    let mut again = Child::spawn(&mut host.lend(&home, &["--login", "up"], &[STAY]));
    ready(&again);
    eventually("the way back", || (ask("/models").0 == 200).then_some(()));
    let now = grants(&home);
    assert!(now.len() == 1 && now[0]["id"] != before[0]["id"], "{now:?}");
    let folders = std::fs::read_dir(host.seen("/tmp")).unwrap().count();
    assert_eq!(folders, 1, "what the dead session left is gone");
    let names = std::fs::read_dir(home.runtime()).unwrap().flatten().map(|entry| entry.file_name());
    let folders = names.filter(|name| name.to_string_lossy().starts_with("conv-")).count();
    assert_eq!(folders, 1, "and here too");
    again.close();
    again.finish(LIMIT).ok();
}

/// However the session ends at home, over there nothing is left.
#[test]
fn a_signal_and_a_closed_terminal_end_the_session_and_leave_nothing() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    for signal in ["TERM", "HUP"] {
        let session = Child::spawn(&mut host.lend(&home, &["--login", "up"], &[STAY]));
        ready(&session);
        run(std::process::Command::new("kill").args(["-s", signal, &session.id().to_string()]), "").ok();
        session.finish(LIMIT);
        assert!(grants(&home).is_empty(), "{signal}");
        assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new(), "{signal}");
    }
    let mut terminal =
        Child::spawn(&mut at_a_terminal(&home, &host.lend(&home, &["--login", "up"], &["-t", STAY])));
    ready(&terminal);
    // `script` is the terminal.
    terminal.kill();
    eventually("its end", || (grants(&home).is_empty() && host.left_there().is_empty()).then_some(()));
}

/// The terminal is the other host's: nothing is asked there, and where it is asked is said.
#[test]
fn a_grant_that_asks_says_where_and_is_answered_from_another_terminal() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let script = "curl -s --unix-socket ~/.convocations-agent http://a/up/models";
    let lent = host.lend(&home, &["--login", "up", "--confirm"], &["-t", script]);
    let session = Child::spawn(&mut at_a_terminal(&home, &lent));
    let watch = home.convocations(["grants", "watch"]);
    let mut watch = Child::spawn(&mut at_a_terminal(&home, &watch));
    eventually("the question", || watch.stdout().contains("and Enter:").then_some(()));
    assert!(watch.stdout().contains("ssh (") && watch.stdout().contains("far."), "{}", watch.stdout());
    watch.say("o\n");
    let ran = session.finish(LIMIT).ok();
    assert!(ran.stdout.contains("answered") && ran.stdout.contains("`convocations grants watch`"), "{ran:?}");
    assert!(!ran.stdout.contains("wants to send") && !ran.stdout.contains("Neovim"), "{ran:?}");
}
