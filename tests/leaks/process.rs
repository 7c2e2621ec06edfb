//! What the system tells about a process that holds secrets, and what it leaves when it crashes.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::time::Duration;

use serde_json::json;

use crate::backend::Backend;
use crate::common::{self, Child, Sandbox, TestDir, fault};
use crate::search::{Places, secrets};
use crate::ways::{self, WAYS};

/// The program under a shell that allows cores of any size, so that only the program itself can forbid them.
fn allowing_cores(dir: &TestDir, args: &str) -> std::process::Command {
    let program = env!("CARGO_BIN_EXE_convocations");
    let mut command = dir.command("sh");
    command.args(["-c", &format!("ulimit -Sc $(ulimit -Hc); exec {program} {args} \"$@\""), "sh"]);
    command
}

#[track_caller]
fn leaves_no_core(pid: u32) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4], "0", "the soft limit, which is the one that holds: {core}");
    assert_eq!(owner_of_memory(pid), 0);
}

/// What is not dumpable belongs to root, so that no other process of the same user may look into it.
fn owner_of_memory(pid: u32) -> u32 {
    std::fs::metadata(format!("/proc/{pid}/mem")).unwrap().uid()
}

fn is_root() -> bool {
    // SAFETY: geteuid takes nothing, touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Arguments and environment of a process; where root alone may read its environment, that is as good.
#[track_caller]
fn shows_no_secret(mut places: Places, name: &str, pid: u32, sandbox: &Sandbox) {
    places.add_process(name, pid);
    if is_root() {
        places.has("environ");
    } else {
        let error = std::fs::read(format!("/proc/{pid}/environ")).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }
    places.has("cmdline").hold_none_of(&secrets(sandbox));
}

/// To root everything belongs to root, so there the program runs as nobody.
#[test]
fn no_other_process_of_the_user_may_look_into_it() {
    const NOBODY: u32 = 65_534;
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n");
    let as_nobody = |mut command: std::process::Command| {
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if is_root() {
        let given = dir.command("chown").args(["-R", &NOBODY.to_string()]).arg(dir.path()).status();
        assert!(given.unwrap().success());
    }
    let program = as_nobody(dir.convocations(["--version"])).output();
    if !program.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: the program is where nobody but root may run it");
        return;
    }
    let mut other = as_nobody(dir.command("cat")).stdin(std::process::Stdio::piped()).spawn().unwrap();
    common::eventually("an owner that is not root", || (owner_of_memory(other.id()) != 0).then_some(()));
    let mut backend = Backend::start(&mut as_nobody(dir.convocations(Vec::<String>::new())), json!({}));
    backend.ok("status", json!({}));
    assert_eq!(owner_of_memory(backend.id()), 0);
    drop(other.stdin.take());
    other.wait().unwrap();
}

#[test]
fn a_backend_leaves_no_core_and_shows_nothing_while_it_refreshes() {
    let sandbox = ways::sandbox();
    let dir = ways::home(&sandbox);
    let mut backend = Backend::start(&mut allowing_cores(&dir, ""), json!({}));
    ways::log_in(&mut backend, WAYS[0]);
    let token = backend.ok("get", json!({ "login": WAYS[0].login }))["token"].clone();
    sandbox.fault_refresh("anthropic.token", 1, fault::hold("slow"));
    backend.send("invalidate", json!({ "login": WAYS[0].login, "token": token }));
    sandbox.wait_for_hold("slow");
    leaves_no_core(backend.id());
    let mut places = Places::default();
    places.add_files(&dir);
    shows_no_secret(places, "the backend", backend.id(), &sandbox);
    kill(backend.id(), libc::SIGABRT);
    let ended = backend.wait_for_end(Duration::from_secs(10)).unwrap();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(libc::SIGABRT), false));
}

#[test]
fn a_command_leaves_no_core_either() {
    let sandbox = Sandbox::start();
    let dir = ways::home(&sandbox);
    let mut backend = ways::backend(&dir);
    ways::log_in(&mut backend, WAYS[0]);
    let token = ways::text(&backend.ok("get", json!({ "login": WAYS[0].login })), "token");
    backend.last_words();
    sandbox.fault_refresh("anthropic.token", 1, fault::hold("slow"));
    let mut child = Child::spawn(&mut allowing_cores(&dir, "token anthropic --rejected"));
    child.say(&format!("{token}\n"));
    child.close();
    sandbox.wait_for_hold("slow");
    leaves_no_core(child.id());
    shows_no_secret(Places::default(), "`token`", child.id(), &sandbox);
    kill(child.id(), libc::SIGABRT);
    let ended = child.finish(Duration::from_secs(10)).status;
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(libc::SIGABRT), false));
}

/// The hook is the whole process's, so it is tried in a process of its own: this very test, called again.
#[test]
fn a_panic_is_logged_by_its_place_alone() {
    const CHILD: &str = "LEAKS_TEST_PANIC_CHILD";
    let dir = TestDir::new();
    if std::env::var_os(CHILD).is_some() {
        convocations::log::init(&convocations::paths::Paths::from_env().unwrap());
        panic!("planted-c0ffee");
    }
    let mut command = dir.command(std::env::current_exe().unwrap());
    command.args(["--exact", "process::a_panic_is_logged_by_its_place_alone", "--nocapture"]).env(CHILD, "1");
    let ran = common::run(&mut command, "");
    assert_ne!(ran.code(), 0);
    let log = std::fs::read_to_string(dir.log()).unwrap();
    assert!(log.contains("panicked at tests/leaks/process.rs"), "{log}");
    assert!(!format!("{log}{}{}", ran.stdout, ran.stderr).contains("planted"), "{ran:?}");
}

fn kill(pid: u32, signal: i32) {
    // SAFETY: kill takes two numbers; the process is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(i32::try_from(pid).unwrap(), signal) }, 0);
}
