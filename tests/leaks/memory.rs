//! What stays in a backend's memory of secrets that have served: of a login that was refreshed, only what
//! holds now.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common;
use crate::search::secrets;
use crate::ways::{self, WAYS, Way};

/// Bytes that are given back at once, at least.
const PAGE: usize = 4096;

/// Longest wait for a connection that nothing is asked of to be closed, and its memory with it.
const LIMIT: Duration = Duration::from_secs(20);

/// Everything that a process has written in its memory, but what belongs to its files.
///
/// # Errors
/// If this test may not look: the program lets nobody but root.
fn memory(pid: u32) -> std::io::Result<String> {
    let file = File::open(format!("/proc/{pid}/mem"))?;
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let mut all = String::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let number = |text| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (number(start), number(end));
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // Page by page: a part that is given back meanwhile holds nothing, and must not hide the rest.
        for (page, at) in bytes.chunks_mut(PAGE).zip((start..).step_by(PAGE)) {
            let _ = file.read_exact_at(page, at);
        }
        all.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(all)
}

/// How often each of them stands there, without those that do not.
fn found(memory: &str, secrets: &BTreeSet<String>) -> Vec<String> {
    let times = secrets.iter().map(|secret| (secret, memory.matches(secret.as_str()).count()));
    times.filter(|(_, times)| *times > 0).map(|(secret, times)| format!("{secret} {times}×")).collect()
}

/// Logs in and refreshes; false if this test may not look into memory.
fn forgets_what_is_spent(way: Way) -> bool {
    let sandbox = ways::sandbox();
    let dir = ways::home(&sandbox);
    let mut backend = ways::backend(&dir);
    ways::log_in(&mut backend, way);
    let held = backend.ok("get", json!({ "login": way.login }));
    let spent = secrets(&sandbox);
    assert!(spent.contains(held["token"].as_str().unwrap()), "{way:?}");
    let new = backend.ok("invalidate", json!({ "login": way.login, "token": held["token"] }));
    assert_ne!(new["token"], held["token"], "{way:?}");
    let in_use = |memory: &str| memory.contains(new["token"].as_str().unwrap());
    match memory(backend.id()) {
        Ok(memory) => assert!(in_use(&memory), "{way:?}: what is in use is found"),
        Err(_) => return false,
    }
    let mut left = Vec::new();
    let gone = common::process::wait_for(LIMIT, || {
        left = found(&memory(backend.id()).unwrap(), &spent);
        left.is_empty().then_some(())
    });
    assert!(gone.is_some(), "{way:?}: of {} secrets that are spent: {left:#?}", spent.len());
    let end = backend.ok("logout", json!({ "login": way.login }));
    assert_eq!(end["login"], Value::from(way.login));
    true
}

/// The ways whose refresh makes everything before it worthless: GitHub's token, of which Copilot's are made,
/// is not spent.
#[test]
fn what_is_spent_is_gone_from_memory() {
    let is_spent = |way: &&Way| way.refresh.is_some_and(|route| !route.starts_with("github."));
    for way in WAYS.iter().filter(is_spent) {
        if !forgets_what_is_spent(*way) {
            eprintln!("skipped: only root may look into the program's memory");
            return;
        }
    }
}
