//! Many processes on one login: one refresh, no failure, one token for all, whoever is killed meanwhile.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/backend.rs"]
mod backend;
mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use backend::Backend;
use common::{Child, Ran, Sandbox, TestDir, approve, arrive, eventually, fault, run};
use serde_json::{Value, json};

const ROUTE: &str = "anthropic.token";
const NO_ARGS: [&str; 0] = [];
/// The provider's own time for one refresh, in milliseconds.
const DELAY: u64 = 300;

/// A stored login to the pretend Anthropic whose token has ended by this machine's clock.
fn expired(sandbox: &Sandbox) -> TestDir {
    let dir = TestDir::new();
    let store = "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n";
    dir.write_config(&format!("{}\n{store}", sandbox.config_toml()));
    let index = "version = 1\nconfirmed_notices = [\"anthropic/subscription\"]\n";
    std::fs::write(dir.config().join("credentials.toml"), index).unwrap();
    sandbox.lifetime(1);
    let mut command = dir.convocations(["login", "anthropic", "--method", "subscription"]);
    let child = Child::spawn(command.env("BROWSER", "true"));
    let url = eventually("the address", || {
        child.stderr().lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned)
    });
    arrive(&approve(&url));
    child.finish(Duration::from_secs(30)).ok();
    sandbox.lifetime(28_800);
    let ended = || {
        let status = run(&mut dir.convocations(["status", "--json"]), "").stdout;
        let end =
            serde_json::from_str::<Value>(&status).unwrap()["logins"][0]["expires_at"].as_i64().unwrap();
        let now = convocations::clock::Clock::System.now();
        (now >= end).then_some(())
    };
    eventually("the token's end", ended);
    dir
}

fn token(dir: &TestDir) -> Child {
    Child::spawn(&mut dir.convocations(["token", "anthropic"]))
}

/// Starts `count` processes at once and waits for all of them.
fn storm(dir: &TestDir, count: usize) -> Vec<Ran> {
    let children: Vec<Child> = (0..count).map(|_| token(dir)).collect();
    children.into_iter().map(|child| child.finish(Duration::from_secs(60))).collect()
}

#[track_caller]
fn all_got_one_token(ran: &[Ran]) -> String {
    for one in ran {
        assert_eq!(one.code(), 0, "{one:?}");
    }
    let tokens: BTreeSet<&str> = ran.iter().map(|one| one.stdout.trim()).collect();
    assert_eq!(tokens.len(), 1, "one token for all");
    tokens.into_iter().next().unwrap().to_owned()
}

#[test]
fn however_many_ask_one_refreshes() {
    for count in [2, 20, 64] {
        for reuse in ["refuse", "revoke-family"] {
            let sandbox = Sandbox::start();
            sandbox.switch(json!({"anthropic": {"tokens": {"reuse": reuse}}}));
            let dir = expired(&sandbox);
            sandbox.fault_refresh(ROUTE, 1, fault::delay(DELAY));
            let ran = storm(&dir, count);
            let token = all_got_one_token(&ran);
            assert_eq!(sandbox.refreshes(ROUTE), 1, "{count} processes, {reuse}");
            assert_eq!(
                run(&mut dir.convocations(["token", "anthropic"]), "").stdout.trim(),
                token,
                "and it is kept"
            );
        }
    }
}

#[test]
fn a_first_answer_of_503_is_nobodys_failure() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.fault_refresh(ROUTE, 1, fault::status(503));
    all_got_one_token(&storm(&dir, 20));
    assert_eq!(sandbox.refreshes(ROUTE), 2, "the 503 and one more");
}

#[test]
fn a_refresh_refused_is_sent_once_and_known_to_all() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.revoke_all("anthropic");
    for one in storm(&dir, 20) {
        assert_eq!(one.code(), 3, "{one:?}");
    }
    assert_eq!(sandbox.refreshes(ROUTE), 1);
    let mut with_key = dir.convocations(["token", "anthropic"]);
    let ran = run(with_key.env("ANTHROPIC_API_KEY", "sk-ant-api03-from-the-environment"), "");
    assert_eq!(ran.stdout.trim(), "sk-ant-api03-from-the-environment");
    assert!(ran.stderr.contains("`ANTHROPIC_API_KEY` of the environment is used instead"), "{ran:?}");
    assert_eq!(sandbox.refreshes(ROUTE), 1, "nobody sends it again");
}

#[test]
fn a_passing_failure_never_switches_to_the_key() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.fault_refresh(ROUTE, 2, fault::status(500));
    let mut with_key = dir.convocations(["token", "anthropic"]);
    let ran = run(with_key.env("ANTHROPIC_API_KEY", "sk-ant-api03-from-the-environment"), "");
    assert_eq!((ran.code(), ran.stdout.as_str()), (5, ""), "{ran:?}");
    all_got_one_token(&[run(&mut dir.convocations(["token", "anthropic"]), "")]);
}

#[test]
fn backends_and_commands_share_one_refresh() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    let mut backends: Vec<Backend> =
        (0..5).map(|_| Backend::start(&mut dir.convocations(NO_ARGS), json!({}))).collect();
    sandbox.fault_refresh(ROUTE, 1, fault::delay(DELAY));
    let asked: Vec<u64> =
        backends.iter_mut().map(|backend| backend.send("get", json!({"login": "anthropic"}))).collect();
    let token = all_got_one_token(&storm(&dir, 10));
    for (backend, id) in backends.iter_mut().zip(asked) {
        assert_eq!(backend.reply(id).unwrap()["token"], token.as_str());
    }
    assert_eq!(sandbox.refreshes(ROUTE), 1);
}

#[test]
fn killed_before_the_provider_heard_the_next_takes_over_at_once() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.fault_refresh(ROUTE, 1, fault::hold("before"));
    let mut first = token(&dir);
    sandbox.wait_for_hold("before");
    let waiting = token(&dir);
    first.kill();
    let begun = Instant::now();
    all_got_one_token(&[waiting.finish(Duration::from_secs(20))]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn killed_before_the_answer_came_is_told_honestly_and_harms_no_other_login() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    let set = run(&mut dir.convocations(["secret", "set-openrouter-key"]), "sk-or-v1-0123456789abcdef\n");
    assert_eq!(set.code(), 0);
    sandbox.fault_refresh(ROUTE, 1, fault::hold_reply("after"));
    let mut first = token(&dir);
    sandbox.wait_for_hold("after");
    first.kill();
    let next = token(&dir).finish(Duration::from_secs(20));
    // The provider has rotated and nobody has the new token: that cannot be helped, but it is said at once.
    assert_eq!(next.code(), 3, "{next:?}");
    assert!(next.took < Duration::from_secs(3), "{:?}", next.took);
    assert_eq!(run(&mut dir.convocations(["token", "openrouter"]), "").code(), 0);
}

fn signal(name: &str, process: u32) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_signal_cuts_no_refresh_off() {
    for name in ["INT", "TERM", "HUP"] {
        let sandbox = Sandbox::start();
        let dir = expired(&sandbox);
        sandbox.fault_refresh(ROUTE, 1, fault::hold_reply("answer"));
        let first = token(&dir);
        sandbox.wait_for_hold("answer");
        signal(name, first.id());
        eventually("a word about the wait", || {
            first.stderr().contains("Waiting for the provider's answer to a refresh under way").then_some(())
        });
        let waiting = token(&dir);
        sandbox.release("answer");
        let first = first.finish(Duration::from_secs(20));
        assert_eq!((first.code(), first.stdout.as_str()), (130, ""), "{name}: {first:?}");
        all_got_one_token(&[waiting.finish(Duration::from_secs(20))]);
        assert_eq!(sandbox.refreshes(ROUTE), 1, "{name}");
    }
}

#[test]
fn a_signal_cuts_no_backends_refresh_off() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    let mut backend = Backend::start(&mut dir.convocations(NO_ARGS), json!({}));
    sandbox.fault_refresh(ROUTE, 1, fault::hold_reply("answer"));
    backend.send("get", json!({"login": "anthropic"}));
    sandbox.wait_for_hold("answer");
    signal("TERM", backend.id());
    sandbox.release("answer");
    let ended = backend.wait_for_end(Duration::from_secs(20)).unwrap();
    assert!(ended.success(), "{ended:?}");
    all_got_one_token(&[token(&dir).finish(Duration::from_secs(20))]);
    assert_eq!(sandbox.refreshes(ROUTE), 1);
}

#[test]
fn a_logout_during_a_refresh_stays_a_logout() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.fault_refresh(ROUTE, 1, fault::delay(DELAY));
    let refreshing = token(&dir);
    sandbox.wait_for_calls(ROUTE, 2);
    let out = run(&mut dir.convocations(["logout", "anthropic"]), "");
    assert_eq!(out.code(), 0, "{out:?}");
    refreshing.finish(Duration::from_secs(20));
    assert_eq!(run(&mut dir.convocations(["token", "anthropic"]), "").code(), 3);
    assert!(
        !std::fs::read_to_string(dir.config().join("credentials.toml"))
            .unwrap()
            .contains("[logins.anthropic]")
    );
}

#[test]
fn an_old_memory_gets_the_newer_token() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    let mut backend = Backend::start(&mut dir.convocations(NO_ARGS), json!({}));
    let old = backend.ok("get", json!({"login": "anthropic"}))["token"].clone();
    let newer =
        run(&mut dir.convocations(["token", "anthropic", "--rejected"]), old.as_str().unwrap()).stdout;
    let pushed = backend.event("credential", |data| data["token"] != old);
    assert_eq!(pushed["token"], newer.trim());
    let asked = backend.ok("invalidate", json!({"login": "anthropic", "token": old}));
    assert_eq!(asked["token"], newer.trim());
    assert_eq!(sandbox.refreshes(ROUTE), 2);
}

#[test]
fn a_short_lived_token_is_not_refreshed_at_each_use() {
    let sandbox = Sandbox::start();
    let dir = expired(&sandbox);
    sandbox.lifetime(120);
    let first = run(&mut dir.convocations(["token", "anthropic"]), "").stdout;
    for _ in 0..3 {
        assert_eq!(run(&mut dir.convocations(["token", "anthropic"]), "").stdout, first);
    }
    assert_eq!(
        sandbox.refreshes(ROUTE),
        1,
        "half of its life counts, where the margin is longer than all of it"
    );
}
