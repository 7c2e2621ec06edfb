//! The backend over its pipe, as Neovim uses it: the real program, the sandbox as the providers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/backend.rs"]
mod backend;
mod common;

use std::time::{Duration, Instant};

use backend::{Backend, Message};
use common::{Sandbox, TestDir, approve, eventually, fault, visit};
use rmpv::Value as Msgpack;
use serde_json::{Value, json};

const NO_ARGS: [&str; 0] = [];

fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n");
    dir
}

fn sandboxed(sandbox: &Sandbox) -> TestDir {
    let dir = TestDir::new();
    let config = sandbox.config_toml();
    dir.write_config(&format!("{config}\n[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n"));
    dir
}

fn start(dir: &TestDir) -> Backend {
    Backend::start(&mut dir.convocations(NO_ARGS), json!({}))
}

/// Logs in to Anthropic through the loopback, and returns the credential.
fn log_in(backend: &mut Backend) -> Value {
    let start = json!({"login": "anthropic", "method": "subscription", "confirmed": true});
    backend.ok("login.start", start);
    let url = backend.stage("open-url")["url"].as_str().unwrap().to_owned();
    visit(&approve(&url));
    backend.stage("done");
    backend.ok("get", json!({"login": "anthropic"}))
}

#[test]
fn hello_comes_first_and_names_versions() {
    let dir = dir();
    let mut backend = Backend::spawn(&mut dir.convocations(NO_ARGS));
    backend.fails("status", json!({}), "invalid_argument");
    let newer = json!({"protocol": 2, "version": "9", "options": {}});
    let error = backend.fails("hello", newer, "protocol_mismatch");
    assert!(error["hint"].as_str().unwrap().contains("backend"), "{error}");
    let older = backend.fails("hello", json!({"protocol": 0, "version": "0"}), "protocol_mismatch");
    assert!(older["hint"].as_str().unwrap().contains("plugin"), "{older}");
    let hello =
        backend.ok("hello", json!({"protocol": 1, "version": "1", "options": {"refresh": {"margin": 60}}}));
    assert_eq!((&hello["protocol"], &hello["margin"]), (&json!(1), &json!(60)));
    assert!(hello["callback_port"].is_u64(), "{hello}");
    assert_eq!(hello["pid"], backend.id());
    let error =
        backend.fails("hello", json!({"protocol": 1, "version": "1", "options": {"x": 1}}), "config_invalid");
    assert!(error["message"].as_str().unwrap().contains("setup()"), "{error}");
    assert_eq!(backend.ok("status", json!({}))["logins"], json!([]), "the session before still serves");
}

#[test]
fn whatever_is_called_gets_one_answer() {
    let dir = dir();
    let mut backend = start(&dir);
    for (method, params) in [
        ("nothing", json!({})),
        ("get", json!({})),
        ("get", json!({"login": 7})),
        ("get", json!({"login": "openrouter", "extra": 1})),
        ("get", json!({"login": "../../x"})),
        ("get", json!([1, 2])),
        ("get", json!("text")),
        ("login.input", json!({"id": 99, "text": "x"})),
        ("login.input", json!({"id": -1, "text": "x"})),
        ("login.start", json!({"login": "openrouter", "method": "telepathy"})),
        ("status", json!({"login": "a b"})),
    ] {
        backend.fails(method, params, "invalid_argument");
    }
    backend.fails("get", json!({"login": "nobody"}), "unknown_login");
    backend.fails("get", json!({"login": "openrouter"}), "not_logged_in");
    backend.ok("login.cancel", json!({"id": 5}));
    let planted = backend.fails("get", json!({"login": ["sk-planted"]}), "invalid_argument");
    assert!(!planted.to_string().contains("planted"), "{planted}");
    let mut replies: Vec<u64> = (0..200).map(|_| backend.send("status", json!({}))).collect();
    for id in replies.drain(..) {
        backend.reply(id).unwrap();
    }
    let left: Vec<Message> =
        backend.drain().into_iter().filter(|m| matches!(m, Message::Reply(..))).collect();
    assert!(left.is_empty(), "nobody is answered twice: {left:?}");
}

#[test]
fn odd_messages_are_ignored_and_requests_refused() {
    let dir = dir();
    let mut backend = start(&dir);
    backend.notify("redraw", vec![1.into()]);
    backend.notify("call", vec![]);
    backend.notify("call", vec!["id".into(), "status".into()]);
    backend.notify("call", vec![Msgpack::Ext(1, vec![1])]);
    backend.notify("call", vec![9001.into(), Msgpack::Nil, Msgpack::Nil]);
    assert_eq!(backend.reply(9001).unwrap_err()["code"], "invalid_argument");
    backend.notify("call", vec![9002.into(), "get".into(), Msgpack::Ext(1, vec![1])]);
    assert_eq!(backend.reply(9002).unwrap_err()["code"], "invalid_argument");
    let deep = (0..200).fold(Msgpack::Nil, |inner, _| Msgpack::Array(vec![inner]));
    backend.notify("call", vec![9003.into(), "get".into(), deep]);
    assert_eq!(backend.reply(9003).unwrap_err()["code"], "invalid_argument");
    let long = "x".repeat(3 << 20);
    let error = backend.fails("get", json!({"login": long}), "invalid_argument");
    assert!(error.to_string().len() < 1000, "and it is not sent back");
    backend.ok("status", json!({}));
}

#[test]
fn garbage_ends_it_cleanly() {
    for garbage in
        [&b"\xc1\xc1\xc1"[..], b"GET / HTTP/1.1\r\n\r\n", &[0x94, 0x01, 0x07, 0xc0, 0xc0], &[0xff; 4096]]
    {
        let dir = dir();
        let mut backend = start(&dir);
        backend.send_raw(garbage);
        let status = backend.wait_for_end(Duration::from_secs(10)).expect("it ends");
        assert!(status.code().is_some(), "by itself, not by a signal");
    }
}

/// Bytes of any kind from the editor's side: a message that is none ends the channel, as it must, and never
/// by a signal; those that are messages are answered or passed over, whatever is in them, and leave nothing
/// behind in memory.
#[cfg(target_os = "linux")]
#[test]
fn any_bytes_are_read_or_end_it() {
    use rand::{RngExt, SeedableRng};

    let seed: u64 = rand::random();
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let dir = dir();
    let mut backend = start(&dir);
    let deep = (0..400).fold(Msgpack::Nil, |inner, _| Msgpack::Array(vec![inner]));
    let methods =
        ["get", "login.input", "invalidate", "login.start", "login.cancel", "hello", "status", "\u{0}"];
    for id in 0..400u64 {
        let mut text = vec![0; random.random_range(0..200_000)];
        random.fill(&mut text[..]);
        let odd = match random.random_range(0..6) {
            0 => deep.clone(),
            1 => Msgpack::Binary(text),
            2 => Msgpack::Ext(7, text),
            3 => Msgpack::Map(vec![(text.into(), Msgpack::Nil), (Msgpack::Nil, Msgpack::F64(f64::NAN))]),
            4 => Msgpack::Map(vec![("login".into(), Msgpack::Binary(text)), ("id".into(), (-1).into())]),
            _ => Msgpack::Array(vec![u64::MAX.into(); random.random_range(0..5000)]),
        };
        let method = methods[random.random_range(0..methods.len())];
        backend.notify("call", vec![(1_000_000 + id).into(), method.into(), odd]);
        if id % 50 == 0 {
            backend.ok("status", json!({}));
        }
    }
    let grown = resident(backend.id());
    assert!(grown < 64 << 10, "{grown} KiB, seed {seed}");
    for round in 0..15 {
        let mut backend = start(&dir);
        let mut bytes = vec![0; random.random_range(1..2000)];
        random.fill(&mut bytes[..]);
        if round == 0 {
            // Nested deeper than anything is read.
            bytes = vec![0x91; 1 << 20];
        }
        backend.send_raw(&bytes);
        backend.finish_input();
        let status = backend.wait_for_end(Duration::from_secs(10));
        let status = status.unwrap_or_else(|| panic!("it goes on, seed {seed}"));
        assert!(status.code().is_some(), "ended by a signal, round {round}, seed {seed}");
    }
}

/// KiB of memory that a process holds.
#[cfg(target_os = "linux")]
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn it_ends_with_its_input_or_when_told() {
    let dir = dir();
    assert!(start(&dir).close().success());
    let mut backend = start(&dir);
    backend.ok("shutdown", json!({}));
    assert!(backend.wait_for_end(Duration::from_secs(5)).unwrap().success());
}

#[test]
fn a_login_tells_its_stages_in_order_and_the_token_follows() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let start = json!({"login": "openrouter", "method": "browser"});
    let id = backend.ok("login.start", start.clone())["id"].clone();
    backend.fails("login.start", start, "busy");
    let opened = backend.stage("open-url");
    assert_eq!((&opened["id"], &opened["loopback"], &opened["input"]), (&id, &json!(true), &json!("code")));
    backend.stage("waiting");
    let callback = approve(opened["url"].as_str().unwrap());
    visit(&callback);
    backend.stage("exchanging");
    let done = backend.stage("done");
    assert_eq!((&done["login"], &done["store"]), (&json!("openrouter"), &json!("local-encrypted")));
    let credential = backend.ok("get", json!({"login": "openrouter"}));
    assert!(sandbox.secrets().contains(&credential["token"].as_str().unwrap().to_owned()));
    assert_eq!(
        credential["headers"]["authorization"],
        format!("Bearer {}", credential["token"].as_str().unwrap())
    );
    // Before that it may be told as merely stored: the file is seen to change a moment before its login has
    // ended.
    let changed = backend.event("changed", |data| data["logins"][0]["state"] == "valid");
    assert_eq!(changed["logins"][0]["login"], "openrouter");
    let out = backend.ok("logout", json!({"login": "openrouter"}));
    assert_eq!(out["revoked"], "unsupported");
    assert!(out["page"].as_str().unwrap().contains("/keys/"));
    backend.fails("get", json!({"login": "openrouter"}), "not_logged_in");
    let nothing = backend.fails("logout", json!({"login": "openrouter"}), "not_logged_in");
    assert_eq!(nothing["hint"], "`:ConvStatus` lists the logins.", "the editor's own command");
}

#[test]
fn a_notice_has_to_be_confirmed_once() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let unconfirmed = json!({"login": "anthropic", "method": "subscription"});
    backend.fails("login.start", unconfirmed.clone(), "invalid_argument");
    log_in(&mut backend);
    let providers = backend.ok("providers", json!({}));
    let anthropic =
        providers["providers"].as_array().unwrap().iter().find(|p| p["id"] == "anthropic").unwrap();
    let method = anthropic["methods"].as_array().unwrap().iter().find(|m| m["id"] == "subscription").unwrap();
    assert_eq!(method["notice_confirmed"], true);
    assert_eq!(anthropic["logins"], json!(["anthropic"]));
    let id = backend.ok("login.start", unconfirmed)["id"].clone();
    backend.ok("login.cancel", json!({"id": id}));
    assert_eq!(backend.stage("failed")["error"]["code"], "cancelled");
    backend.ok("get", json!({"login": "anthropic"}));
}

#[test]
fn a_refresh_is_pushed_to_every_editor_that_asked() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let (mut one, mut other) = (start(&dir), start(&dir));
    let first = log_in(&mut one);
    assert_eq!(other.ok("get", json!({"login": "anthropic"}))["token"], first["token"]);
    let begun = Instant::now();
    let newer = one.ok("invalidate", json!({"login": "anthropic", "token": first["token"]}));
    assert_ne!(newer["token"], first["token"]);
    let pushed = other.event("credential", |data| data["token"] == newer["token"]);
    assert!(begun.elapsed() < Duration::from_secs(3), "within a second or so");
    assert!(pushed["revision"].as_u64() > first["revision"].as_u64());
    let again = other.ok("invalidate", json!({"login": "anthropic", "token": first["token"]}));
    assert_eq!(again["token"], newer["token"], "the newer one, and no second refresh");
    assert_eq!(sandbox.refreshes("anthropic.token"), 1);
}

#[test]
fn a_slow_provider_holds_up_nobody_else() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let first = log_in(&mut backend);
    dir.convocations(["secret", "set-openrouter-key"]);
    let set =
        common::run(&mut dir.convocations(["secret", "set-openrouter-key"]), "sk-or-v1-0123456789abcdef\n");
    assert_eq!(set.code(), 0, "{set:?}");
    sandbox.fault_refresh("anthropic.token", 1, fault::hold("slow"));
    let slow = backend.send("invalidate", json!({"login": "anthropic", "token": first["token"]}));
    sandbox.wait_for_hold("slow");
    backend.ok("get", json!({"login": "openrouter"}));
    let state = backend.ok("status", json!({"login": "anthropic"}))["logins"][0]["state"].clone();
    assert_eq!(state, "refreshing");
    sandbox.release("slow");
    backend.reply(slow).unwrap();
}

/// Logs in, and has a refresh sent whose answer meets this fault; returns the login's first token.
fn begin_a_refresh(sandbox: &Sandbox, backend: &mut Backend, fault: Value) -> String {
    let first = log_in(backend)["token"].as_str().unwrap().to_owned();
    sandbox.fault_refresh("anthropic.token", 1, fault);
    backend.send("invalidate", json!({"login": "anthropic", "token": first}));
    first
}

fn was_stored(sandbox: &Sandbox, dir: &TestDir, first: &str) {
    let ran = common::run(&mut dir.convocations(["token", "anthropic"]), "");
    assert_ne!(ran.stdout.trim(), first, "the rotated token was stored");
    assert_eq!(sandbox.refreshes("anthropic.token"), 1);
}

#[test]
fn the_end_of_input_waits_for_a_refresh_under_way_and_for_nothing_else() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let first = begin_a_refresh(&sandbox, &mut backend, fault::delay(700));
    backend.ok("login.start", json!({"login": "openrouter", "method": "browser"}));
    let port = backend.stage("open-url")["port"].as_u64().unwrap();
    sandbox.wait_for_calls("anthropic.token", 2);
    assert!(backend.close().success());
    assert!(
        std::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).is_err(),
        "no listener is left"
    );
    was_stored(&sandbox, &dir, &first);
}

#[test]
fn other_settings_lose_no_refresh_under_way() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let first = begin_a_refresh(&sandbox, &mut backend, fault::delay(700));
    sandbox.wait_for_calls("anthropic.token", 2);
    backend.ok("hello", json!({"protocol": 1, "version": "1", "options": {"refresh": {"margin": 60}}}));
    assert!(backend.close().success());
    was_stored(&sandbox, &dir, &first);
}

#[test]
fn a_killed_backend_leaves_no_lock() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut backend = start(&dir);
    let first = begin_a_refresh(&sandbox, &mut backend, fault::hold("killed"));
    sandbox.wait_for_hold("killed");
    backend.kill();
    let mut next = start(&dir);
    let begun = Instant::now();
    next.ok("invalidate", json!({"login": "anthropic", "token": first}));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn what_another_process_does_shows_within_a_second_or_so() {
    let dir = dir();
    let mut backend = start(&dir);
    let run =
        |args: [&str; 3], input: &str| assert_eq!(common::run(&mut dir.convocations(args), input).code(), 0);
    run(["secret", "set", "openrouter"], "sk-or-v1-0123456789abcdef\n");
    backend.event("changed", |data| data["logins"][0]["login"] == "openrouter");
    run(["secret", "clear", "openrouter"], "");
    backend.event("changed", |data| data["logins"] == json!([]));
}

#[test]
fn nothing_reaches_standard_error_and_the_log_is_private_and_free_of_tokens() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut command = dir.convocations(NO_ARGS);
    command.env("CONVOCATIONS_LOG", "debug");
    let mut backend = Backend::start(&mut command, json!({}));
    log_in(&mut backend);
    backend.close();
    let log = dir.log();
    eventually("the log", || log.exists().then_some(()));
    assert!(dir.files_with(&sandbox.secrets()).is_empty(), "{:?}", dir.files_with(&sandbox.secrets()));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// That there is no keyring is good to know, and no error of the login that went into the file instead.
#[test]
fn a_login_that_goes_into_the_file_is_told_as_a_notice() {
    let dir = TestDir::new();
    let mut backend = start(&dir);
    backend.ok("login.start", json!({ "login": "mistral", "method": "api-key" }));
    let waiting = backend.stage("waiting");
    backend.ok("login.input", json!({ "id": waiting["id"], "text": "mistral-key-0123456789" }));
    let done = backend.stage("done");
    assert_eq!(done["store"], "local-encrypted");
    // Beside the result, and no error: Lua raises none for it.
    let notices = done["notices"].as_array().cloned().unwrap_or_default();
    assert!(notices.iter().any(|notice| notice.to_string().contains("no keyring")), "{done}");
    assert!(backend.close().success());
}

#[cfg(unix)]
#[test]
fn what_is_lent_is_listed_revoked_and_refused_in_words() {
    let dir = dir();
    common::run(&mut dir.convocations(["secret", "set", "mistral"]), "sk-0123456789\n").ok();
    let mut backend = start(&dir);
    let socket = |name: &str| dir.path().join(name).display().to_string();
    let none = json!({"logins": ["nobody"], "socket": socket("s/a")});
    backend.fails("agent.open", none, "unknown_login");
    backend.fails("agent.open", json!({"socket": socket(&"x".repeat(120))}), "invalid_argument");
    let lasting = json!({"socket": socket("s/a"), "lasting": true});
    backend.fails("agent.open", lasting, "invalid_argument");
    let params = json!({"logins": ["mistral"], "socket": socket("s/a"), "label": "a box", "duration": 3600});
    let opened = backend.ok("agent.open", params.clone());
    assert_eq!(opened["address"], format!("unix:{}", socket("s/a")));
    backend.fails("agent.open", params, "busy");
    let grants = backend.ok("status", json!({}))["grants"].clone();
    assert_eq!((&grants[0]["id"], &grants[0]["label"]), (&opened["id"], &json!("a box")));
    assert_eq!(grants[0]["ends"].as_i64().unwrap() - grants[0]["began"].as_i64().unwrap(), 3600);
    assert_eq!(backend.ok("agent.answer", json!({"id": 1, "answer": "once"}))["taken"], false);
    backend.fails("agent.answer", json!({"id": 1, "answer": "always"}), "invalid_argument");
    backend.fails("agent.revoke", json!({"id": "nothing"}), "invalid_argument");
    backend.ok("agent.revoke", json!({"id": opened["id"]}));
    eventually("no socket", || (!dir.path().join("s/a").exists()).then_some(()));
    assert!(backend.ok("status", json!({}))["grants"].is_null(), "nothing is lent");
}
