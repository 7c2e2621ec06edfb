//! What there is between a person and a session: shells, passwords, destinations, connections of their own.

use crate::common::process::LIMIT;
use crate::common::{Child, eventually, run};
use crate::gateway::home_with_key;
use crate::host::{Host, Kind, at_a_terminal, is_possible};
use crate::lent::{Lent, discreet, grants};

/// What is asked of the login shell, which is no POSIX shell everywhere, is what any shell does.
#[test]
fn whatever_the_login_shell_is_it_gets_the_session() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    for shell in ["/bin/dash", "/usr/bin/fish", "/usr/bin/tcsh", "/usr/bin/ksh", "/usr/bin/zsh"] {
        if !std::path::Path::new(shell).exists() {
            println!("skipped: {shell} is not here");
            continue;
        }
        let host = Host::of(Kind { shell, ..Kind::default() });
        let script = "echo \"$SHELL $CONVOCATIONS_AGENT\"; /opt/convocations status";
        let ran = run(&mut host.lend(&home, &["--login", "up"], &[script]), "").ok();
        assert!(ran.stdout.starts_with(&format!("{shell} unix:/tmp/conv-agent.")), "{ran:?}");
        assert!(ran.stdout.contains("lent by"), "{ran:?}");
        // A shell for what stands on its input.
        let typed = run(&mut host.lend(&home, &["--login", "up"], &[]), "echo $CONVOCATIONS_AGENT; exit 4\n");
        assert_eq!(typed.code(), 4, "{typed:?}");
        assert!(typed.stdout.contains("unix:/tmp/conv-agent."), "{typed:?}");
        // Shells have files of their own.
        let left = host.left_there();
        assert!(left.iter().all(|path| !path.to_string_lossy().contains("conv-agent.")), "{left:?}");
    }
}

#[test]
fn a_password_is_asked_for_once_and_ctrl_c_there_leaves_nothing() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::of(Kind { password: "planted-password", ..Kind::default() });
    let line = ["-o", "PubkeyAuthentication=no", "/opt/convocations status; exit 3"];
    let lent = host.lend(&home, &["--login", "up"], &line);
    let ask = |session: &Child| {
        eventually("the question", || session.stdout().contains("password:").then_some(()));
    };
    let mut session = Child::spawn(&mut at_a_terminal(&home, &lent));
    ask(&session);
    session.say("planted-password\n");
    let ran = session.finish(LIMIT);
    assert!(ran.code() == 3 && ran.stdout.contains("lent by"), "{ran:?}");
    assert_eq!(ran.stdout.matches("password:").count(), 1, "{ran:?}");

    let mut session = Child::spawn(&mut at_a_terminal(&home, &lent));
    ask(&session);
    session.say("\x03");
    let ran = session.finish(LIMIT);
    assert!(ran.code() == 130 && ran.stdout.contains("Cancelled"), "{ran:?}");
    assert!(grants(&home).is_empty());
    assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new());
    let left: Vec<_> =
        std::fs::read_dir(home.runtime()).unwrap().flatten().map(|it| it.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("conv-")), "{left:?}");
}

#[test]
fn what_ssh_takes_as_a_destination_and_options_is_taken() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let (port, key) = (host.port.to_string(), host.dir.home().join("user"));
    let known = format!("UserKnownHostsFile={}", host.dir.home().join("known").display());
    let key = key.to_str().unwrap();
    let uri = format!("ssh://far@127.0.0.1:{port}");
    let control = host.dir.path().join("cm%%x");
    let control = format!("ControlPath={}", control.display());
    for (destination, options) in [
        ("far@127.0.0.1", &["-p", &port, "-i", key, "-o", &known][..]),
        ("127.0.0.1", &["-lfar", "-p", &port, "-i", key, "-o", &known]),
        (&uri, &["-qi", key, "-o", &known]),
        ("far", &["-J", "inner"]),
        ("far", &["-n"]),
        ("far", &["-tt"]),
        ("far", &["-o", "StdinNull=yes"]),
        ("far", &["-o", "ControlMaster=auto", "-o", &control]),
    ] {
        let mut command = home.convocations(["ssh", "--login", "up", destination, "-F"]);
        command.arg(host.client_config()).args(options).args(["--", "/opt/convocations", "status"]);
        let ran = run(&mut command, "").ok();
        assert!(ran.stdout.contains("lent by"), "{destination} {options:?}: {ran:?}");
        assert_eq!(host.left_there(), Vec::<std::path::PathBuf>::new(), "{options:?}");
    }
    let ran = run(&mut home.convocations(["ssh", "--login", "up", "-p", "22", "far"]), "");
    assert_eq!(ran.code(), 2, "{ran:?}");
}

/// The person's connection has a path that ssh would read otherwise.
#[test]
fn a_connection_of_the_persons_is_found_whatever_its_path_is() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let host = Host::start();
    let control = host.dir.path().join("cm%x");
    let folder = host.dir.path().display().to_string();
    let host = host.with(&format!("  ControlMaster auto\n  ControlPath {folder}/cm%%x\n"));
    let _master = Child::spawn(&mut host.ssh(&["-N", "far"]));
    eventually("the master", || control.exists().then_some(()));
    run(&mut host.lend(&home, &["--login", "up"], &["true"]), "").ok();
    assert_eq!(host.server.stderr().matches("Accepted publickey").count(), 1, "no second one");
}

/// The lines of the help, for whoever goes by ssh alone: each session finds the last one's file in its way,
/// and the server clears it.
#[test]
fn two_lines_of_ssh_config_lend_without_convocations_ssh() {
    if !is_possible() {
        return;
    }
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let lent = Lent::start(&home, &["up"]);
    let host = Host::of(Kind { config: "StreamLocalBindUnlink yes", ..Kind::default() });
    let rule = format!("  RemoteForward /srv/far/.convocations-agent {}\n", lent.path().display());
    let host = host.with(&rule);
    let script = "export CONVOCATIONS_AGENT=unix:$HOME/.convocations-agent; /opt/convocations status; \
        curl -s --unix-socket ~/.convocations-agent http://agent/up/models";
    for _ in 0..2 {
        let ran = run(&mut host.ssh(&["far", script]), "").ok();
        assert!(ran.stdout.contains("lent by") && ran.stdout.ends_with("answered"), "{ran:?}");
    }
}
