//! The keyring store on a real gnome-keyring: used, locked, hanging, gone, tampered with, and moved away
//! from.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "common/backend.rs"]
mod backend;
mod common;
#[path = "common/keyring.rs"]
mod keyring;
#[path = "common/slow_bus.rs"]
mod slow_bus;
#[path = "common/store_suite.rs"]
mod store_suite;

use serde_json::json;
use std::io::{ErrorKind, Read as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use backend::Backend;
use common::{Child, Ran, Sandbox, TestDir, approve, arrive, eventually, run};
use convocations::config::{StoreBackend, StoreConfig};
use convocations::store::Store;
use keyring::Keyring;
use serde_json::Value;
use slow_bus::SlowBus;

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
        index(&dir).contains(&format!(
            "backend = \"keyring\"\naccount = \"{}\"",
            keyring::account(&dir, "openrouter")
        )),
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
    let keyring = Keyring::unlocked(&dir);
    log_in(&dir, &keyring);
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
    let shown: serde_json::Value =
        serde_json::from_str(&cli(&dir, &keyring, "status --json", "").stdout).unwrap();
    let login = &shown["logins"][0];
    assert_eq!((&login["state"], &login["error"]["code"]), (&json!("error"), &json!("keyring_locked")));
    assert_eq!(login.get("source"), None, "nothing would be answered");
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

/// The bus is found by an environment variable, which belongs to a whole process: this very test, called
/// again.
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

/// What the version before this one stored, by its own program (commit 007dc8e): two logins in the keyring.
fn stored_before_ids(dir: &TestDir, keyring: &Keyring) {
    let fixture =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store_before_ids/keyring");
    let index = dir.paths().index_file();
    std::fs::copy(fixture.join("credentials.toml"), &index).unwrap();
    std::fs::set_permissions(index, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for login in ["openrouter", "anthropic"] {
        let secret = std::fs::read_to_string(fixture.join(format!("{login}.json"))).unwrap();
        set_item(dir, keyring, &format!("convocations-{login}"), &secret);
    }
}

fn set_item(dir: &TestDir, keyring: &Keyring, account: &str, secret: &str) {
    let mut command = dir.command("secret-tool");
    command.args(["store", "--label", account, "service", "com.convocations.app", "username", account]);
    command.args(["target", "default", "application", "rust-keyring"]);
    assert_eq!(run(command.envs(keyring.environment()), secret).code(), 0);
}

fn item(dir: &TestDir, keyring: &Keyring, account: &str) -> Option<String> {
    let mut command = dir.command("secret-tool");
    command.args(["lookup", "service", "com.convocations.app", "username", account]);
    let ran = run(command.envs(keyring.environment()), "");
    (ran.code() == 0).then_some(ran.stdout)
}

#[test]
fn a_store_of_the_version_before_is_read_and_moves_at_its_next_write() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("keyring");
    let keyring = Keyring::unlocked(&dir);
    stored_before_ids(&dir, &keyring);
    let fixture_key = "sk-or-v1-fixture-0123456789";
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").ok().stdout.trim(), fixture_key);
    assert_eq!(set(&dir, &keyring, "openrouter").code(), 0);
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").ok().stdout.trim(), KEY);
    assert_eq!(item(&dir, &keyring, "convocations-openrouter"), None, "it has moved");
    let secret: Value = serde_json::from_str(&keyring.secret_tool(&dir, "lookup", "openrouter").1).unwrap();
    assert_eq!((&secret["login"], secret["store"].as_str().unwrap().len()), (&"openrouter".into(), 32));
    assert!(item(&dir, &keyring, "convocations-anthropic").is_some(), "nobody has written that one");
    assert_eq!(cli(&dir, &keyring, "logout anthropic", "").code(), 0);
    assert_eq!(item(&dir, &keyring, "convocations-anthropic"), None);
    assert!(!index(&dir).contains("anthropic]"), "{}", index(&dir));
}

/// Before stores had ids two folders wrote one item: whose it is shows in what the index knows of it, as far
/// as it can.
#[test]
fn an_item_that_another_folder_wrote_before_ids_is_neither_used_nor_removed() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("keyring");
    let keyring = Keyring::unlocked(&dir);
    stored_before_ids(&dir, &keyring);
    let old = item(&dir, &keyring, "convocations-anthropic").unwrap();
    let theirs =
        old.replace("ada@sandbox.test", "grace@sandbox.test").replace("\"expires_at\":1", "\"expires_at\":2");
    set_item(&dir, &keyring, "convocations-anthropic", &theirs);
    is_store_trouble(&cli(&dir, &keyring, "token anthropic", ""), "belongs to another login");
    assert_eq!(set(&dir, &keyring, "anthropic").code(), 0);
    assert_eq!(cli(&dir, &keyring, "token anthropic", "").ok().stdout.trim(), KEY);
    assert_eq!(item(&dir, &keyring, "convocations-anthropic"), Some(theirs), "it is still theirs");
}

/// Rule 20: an entry names no other item than its login's of its store, and an item opens for no other.
#[test]
fn an_entry_that_names_anothers_item_gets_nothing_and_harms_nothing() {
    if !Keyring::is_here() {
        return;
    }
    let (theirs, ours) = (dir("keyring"), dir("keyring"));
    let keyring = Keyring::unlocked(&theirs);
    assert_eq!(set(&theirs, &keyring, "openrouter").code(), 0);
    assert_eq!(set(&ours, &keyring, "anthropic").code(), 0);
    let (own, their_account) = (index(&ours), keyring::account(&theirs, "openrouter"));
    let entry = index(&theirs);
    let entry = &entry[entry.find("[logins.openrouter]").unwrap()..entry.find("# whole").unwrap()];
    let as_anthropic = own.replace(&keyring::account(&ours, "anthropic"), &their_account);
    for (login, copied) in [("openrouter", format!("{own}{entry}")), ("anthropic", as_anthropic)] {
        std::fs::write(ours.paths().index_file(), copied).unwrap();
        let token = cli(&ours, &keyring, &format!("token {login}"), "");
        is_store_trouble(&token, &format!("`{login}` belongs to another login"));
        assert_eq!(cli(&ours, &keyring, &format!("logout {login}"), "").code(), 0);
        assert_eq!(cli(&theirs, &keyring, "token openrouter", "").ok().stdout.trim(), KEY);
    }
    // The item itself, under the name that this store's would have.
    assert_eq!(set(&ours, &keyring, "openrouter").code(), 0);
    let secret = item(&theirs, &keyring, &their_account).unwrap();
    set_item(&ours, &keyring, &keyring::account(&ours, "openrouter"), &secret);
    is_store_trouble(&cli(&ours, &keyring, "token openrouter", ""), "belongs to another login");
}

/// Two folders with a login of the same name on one keyring: tokens, refreshes and logouts never meet.
#[test]
fn two_folders_on_one_keyring_never_meet() {
    if !Keyring::is_here() {
        return;
    }
    let (one, other) = (TestDir::new(), TestDir::new());
    let keyring = Keyring::unlocked(&one);
    let (first, second) = (Sandbox::start(), Sandbox::start());
    for (dir, sandbox) in [(&one, &first), (&other, &second)] {
        dir.write_config(&format!("{}\n{}", sandbox.config_toml(), config("keyring")));
        log_in(dir, &keyring);
    }
    let token = |dir: &TestDir| cli(dir, &keyring, "token anthropic", "").ok().stdout;
    let tokens = [token(&one), token(&other)];
    assert_ne!(tokens[0], tokens[1]);
    let rejected = cli(&one, &keyring, "token anthropic --rejected", &tokens[0]).ok().stdout;
    assert_ne!(rejected, tokens[0]);
    assert_eq!(token(&other), tokens[1], "a refresh here is none there");
    let refreshes = |sandbox: &Sandbox| {
        let calls = sandbox.calls_of("anthropic.token");
        calls.iter().filter(|call| call["fields"]["grant_type"] == "refresh_token").count()
    };
    assert_eq!((refreshes(&first), refreshes(&second)), (1, 0));
    assert_eq!(cli(&other, &keyring, "logout anthropic", "").code(), 0);
    assert_eq!(token(&one), rejected, "a logout there is none here");
    assert_eq!(cli(&other, &keyring, "token anthropic", "").code(), 3);
}

/// A refresh token goes to the server that its login was made with, whatever the settings have come to name.
#[test]
fn a_changed_token_address_gets_no_refresh_token() {
    if !Keyring::is_here() {
        return;
    }
    let (dir, sandbox, elsewhere) = (TestDir::new(), Sandbox::start(), Sandbox::start());
    let keyring = Keyring::unlocked(&dir);
    let settings = format!("{}\n{}", sandbox.config_toml(), config("keyring"));
    dir.write_config(&settings);
    log_in(&dir, &keyring);
    let token = cli(&dir, &keyring, "token anthropic", "").ok().stdout;
    dir.write_config(&settings.replace(sandbox.url(), elsewhere.url()));
    let ran = cli(&dir, &keyring, "token anthropic --rejected", &token);
    assert!(ran.code() == 3 && ran.stderr.contains(sandbox.url()), "{ran:?}");
    assert!(ran.stderr.contains(elsewhere.url()) && ran.stderr.contains("Log in again"), "{ran:?}");
    assert_eq!(cli(&dir, &keyring, "token anthropic", "").ok().stdout, token, "what is good is still good");
    assert!(elsewhere.calls_of("anthropic.token").is_empty(), "nothing was sent");
    dir.write_config(&settings);
    assert_ne!(cli(&dir, &keyring, "token anthropic --rejected", &token).ok().stdout, token);
    dir.write_config(&settings.replace(sandbox.url(), elsewhere.url()));
    assert_eq!(cli(&dir, &keyring, "logout anthropic", "").code(), 0);
    assert!(elsewhere.calls_of("anthropic.revoke").is_empty(), "nor at the logout");
}

/// Logs in to the sandbox's Anthropic.
fn log_in(dir: &TestDir, keyring: &Keyring) {
    let notice = "version = 1\nconfirmed_notices = [\"anthropic/subscription\"]\n";
    std::fs::write(dir.config().join("credentials.toml"), notice).unwrap();
    let mut command = dir.convocations(["login", "anthropic", "--method", "subscription"]);
    let child = Child::spawn(command.env("BROWSER", "true").envs(keyring.environment()));
    let url = eventually("the address", || {
        child.stderr().lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned)
    });
    arrive(&approve(&url));
    let ran = child.finish(Duration::from_secs(30));
    assert!(ran.code() == 0 && ran.stderr.contains("(keyring)"), "{ran:?}");
}

/// A keyring whose writes are confirmed so late.
fn slow(dir: &TestDir, delay: u64) -> SlowBus {
    SlowBus::before(dir, dir.path().join("session-bus"), Duration::from_secs(delay))
}

fn set_slowly(dir: &TestDir, bus: &SlowBus, login: &str) -> Ran {
    let mut command = dir.convocations(["secret", "set", login]);
    run(command.envs(bus.environment()), &format!("{KEY}\n"))
}

/// The settings' limit is the limit: the client below has two seconds for each call, whatever they say.
#[test]
fn a_keyring_has_the_time_that_the_settings_give_it() {
    if !Keyring::is_here() {
        return;
    }
    let dir = TestDir::new();
    dir.write_config(&config("auto").replace("keyring_timeout = 2", "keyring_timeout = 20"));
    let keyring = Keyring::unlocked(&dir);
    let stored = set_slowly(&dir, &slow(&dir, 4), "openrouter");
    assert!(stored.code() == 0 && stored.stderr.contains("(keyring)"), "{stored:?}");
    assert!(!stored.stderr.contains("encrypted") && !index(&dir).contains("left"), "{stored:?}");
    assert_eq!(cli(&dir, &keyring, "token openrouter", "").ok().stdout.trim(), KEY);
}

/// What a keyring writes after its time is known to be there, and goes at the logout, or with the next write.
#[test]
fn a_write_that_timed_out_leaves_nothing_behind() {
    if !Keyring::is_here() {
        return;
    }
    for (backend, then) in
        [("auto", "logout openrouter"), ("auto", "secret set openrouter"), ("keyring", "secret set mistral")]
    {
        let dir = dir(backend);
        let keyring = Keyring::unlocked(&dir);
        let stored = set_slowly(&dir, &slow(&dir, 30), "openrouter");
        match backend {
            "auto" => {
                assert!(stored.code() == 0 && stored.stderr.contains("(local-encrypted)"), "{stored:?}")
            }
            _ => is_store_trouble(&stored, "does not answer"),
        }
        let account = keyring::account(&dir, "openrouter");
        let written = || item(&dir, &keyring, &account);
        assert!(written().is_some_and(|item| item.contains(KEY)), "carried out all the same");
        assert!(index(&dir).contains(&format!("left = [\"{account}\"]")), "{}", index(&dir));
        if then == "secret set openrouter" {
            dir.write_config(&config("local-encrypted"));
        }
        assert_eq!(cli(&dir, &keyring, then, &format!("{KEY}\n")).code(), 0);
        assert_eq!((written(), index(&dir).contains("left")), (None, false), "{then}: {}", index(&dir));
    }
}

/// A refresh tries a second time before it changes the place, and goes back when the keyring answers.
#[test]
fn a_login_that_fell_back_into_the_file_returns_to_the_keyring() {
    if !Keyring::is_here() {
        return;
    }
    let (dir, sandbox) = (TestDir::new(), Sandbox::start());
    let keyring = Keyring::unlocked(&dir);
    dir.write_config(&format!("{}\n{}", sandbox.config_toml(), config("auto")));
    log_in(&dir, &keyring);
    let first = cli(&dir, &keyring, "token anthropic", "").ok().stdout;
    let mut command = dir.convocations(["token", "anthropic", "--rejected"]);
    let second = run(command.envs(slow(&dir, 60).environment()), &first).ok();
    assert!(second.stderr.contains("`anthropic` is kept in the encrypted file."), "{second:?}");
    assert!(index(&dir).contains("fell_back = true"), "{}", index(&dir));
    assert_eq!(cli(&dir, &keyring, "token anthropic", "").ok().stdout, second.stdout, "the file is believed");
    let third = cli(&dir, &keyring, "token anthropic --rejected", &second.stdout).ok();
    assert!(third.stderr.is_empty() && third.stdout != second.stdout, "{third:?}");
    let secret: Value = serde_json::from_str(&keyring.secret_tool(&dir, "lookup", "anthropic").1).unwrap();
    assert_eq!(secret["access_token"].as_str(), Some(third.stdout.trim()));
    let index = index(&dir);
    assert!(["ciphertext", "fell_back", "left"].iter().all(|word| !index.contains(word)), "{index}");
    assert_eq!(cli(&dir, &keyring, "logout anthropic", "").code(), 0);
    assert_eq!(keyring.secret_tool(&dir, "lookup", "anthropic").0, 1, "nothing is left");
}

/// A keyring that cannot be asked at the logout is cleaned when it can.
#[test]
fn what_a_logout_could_not_remove_goes_with_the_next_write() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("keyring");
    let mut keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    let account = keyring::account(&dir, "openrouter");
    keyring.stop();
    keyring.start(&dir, false);
    let out = cli(&dir, &keyring, "logout openrouter", "");
    assert!(out.code() == 0 && out.stderr.contains("item is still there"), "{out:?}");
    assert!(index(&dir).contains(&account), "{}", index(&dir));
    keyring.stop();
    keyring.start(&dir, true);
    assert!(item(&dir, &keyring, &account).is_some());
    assert_eq!(set(&dir, &keyring, "mistral").code(), 0);
    assert_eq!((item(&dir, &keyring, &account), index(&dir).contains("left")), (None, false));
}

/// A keyring that hangs for some seconds is waited for by a logout: what it would leave could be used.
#[test]
fn a_logout_waits_for_a_keyring_that_comes_back() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("auto");
    let keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    let account = keyring::account(&dir, "openrouter");
    keyring.freeze(true);
    let child = Child::spawn(dir.convocations(["secret", "clear", "openrouter"]).envs(keyring.environment()));
    std::thread::sleep(Duration::from_secs(4));
    keyring.freeze(false);
    assert_eq!(child.finish(Duration::from_secs(20)).code(), 0);
    assert_eq!(item(&dir, &keyring, &account), None);
}

/// A listener in the place of a session bus, and a backend that finds it there.
fn behind(dir: &TestDir) -> (UnixListener, Backend) {
    let path = dir.path().join("another-bus");
    let listener = UnixListener::bind(&path).unwrap();
    let mut command = dir.convocations::<&str>([]);
    command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", path.display()));
    let backend = Backend::start(&mut command, json!({}));
    (listener, backend)
}

/// Nobody has connected to it that was not accepted.
fn is_alone(listener: &UnixListener) -> bool {
    listener.set_nonblocking(true).unwrap();
    listener.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

fn write_index(dir: &TestDir, text: &str) {
    let index = dir.paths().index_file();
    std::fs::write(&index, text).unwrap();
    std::fs::set_permissions(index, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

/// Rule 11: what a start says to a bus is a greeting, which it waits for in no case, and leaves when nobody
/// asks for a token.
#[test]
fn a_start_greets_the_bus_and_asks_the_keyring_nothing() {
    let dir = dir("keyring");
    write_index(
        &dir,
        "version = 1\nlast_revision = 1\n\n[logins.openrouter]\nbackend = \"keyring\"\naccount = \"x\"\n",
    );
    let (listener, mut backend) = behind(&dir);
    backend.ok("providers", json!({}));
    let (mut stream, _) = listener.accept().unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.starts_with("\0AUTH EXTERNAL ") && heard.contains("Hello"), "{heard:?}");
    assert!(!heard.contains("secrets"), "{heard:?}");
    backend.ok("providers", json!({}));
    assert!(is_alone(&listener));
}

#[test]
fn without_a_login_in_the_keyring_no_bus_is_greeted() {
    let dir = dir("local-encrypted");
    run(&mut dir.convocations(["secret", "set", "openrouter"]), &format!("{KEY}\n")).ok();
    let (listener, mut backend) = behind(&dir);
    assert_eq!(backend.ok("get", json!({"login": "openrouter"}))["token"], KEY);
    assert!(is_alone(&listener));
}

#[test]
fn the_first_token_comes_by_the_bus_that_was_greeted() {
    if !Keyring::is_here() {
        return;
    }
    let dir = dir("keyring");
    let keyring = Keyring::unlocked(&dir);
    set(&dir, &keyring, "openrouter");
    let (listener, mut backend) = behind(&dir);
    let (client, _) = listener.accept().unwrap();
    let bus = UnixStream::connect(dir.path().join("session-bus")).unwrap();
    for (mut from, mut to) in [(client.try_clone().unwrap(), bus.try_clone().unwrap()), (bus, client)] {
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    }
    assert_eq!(backend.ok("get", json!({"login": "openrouter"}))["token"], KEY);
    assert!(is_alone(&listener), "there is one connection");
}
