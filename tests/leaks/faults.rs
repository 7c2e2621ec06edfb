//! A refresh that goes wrong in every way the sandbox knows, with every provider that refreshes: what is told
//! and written about it holds no secret, not even one that the provider's answer repeats.

use serde_json::{Value, json};

use crate::common::{Child, Sandbox, TestDir, fault};
use crate::rounds::told;
use crate::search::{Places, secrets};
use crate::ways::{self, WAYS, Way};

/// In answers of a provider that repeats what it was sent.
const PLANTED: &str = "planted-0123456789abcdefghij";

fn faults() -> Vec<Value> {
    let error = |status: u16, code: &str| json!({ "status": status, "body": { "error": code, "error_description": PLANTED, "refresh_token": PLANTED } });
    let mut all: Vec<Value> = [401, 403, 404, 408, 418, 429, 500, 502, 503].map(|status| {
        json!({ "status": status, "body": { "error": { "type": PLANTED, "message": PLANTED } } })
    }).into();
    all.extend(["html", "empty", "truncated", "cut-short", "huge", "gzip-bomb", "binary"].map(fault::shape));
    all.extend(
        ["invalid_client", "invalid_scope", "temporarily_unavailable", PLANTED].map(|code| error(400, code)),
    );
    all.extend([
        error(200, "server_error"),
        json!({ "status": 200, "body": PLANTED }),
        json!({ "status": 403, "body": format!("<html>{PLANTED}</html>") }),
        json!({ "status": 503, "body": "", "retry_after": PLANTED }),
        json!({ "status": 429, "body": "", "retry_after": { "date": 60 } }),
        fault::redirect(&format!("http://127.0.0.1:1/{PLANTED}?token={PLANTED}")),
        fault::dropped(),
        fault::lost_reply(),
        fault::hang(),
        fault::drip(200),
        fault::omit(&["access_token", "token"]),
        fault::set(json!({ "access_token": [PLANTED], "token": { "x": PLANTED } })),
        fault::set(
            json!({ "access_token": format!("{PLANTED}\r\nx: y"), "token": format!("{PLANTED}\u{1b}[2J") }),
        ),
        fault::set(
            json!({ "expires_in": PLANTED, "expires_at": PLANTED, "scope": [PLANTED], "error": PLANTED }),
        ),
        // The last: it ends the login.
        error(400, "invalid_grant"),
    ]);
    all
}

/// A home that another one's login is copied into.
fn copy_of(home: &TestDir) -> TestDir {
    let dir = TestDir::new();
    for file in ["config.toml", "credentials.toml", "secret.key"] {
        std::fs::copy(home.config().join(file), dir.config().join(file)).unwrap();
    }
    dir
}

/// Everything said and written by `token --rejected`, which has to refresh.
fn refused(dir: &TestDir, login: &str, token: &str, name: &str, places: &mut Places) {
    let args = ["token", login, "--rejected"];
    let mut child = Child::spawn(dir.convocations(args).env("CONVOCATIONS_LOG", "debug"));
    places.add_process("`token`", child.id());
    child.say(&format!("{token}\n"));
    child.close();
    let ran = child.finish(std::time::Duration::from_secs(30));
    let printed = ran.stdout.trim_end();
    assert!(printed.is_empty() || ran.code() == 0, "{name}: {ran:?}");
    assert!(ran.code() == 0 || ran.stderr.lines().count() <= 2, "{name}: {ran:?}");
    places.add(format!("standard error at {name}"), ran.stderr);
    places.add_files(dir);
}

fn every_fault(way: Way, faults: &[Value]) {
    let sandbox = ways::sandbox();
    let home = ways::home(&sandbox);
    let mut backend = ways::backend(&home);
    ways::log_in(&mut backend, way);
    let token = ways::text(&backend.ok("get", json!({ "login": way.login })), "token");
    backend.last_words();
    let mut places = Places::default();
    for planted in faults {
        hit(&sandbox, &home, way, &token, planted, &mut places);
    }
    let mut secrets = secrets(&sandbox);
    secrets.insert(PLANTED.to_owned());
    secrets.insert(token);
    places.has("cmdline").has("standard error").hold_none_of(&secrets);
}

fn hit(sandbox: &Sandbox, home: &TestDir, way: Way, token: &str, planted: &Value, places: &mut Places) {
    let (dir, route) = (copy_of(home), way.refresh.unwrap());
    let before = sandbox.count(route);
    sandbox.fault_for_ever(route, planted.clone());
    refused(&dir, way.login, token, &planted.to_string(), places);
    sandbox.no_faults();
    assert!(sandbox.count(route) > before, "{way:?}: {planted} was met");
}

/// Two threads for each provider: most of it is waiting.
#[test]
fn no_fault_of_a_refresh_tells_a_secret() {
    let all = faults();
    std::thread::scope(|scope| {
        for way in WAYS.iter().filter(|way| way.refresh.is_some()) {
            for half in all.chunks(all.len().div_ceil(2)) {
                scope.spawn(move || every_fault(*way, half));
            }
        }
    });
}

/// Every route that a login or a logout asks by itself, with the place of its way in [`WAYS`].
const ASKED: &[(&str, usize)] = &[
    ("anthropic.token", 0),
    ("anthropic.create-key", 2),
    ("openrouter.keys", 3),
    ("github.device-code", 5),
    ("github.token", 5),
    ("github.user", 5),
    ("github.copilot-token", 5),
    ("openai.token", 7),
    ("openai.revoke", 7),
    ("openai.device-code", 8),
    ("openai.device-token", 8),
    ("kimi.device-code", 9),
    ("kimi.token", 9),
    ("generic.metadata", 10),
    ("generic.register", 10),
    ("generic.token", 10),
    ("generic.revoke", 10),
    ("generic.device-code", 11),
    ("tetrate.verify", 12),
    ("huggingface.token", 14),
    ("huggingface.userinfo", 14),
    ("huggingface.device-code", 15),
    ("poe.token", 16),
    ("nanogpt.start", 17),
    ("nanogpt.poll", 17),
];

fn faults_of_a_login() -> [Value; 5] {
    [
        json!({ "status": 400, "body": { "error": PLANTED, "error_description": PLANTED, "message": PLANTED } }),
        json!({ "status": 500, "body": PLANTED }),
        json!({ "status": 200, "body": { "access_token": [PLANTED], "error": { "code": PLANTED } } }),
        fault::shape("truncated"),
        fault::redirect(&format!("http://127.0.0.1:1/?token={PLANTED}")),
    ]
}

fn under_faults(asked: &[(&str, usize)]) {
    let sandbox = ways::sandbox();
    let mut places = Places::default();
    for (route, way) in asked {
        for planted in faults_of_a_login() {
            let dir = ways::home(&sandbox);
            let mut backend = ways::backend(&dir);
            let before = sandbox.count(route);
            sandbox.plant(json!({ "route": route, "times": 1, "fault": planted }));
            let end = ways::try_log_in(&mut backend, WAYS[*way]);
            if end["stage"] == "done" {
                backend.ok("logout", json!({ "login": end["login"] }));
            }
            sandbox.no_faults();
            assert!(sandbox.count(route) > before, "{route}: {planted} was met");
            places.add_files(&dir);
            places.add(format!("messages at {route} with {planted}"), told(&backend));
            places.add(format!("standard error at {route} with {planted}"), backend.last_words());
        }
    }
    let mut secrets = secrets(&sandbox);
    secrets.insert(PLANTED.to_owned());
    places.has("convocations.log").has("messages").hold_none_of(&secrets);
}

#[test]
fn no_fault_of_a_login_or_logout_tells_a_secret() {
    std::thread::scope(|scope| {
        for some in ASKED.chunks(1) {
            scope.spawn(move || under_faults(some));
        }
    });
}
