//! A login in the browser whose writes fail, or whose process is killed, at every system call that changes a
//! file.

use std::time::Duration;

use serde_json::json;

use crate::backend::Backend;
use crate::common::{Sandbox, approve, http};
use crate::control::{COUNT, KILL};
use crate::desk::{Desk, OTHER_KEY, each, is_good};
use crate::interrupted::{BLOWS, Blow};

const LOGIN: &str = "anthropic";
const NO_ARGS: [&str; 0] = [];
const PATIENCE: Duration = Duration::from_secs(20);

/// Up to the provider's answer to the browser; the program has written nothing yet.
fn begun(sandbox: &Sandbox) -> (Desk, Backend, String) {
    let desk = Desk::with(&sandbox.config_toml());
    desk.put_key("openrouter", OTHER_KEY);
    desk.put_login(sandbox, LOGIN, 3600);
    let mut command = desk.dir.convocations(NO_ARGS);
    let mut backend = Backend::start(desk.unreliable.under(&mut command), json!({}));
    backend.ok("login.start", json!({"login": LOGIN, "method": "subscription", "confirmed": true}));
    let callback = approve(backend.stage("open-url")["url"].as_str().unwrap());
    (desk, backend, callback)
}

/// The browser is sent back; a program that was killed meanwhile answers nothing.
fn send_back(callback: &str) {
    let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    let _ = http::try_request("GET", callback, &headers, b"");
}

#[test]
fn a_login_in_the_browser_struck_anywhere_is_the_old_or_the_new() {
    let sandbox = Sandbox::start();
    let (desk, mut backend, callback) = begun(&sandbox);
    desk.unreliable.strike(0, 0, false);
    send_back(&callback);
    backend.stage("done");
    let calls = desk.unreliable.get(COUNT);
    assert!(calls > 5, "{:?}", desk.unreliable.kinds());
    let cases = (1..=calls).flat_map(|at| [BLOWS[0], BLOWS[2], BLOWS[4]].map(|blow| (at, blow)));
    each(cases, 4, |(at, blow)| strike(&sandbox, at, blow));
}

fn strike(sandbox: &Sandbox, at: i64, blow: Blow) {
    let (desk, mut backend, callback) = begun(sandbox);
    let old = desk.logins();
    desk.unreliable.strike(at, blow.how, blow.stays);
    send_back(&callback);
    let about = |desk: &Desk| format!("call {at} of {:?}, {blow:?}", desk.unreliable.kinds());
    let ended = if blow.how == KILL {
        assert!(backend.wait_for_end(PATIENCE).is_some(), "{}", about(&desk));
        None
    } else {
        Some(backend.event("login", |data| data["stage"] == "done" || data["stage"] == "failed"))
    };
    let found = desk.logins();
    let is_new = found[LOGIN] != old[LOGIN];
    let about = format!("{}: {ended:?}\n{found:?}", about(&desk));
    assert!(found.len() == 2 && found["openrouter"] == old["openrouter"], "{about}");
    assert!(is_good(sandbox, &found[LOGIN].0), "{about}");
    if let Some(ended) = ended {
        // Behind the rename it is new for everybody, and only the disk has not promised to keep it.
        let is_told =
            ended["error"]["message"].as_str().is_some_and(|text| text.contains("was written, but"));
        assert_eq!(ended["stage"] == "done" || is_told, is_new, "{about}");
        assert!(ended["stage"] == "done" || ended["error"]["hint"].is_string(), "{about}");
    }
    assert_eq!(desk.cli("token anthropic", "").stdout.trim(), found[LOGIN].0, "{about}");
}
