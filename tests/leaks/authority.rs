//! The authority hands out other people's keys: it says, logs and keeps none of them, with OpenRouter in any
//! state.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{self, Child, Sandbox, TestDir, browser, fault};
use crate::search::{Places, secrets};

const PLANTED: &str = "planted-0123456789abcdefghij";

/// A running authority and its issuer.
fn authority(sandbox: &Sandbox, dir: &TestDir) -> (Child, String) {
    let upstream = sandbox.at("/openrouter");
    let args = ["authority", "--listen", "127.0.0.1:0", "--upstream", &upstream];
    let child = Child::spawn(dir.convocations(args).env("CONVOCATIONS_LOG", "debug"));
    let said = || child.stderr().split_once("The authority ").map(|(_, rest)| rest.to_owned());
    let issuer = common::eventually("the authority", || Some(said()?.split(' ').next()?.to_owned()));
    (child, issuer)
}

/// Logs in through it by our own client; whether it came to a login.
fn log_in(issuer: &str, places: &mut Places) -> bool {
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\ntimeout = 20\n[providers.router]\nissuer = \"{issuer}\"\n"
    ));
    let mut command = dir.convocations(["login", "router", "--method", "browser"]);
    let child = Child::spawn(command.env("BROWSER", "true").env("CONVOCATIONS_LOG", "debug"));
    let url = common::eventually("the address", || {
        child.stderr().lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned)
    });
    places.add_process("the client", child.id());
    common::arrive(&browser::sign_in_through_authority(&url));
    let ran = child.finish(Duration::from_secs(30));
    // The address to open is the person's; everything else that was said is looked at.
    let said: String = ran.stderr.lines().filter(|line| !line.starts_with("http://127.0.0.1")).collect();
    places.add("what the client said", said);
    places.add_files(&dir);
    ran.code() == 0
}

#[test]
fn the_authority_keeps_and_tells_no_key_whatever_openrouter_does() {
    let (sandbox, dir, mut places) = (Sandbox::start(), TestDir::new(), Places::default());
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n");
    let (child, issuer) = authority(&sandbox, &dir);
    assert!(log_in(&issuer, &mut places), "nothing is in the way");
    let planted: [Value; 4] = [
        json!({ "status": 403, "body": { "error": { "message": PLANTED } } }),
        json!({ "status": 500, "body": PLANTED }),
        fault::set(json!({ "key": [PLANTED] })),
        fault::redirect(&format!("http://127.0.0.1:1/?key={PLANTED}")),
    ];
    for fault in planted {
        sandbox.fault("openrouter.keys", 1, fault.clone());
        assert!(!log_in(&issuer, &mut places), "{fault}");
        sandbox.no_faults();
    }
    for (path, header) in [("/me", format!("Bearer {PLANTED}")), ("/token", PLANTED.to_owned())] {
        common::http::get_with(&format!("{issuer}{path}?token={PLANTED}"), &[("authorization", &header)]);
    }
    places.add_process("the authority", child.id());
    places.add_files(&dir);
    std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    let ran = child.finish(Duration::from_secs(20));
    places.add("what the authority said", format!("{}{}", ran.stdout, ran.stderr));
    let mut secrets = secrets(&sandbox);
    secrets.insert(PLANTED.to_owned());
    places.has("what the authority said").has("cmdline of the authority").hold_none_of(&secrets);
}
