//! A login in the browser whose writes fail, or whose process is killed, at every system call that changes a
//! file.

use std::time::Duration;

use serde_json::json;

use crate::backend::Backend;
use crate::common::{Sandbox, approve, http};
use crate::control::{COUNT, KILL};
use crate::fixture::{Fixture, OTHER_KEY, each, is_good};
use crate::interrupted::{BLOWS, Blow};

const LOGIN: &str = "anthropic";
const NO_ARGS: [&str; 0] = [];
const PATIENCE: Duration = Duration::from_secs(20);

/// Up to the provider's answer to the browser; the program has written nothing yet.
fn begun(sandbox: &Sandbox) -> (Fixture, Backend, String) {
    let fixture = Fixture::with(&sandbox.config_toml());
    fixture.put_key("openrouter", OTHER_KEY);
    fixture.put_login(sandbox, LOGIN, 3600);
    let mut command = fixture.dir.convocations(NO_ARGS);
    let mut backend = Backend::start(fixture.unreliable.under(&mut command), json!({}));
    backend.ok("login.start", json!({"login": LOGIN, "method": "subscription", "confirmed": true}));
    let callback = approve(backend.stage("open-url")["url"].as_str().unwrap());
    (fixture, backend, callback)
}

/// The browser is sent back; a program that was killed meanwhile answers nothing.
fn send_back(callback: &str) {
    let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let _ = http::try_request("GET", callback, &headers, b"");
}

#[test]
fn a_login_in_the_browser_struck_anywhere_is_the_old_or_the_new() {
    let sandbox = Sandbox::start();
    let (fixture, mut backend, callback) = begun(&sandbox);
    fixture.unreliable.strike(0, 0, false);
    send_back(&callback);
    backend.stage("done");
    let calls = fixture.unreliable.get(COUNT);
    assert!(calls > 5, "{:?}", fixture.unreliable.kinds());
    let cases = (1..=calls).flat_map(|at| [BLOWS[0], BLOWS[2], BLOWS[4]].map(|blow| (at, blow)));
    each(cases, 4, |(at, blow)| strike(&sandbox, at, blow));
}

fn strike(sandbox: &Sandbox, at: i64, blow: Blow) {
    let (fixture, mut backend, callback) = begun(sandbox);
    let old = fixture.logins();
    fixture.unreliable.strike(at, blow.how, blow.stays);
    send_back(&callback);
    let about = |fixture: &Fixture| format!("call {at} of {:?}, {blow:?}", fixture.unreliable.kinds());
    let ended = if blow.how == KILL {
        assert!(backend.wait_for_end(PATIENCE).is_some(), "{}", about(&fixture));
        None
    } else {
        Some(backend.event("login", |data| data["stage"] == "done" || data["stage"] == "failed"))
    };
    let found = fixture.logins();
    let is_new = found[LOGIN] != old[LOGIN];
    let about = format!("{}: {ended:?}\n{found:?}", about(&fixture));
    assert!(found.len() == 2 && found["openrouter"] == old["openrouter"], "{about}");
    assert!(is_good(sandbox, &found[LOGIN].0), "{about}");
    if let Some(ended) = ended {
        // Behind the rename it is new for everybody, and only the disk has not promised to keep it.
        let is_told =
            ended["error"]["message"].as_str().is_some_and(|text| text.contains("was written, but"));
        assert_eq!(ended["stage"] == "done" || is_told, is_new, "{about}");
        assert!(ended["stage"] == "done" || ended["error"]["hint"].is_string(), "{about}");
    }
    assert_eq!(fixture.cli("token anthropic", "").stdout.trim(), found[LOGIN].0, "{about}");
}
