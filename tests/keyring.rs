//! The keyring store on a real gnome-keyring: used, locked, hanging, gone, tampered with, and moved away from.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;
#[path = "common/keyring.rs"]
mod keyring;
#[path = "common/store_suite.rs"]
mod store_suite;

use std::time::Duration;

use common::{Child, Ran, Sandbox, TestDir, approve, arrive, eventually, run};
use convocations::config::{StoreBackend, StoreConfig};
use convocations::store::Store;
use keyring::Keyring;
use serde_json::Value;

const KEY: &str = "sk-or-v1-planted-0123456789";

fn dir(backend: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write_config(&config(backend));
    dir
}

fn config(backend: &str) -> String {
    format!("[store]\nbackend = \"{backend}\"\nkeyring_timeout = 2\n[callback]\nport = 0\n")
}

fn cli(dir: &TestDir, keyring: &Keyring, args: &str, input: &str) -> Ran {
    run(dir.convocations(args.split_whitespace()).envs(keyring.environment()), input)
}

fn set(dir: &TestDir, keyring: &Keyring, login: &str) -> Ran {
    cli(dir, keyring, &format!("secret set {login}"), &format!("{KEY}\n"))
}

fn index(dir: &TestDir) -> String {
    std::fs::read_to_string(dir.config().join("credentials.toml")).unwrap()
}

#[track_caller]
fn is_store_trouble(ran: &Ran, words: &str) {
    assert_eq!(ran.code(), 6, "{ran:?}");
    assert!(ran.stdout.is_empty() && ran.stderr.contains(words), "{ran:?}");
}

#[test]
fn auto_keeps_a_login_in_the_keyring_and_nowhere_else() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let keyring = Keyring::unlocked(&dir);
    let stored = set(&dir, &keyring, "openrouter");
    assert!(stored.code() == 0 && stored.stderr.contains("(keyring)"), "{stored:?}");
    assert!(
        index(&dir).contains("backend = \"keyring\"\naccount = \"convocations-openrouter\""),
        "{}",
        index(&dir)
    );
    assert!(!dir.config().join("secret.key").exists());
    let (code, secret) = keyring.secret_tool(&dir, "lookup", "openrouter");
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<Value>(&secret).unwrap()["access_token"], KEY);
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY);
    assert!(dir.files_with(&[KEY.to_owned()]).is_empty(), "in clear text nowhere");
    let status: Value = serde_json::from_str(&cli(&dir, &keyring, "status --json", "").stdout).unwrap();
    assert_eq!(
        (&status["store"]["backend"], &status["logins"][0]["store"]),
        (&"keyring".into(), &"keyring".into())
    );
    assert_eq!(cli(&dir, &keyring, "logout openrouter", "").code(), 0);
    assert_eq!(keyring.secret_tool(&dir, "lookup", "openrouter").0, 1, "nothing is left");
}

#[test]
fn a_login_refreshes_in_the_keyring() {
    if !Keyring::is_here() {
        return;
    }
    let sandbox = Sandbox::start();
    let dir = TestDir::new();
    dir.write_config(&format!("{}\n{}", sandbox.config_toml(), config("keyring")));
    std::fs::write(
        dir.config().join("credentials.toml"),
        "version = 1\nconfirmed_notices = [\"anthropic/subscription\"]\n",
    )
    .unwrap();
    let keyring = Keyring::unlocked(&dir);
    let mut command = dir.convocations(["login", "anthropic", "--method", "subscription"]);
    let child = Child::spawn(command.env("BROWSER", "true").envs(keyring.environment()));
    let url = eventually("the address", || {
        child.stderr().lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned)
    });
    arrive(&approve(&url));
    let ran = child.finish(Duration::from_secs(30));
    assert!(ran.code() == 0 && ran.stderr.contains("(keyring)"), "{ran:?}");
    let first = cli(&dir, &keyring, "token anthropic", "").stdout;
    let second = cli(&dir, &keyring, "token anthropic --rejected", &first).stdout;
    assert_ne!(first, second);
    let stored: Value = serde_json::from_str(&keyring.secret_tool(&dir, "lookup", "anthropic").1).unwrap();
    assert_eq!(stored["access_token"].as_str(), Some(second.trim()));
}

#[test]
fn a_locked_keyring_is_neither_empty_nor_waited_for() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let mut keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    let before = index(&dir);
    keyring.stop();
    keyring.start(&dir, false);
    is_store_trouble(&cli(&dir, &keyring, "token openrouter", ""), "locked");
    assert_eq!(index(&dir), before, "nothing was written over it");
    let doctor = cli(&dir, &keyring, "doctor", "");
    assert!(doctor.stdout.contains("locked") && doctor.code() == 6, "{doctor:?}");
    dir.write_config(&config("local-encrypted"));
    assert_eq!(set(&dir, &keyring, "anthropic").code(), 0);
    assert_eq!(cli(&dir, &keyring, "token anthropic", "").stdout.trim(), KEY, "other logins work");
    keyring.stop();
    keyring.start(&dir, true);
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY, "it was there all the time");
}

#[test]
fn without_a_keyring_auto_says_so_and_uses_the_file() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let mut keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    keyring.stop();
    is_store_trouble(&cli(&dir, &keyring, "token openrouter", ""), "no keyring");
    let fallen = set(&dir, &keyring, "anthropic");
    assert!(
        fallen.code() == 0
            && fallen.stderr.contains("no keyring")
            && fallen.stderr.contains("local-encrypted")
    );
    assert_eq!(cli(&dir, &keyring, "token anthropic", "").stdout.trim(), KEY);
    let no_bus = run(&mut dir.convocations(["token", "openrouter"]), "");
    is_store_trouble(&no_bus, "no keyring");
    dir.write_config(&config("keyring"));
    is_store_trouble(&set(&dir, &keyring, "mistral"), "no keyring");
    assert!(!index(&dir).contains("mistral"));
    let out = cli(&dir, &keyring, "logout openrouter", "");
    assert!(
        out.code() == 0 && out.stderr.contains("item is still there"),
        "it goes, and what is left is told: {out:?}"
    );
}

#[test]
fn a_keyring_that_hangs_costs_its_time_limit_and_no_more() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    keyring.freeze(true);
    let hung = cli(&dir, &keyring, "token openrouter", "");
    is_store_trouble(&hung, "does not answer");
    assert!(hung.took < Duration::from_secs(5), "{:?}", hung.took);
    keyring.freeze(false);
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY);
}

#[test]
fn an_item_removed_behind_our_back_is_named() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    assert_eq!(keyring.secret_tool(&dir, "clear", "openrouter").0, 0);
    is_store_trouble(&cli(&dir, &keyring, "token openrouter", ""), "no longer has");
    assert_eq!(set(&dir, &keyring, "openrouter").code(), 0, "a new login mends it");
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY);
}

#[test]
fn a_login_that_moves_leaves_nothing_behind() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("keyring");
    let keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    dir.write_config(&config("local-encrypted"));
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY, "it is read where it is");
    set(&dir, &keyring, "openrouter");
    assert!(index(&dir).contains("local-encrypted"));
    assert_eq!(keyring.secret_tool(&dir, "lookup", "openrouter").0, 1, "gone from the keyring");
    dir.write_config(&config("keyring"));
    set(&dir, &keyring, "openrouter");
    assert!(!index(&dir).contains("ciphertext"), "gone from the file: {}", index(&dir));
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").stdout.trim(), KEY);
}

/// The bus is found by an environment variable, which belongs to a whole process: this very test, called again.
#[test]
fn the_keyring_passes_the_suite() {
    const CHILD: &str = "KEYRING_TEST_SUITE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let dir = TestDir::new();
        let config = StoreConfig { backend: StoreBackend::Keyring, ..StoreConfig::default() };
        return store_suite::run(&Store::new(&dir.paths(), &config), &dir);
    }
    if !Keyring::is_here() {
        return;
    }
    let dir = TestDir::new();
    let keyring = Keyring::unlocked(&dir);
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "the_keyring_passes_the_suite"]).env(CHILD, "1").envs(keyring.environment());
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
