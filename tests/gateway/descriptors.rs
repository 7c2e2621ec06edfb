//! A gateway that may open few files, and what it asks of the system and gives to programs.

use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::common::TestDir;
use crate::fixture::{SECRET, Served, Upstream, home_with_key, reply};

/// Lets a program have `soft` descriptors, and `hard` if it asks.
fn limit(command: &mut Command, soft: u64, hard: u64) {
    let set = move || {
        let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
        setrlimit(Resource::Nofile, limit).map_err(std::io::Error::from)
    };
    // SAFETY: between fork and exec only setrlimit(2) is called.
    unsafe { command.pre_exec(set) };
}

#[test]
fn silent_connections_take_the_last_descriptor_from_nobody() {
    let upstream = Upstream::echo();
    for few in [40, 64] {
        let served = Served::with_key_at(&upstream.url(), |command| limit(command, few, few));
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.extend((0..200).map(|_| TcpStream::connect(served.host()).unwrap()));
            assert_eq!(served.get("/x", "").0.status(), 200, "with {few}");
        }
        let log = std::fs::read_to_string(served.dir.log()).unwrap_or_default();
        assert!(!log.contains("reason=user"), "with {few}: {log}");
    }
}

#[test]
fn a_gateway_asks_for_more_and_its_programs_get_what_it_was_given() {
    let upstream = Upstream::start(|wire, head, number| {
        wire.body(head);
        reply(wire, if number == 0 { 401 } else { 200 }, "");
    });
    let served = Served::start(home_with_command(&upstream), "up", |command| limit(command, 256, 3000));
    assert_eq!(served.get("/x", "").0.status(), 200, "the command has run again");
    let ran = std::fs::read_to_string(served.dir.path().join("limits")).unwrap();
    assert_eq!(ran.lines().collect::<Vec<_>>(), ["256 3000"; 2]);
    #[cfg(target_os = "linux")]
    {
        let own = std::fs::read_to_string(format!("/proc/{}/limits", served.child.id())).unwrap();
        let files = own.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(files.split_whitespace().nth(3), Some("3000"), "{files}");
    }
}

/// A home whose login `up` has a key that a command prints, which notes its limits first.
fn home_with_command(upstream: &Upstream) -> TestDir {
    let dir = home_with_key(&upstream.url());
    let script =
        format!("echo $(ulimit -Sn) $(ulimit -Hn) >> {}/limits; echo {SECRET}-$$", dir.path().display());
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.up]\nbase_url = \"{}/base\"\nsources = [\"command\"]\n\
         [providers.up.login.key]\ngrant = \"api-key\"\n[providers.up.command]\nargv = [\"sh\", \"-c\", \"{script}\"]\n",
        upstream.url()
    ));
    dir
}
