//! A vault that asks a person: time for it, a word about it, and a way out that leaves nothing running.

use std::time::Duration;

use serde_json::json;

use crate::backend::Backend;
use crate::common::{Child, eventually};
use crate::vault::{Vault, fails};

pub const NO_ARGS: [&str; 0] = [];
/// Waits for ever, and so does a child of its own; both say who they are.
pub const WAITS: &str = "sleep 600 & echo $! > \"$D/child\"; echo $$ > \"$D/self\"; touch \"$D/waits\"; wait";

/// Waits until the vault waits, and returns its processes.
pub fn waiting(vault: &Vault) -> Vec<u32> {
    let at = |name: &str| vault.dir.path().join(name);
    eventually("the vault to wait", || at("waits").exists().then_some(()));
    ["self", "child"].map(|name| std::fs::read_to_string(at(name)).unwrap().trim().parse().unwrap()).to_vec()
}

pub fn are_gone(processes: &[u32]) {
    eventually("the vault's processes to end", || {
        let runs = |id: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // One that nobody has waited for yet is a zombie.
            !stat.is_empty() && !stat.contains(") Z ")
        };
        (!processes.iter().any(runs)).then_some(())
    });
}

fn signal(name: &str, process: u32) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn at_its_time_limit_all_of_it_ends() {
    let vault = Vault::new(WAITS, "timeout = 1");
    let ran = vault.cli("token openai");
    fails(&ran, 5, "`vault` did not end within 1 s");
    are_gone(&waiting(&vault));
}

/// One that does not want to end is ended all the same, with a child of its own.
#[test]
fn one_that_ignores_the_request_to_end_is_ended() {
    let stubborn = format!("trap '' TERM INT HUP; {WAITS}; wait; wait");
    let vault = Vault::new(&stubborn, "timeout = 1");
    fails(&vault.cli("token openai"), 5, "`vault` did not end within 1 s");
    are_gone(&waiting(&vault));
    let vault = Vault::new(&stubborn, "timeout = 600");
    let child = Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    let processes = waiting(&vault);
    signal("INT", child.id());
    assert_eq!(child.finish(Duration::from_secs(20)).code(), 130);
    are_gone(&processes);
}

#[test]
fn ctrl_c_ends_it() {
    for name in ["INT", "TERM", "HUP"] {
        let vault = Vault::new(WAITS, "timeout = 600");
        let child = Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
        let processes = waiting(&vault);
        signal(name, child.id());
        let ran = child.finish(Duration::from_secs(10));
        assert_eq!((ran.code(), ran.stdout.as_str()), (130, ""), "{name}: {ran:?}");
        are_gone(&processes);
    }
}

#[test]
fn it_ends_with_whoever_asked_even_if_that_was_killed() {
    let vault = Vault::new(WAITS, "timeout = 600");
    let mut child = Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    let processes = waiting(&vault);
    child.kill();
    if cfg!(target_os = "linux") {
        are_gone(&processes[..1]);
    }
    signal("KILL", processes[1]);
}

#[test]
fn an_editor_is_told_and_can_cancel() {
    let vault = Vault::new(WAITS, "timeout = 600");
    let mut backend = Backend::start(&mut vault.dir.convocations(NO_ARGS), json!({}));
    let get = backend.send("get", json!({"login": "openai"}));
    let told = backend.event("waiting", |data| data["done"] == false);
    assert_eq!(told, json!({"login": "openai", "program": "vault", "seconds": 600, "done": false}));
    let processes = waiting(&vault);
    let status = backend.ok("status", json!({}));
    assert_eq!(status["logins"][0]["state"], "refreshing", "other calls are answered meanwhile");
    backend.ok("command.cancel", json!({}));
    assert_eq!(backend.reply(get).unwrap_err()["code"], "cancelled");
    backend.event("waiting", |data| data["done"] == true);
    are_gone(&processes);
    backend.fails("get", json!({"login": "openai"}), "cancelled");
    assert_eq!(vault.runs(), 1, "not at once again");
}

#[test]
fn a_slow_vault_holds_up_no_other_login() {
    let vault = Vault::new(WAITS, "timeout = 600");
    let mut backend =
        Backend::start(vault.dir.convocations(NO_ARGS).env("MISTRAL_API_KEY", "key-of-another"), json!({}));
    backend.send("get", json!({"login": "openai"}));
    waiting(&vault);
    assert_eq!(backend.ok("get", json!({"login": "mistral"}))["token"], "key-of-another");
}

#[test]
fn an_editor_that_closes_leaves_nothing_running() {
    let vault = Vault::new(WAITS, "timeout = 600");
    let mut backend = Backend::start(&mut vault.dir.convocations(NO_ARGS), json!({}));
    backend.send("get", json!({"login": "openai"}));
    let processes = waiting(&vault);
    assert!(backend.close().success());
    are_gone(&processes);
}

#[test]
fn without_a_terminal_it_has_neither_input_nor_terminal() {
    let body = "[ -z \"$(cat)\" ] && ! ( : < /dev/tty ) 2>/dev/null && echo nothing-to-ask-by";
    assert_eq!(Vault::new(body, "").token(), "nothing-to-ask-by");
}

#[test]
fn a_daemon_that_it_leaves_behind_is_not_waited_for() {
    let vault = Vault::new("sleep 30 & echo $! > \"$D/child\"; echo answer", "");
    let ran = vault.cli("token openai").ok();
    assert_eq!(ran.stdout.trim(), "answer");
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
    let daemon: u32 =
        std::fs::read_to_string(vault.dir.path().join("child")).unwrap().trim().parse().unwrap();
    signal("KILL", daemon);
}
