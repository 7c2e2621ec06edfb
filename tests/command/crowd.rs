//! Many at once: one run at a time for a login, whoever asks, in however many processes.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use crate::backend::Backend;
use crate::common::{Child, Ran};
use crate::vault::Vault;

const NO_ARGS: [&str; 0] = [];
/// Takes its time, and prints another token at each run.
const SLOW: &str = "sleep 0.05; echo answer-$$";

fn storm(vault: &Vault, count: usize) -> Vec<Ran> {
    let start = || Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    let children: Vec<Child> = (0..count).map(|_| start()).collect();
    children.into_iter().map(|child| child.finish(Duration::from_secs(120))).collect()
}

#[test]
fn sixty_four_share_one_run_where_the_store_keeps_the_answer() {
    let vault = Vault::new(SLOW, "cache = \"store\"");
    let tokens: BTreeSet<String> = storm(&vault, 64).into_iter().map(|ran| ran.ok().stdout).collect();
    assert_eq!((tokens.len(), vault.runs(), vault.overlaps()), (1, 1, 0));
}

#[test]
fn sixty_four_never_run_two_at_the_same_time_where_memory_does() {
    let vault = Vault::new(SLOW, "cache = \"memory\"");
    let ran = storm(&vault, 64);
    assert!(ran.into_iter().all(|ran| !ran.ok().stdout.is_empty()));
    assert_eq!((vault.runs(), vault.overlaps()), (64, 0));
}

#[test]
fn one_editor_runs_it_once() {
    let vault = Vault::new(SLOW, "");
    let mut backend = Backend::start(&mut vault.dir.convocations(NO_ARGS), json!({}));
    let asked: Vec<u64> = (0..64).map(|_| backend.send("get", json!({"login": "openai"}))).collect();
    let tokens: BTreeSet<String> =
        asked.into_iter().map(|id| backend.reply(id).unwrap()["token"].to_string()).collect();
    assert_eq!((tokens.len(), vault.runs()), (1, 1));
    backend.ok("get", json!({"login": "openai"}));
    assert_eq!(vault.runs(), 1, "and has it in memory");
}

#[test]
fn editors_and_terminals_share_what_the_store_keeps() {
    let vault = Vault::new(SLOW, "cache = \"store\"");
    let mut backends: Vec<Backend> =
        (0..3).map(|_| Backend::start(&mut vault.dir.convocations(NO_ARGS), json!({}))).collect();
    let asked: Vec<u64> =
        backends.iter_mut().map(|backend| backend.send("get", json!({"login": "openai"}))).collect();
    let tokens: BTreeSet<String> = storm(&vault, 8).into_iter().map(|ran| ran.ok().stdout).collect();
    assert_eq!((tokens.len(), vault.runs()), (1, 1));
    for (backend, id) in backends.iter_mut().zip(asked) {
        assert_eq!(backend.reply(id).unwrap()["token"], tokens.first().unwrap().trim());
    }
}

#[test]
fn those_who_waited_behind_a_failure_share_it() {
    let vault = Vault::new("touch \"$D/first\"; sleep 1; exit 5", "cache = \"store\"");
    let start = || Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    let first = start();
    crate::common::eventually("the first run", || vault.dir.path().join("first").exists().then_some(()));
    let waiting: Vec<Child> = (0..5).map(|_| start()).collect();
    for child in std::iter::once(first).chain(waiting) {
        let ran = child.finish(Duration::from_secs(60));
        assert_eq!(ran.code(), 6, "{ran:?}");
        assert!(ran.stderr.contains("ended with exit status 5"), "{ran:?}");
    }
    // Those that had begun to wait when it failed; a machine under load starts one of them late.
    assert!(vault.runs() <= 2, "{} people were asked for a finger", vault.runs());
}

#[test]
fn a_holder_that_is_killed_holds_up_nobody() {
    let vault = Vault::new("touch \"$D/first\"; sleep 600", "cache = \"store\"\ntimeout = 600");
    let mut first = Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    crate::common::eventually("the first run", || vault.dir.path().join("first").exists().then_some(()));
    let waiting = Child::spawn(&mut vault.dir.convocations(["token", "openai"]));
    std::fs::remove_dir(vault.dir.path().join("busy")).unwrap();
    vault.says("echo taken-over");
    first.kill();
    assert_eq!(waiting.finish(Duration::from_secs(20)).ok().stdout.trim(), "taken-over");
}
