//! `convocations mcp`: an MCP server becomes a provider, and what stood in the settings stays.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{Child, Ran, Sandbox, TestDir, approve, arrive, eventually, http, run};
use serde_json::{Value, json};

const SETTINGS: &str = "# mine\n[http]\ntimeout = 20   # seconds\n";

fn home() -> TestDir {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n");
    dir
}

fn settings(dir: &TestDir) -> PathBuf {
    dir.config().join("convocations.toml")
}

fn cli(dir: &TestDir, args: &[&str]) -> Ran {
    run(&mut dir.convocations(args), "")
}

/// A login at the command line, the browser played by the test.
fn log_in(dir: &TestDir, args: &[&str]) -> String {
    let child = Child::spawn(dir.convocations(args).env("BROWSER", "true"));
    let address =
        |text: &str| text.lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned);
    let url = eventually("the address", || address(&child.stderr()));
    arrive(&approve(&url));
    let ran = child.finish(Duration::from_secs(30));
    assert_eq!(ran.code(), 0, "{ran:?}");
    url
}

fn token(dir: &TestDir, login: &str) -> String {
    cli(dir, &["token", login]).ok().stdout.trim_end().to_owned()
}

fn call(url: &str, token: &str, method: &str) -> http::Response {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method });
    http::post_json_with(url, &[("authorization", &format!("Bearer {token}"))], &body)
}

#[test]
fn a_server_is_looked_at_described_and_logged_in_to() {
    let (sandbox, dir) = (Sandbox::start(), home());
    std::fs::write(settings(&dir), SETTINGS).unwrap();
    let url = sandbox.at("/generic/mcp");
    let ran = cli(&dir, &["mcp", &url, "--json"]).ok();
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&found["provider"], &found["name"], &found["client"], &found["added"]),
        (&json!("sandbox-tools"), &json!("Sandbox tools"), &json!("registration"), &json!(true))
    );
    assert_eq!(found["issuer"], sandbox.at("/generic"));
    assert_eq!(found["scopes"], json!(["tools:read", "offline_access"]), "what a login will ask for");
    assert_eq!(found["authorization"], "Bearer ${cmd: convocations token sandbox-tools}");
    assert_eq!(sandbox.count("generic.register"), 0, "a look registers nothing");
    let text = std::fs::read_to_string(settings(&dir)).unwrap();
    let entry = format!("\n[providers.sandbox-tools]\nname = \"Sandbox tools\"\nresource = \"{url}\"\n");
    assert_eq!(text, format!("{SETTINGS}{entry}"), "behind what stood there, to the byte");

    // Two accounts, each with its own token, and more rights where the server asks for them.
    log_in(&dir, &["login", "sandbox-tools", "--method", "browser"]);
    log_in(&dir, &["login", "sandbox-tools@work", "--method", "browser"]);
    let (one, other) = (token(&dir, "sandbox-tools"), token(&dir, "sandbox-tools@work"));
    assert_ne!(one, other);
    assert_eq!((call(&url, &one, "tools/list").status, call(&url, &other, "tools/list").status), (200, 200));
    let refused = call(&url, &other, "tools/call");
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate").unwrap().to_owned();
    let asked =
        log_in(&dir, &["login", "sandbox-tools@work", "--method", "browser", "--challenge", &challenge]);
    assert!(asked.contains("tools%3Awrite"), "{asked}");
    assert_eq!(call(&url, &token(&dir, "sandbox-tools@work"), "tools/call").status, 200);
    assert_eq!(call(&url, &token(&dir, "sandbox-tools"), "tools/call").status, 403, "the other one's own");
}

#[test]
fn nothing_is_ever_overwritten() {
    let (sandbox, dir) = (Sandbox::start(), home());
    let url = sandbox.at("/generic/mcp");
    let first = cli(&dir, &["mcp", &url]).ok();
    assert!(first.stdout.contains("\"Authorization\": \"Bearer ${cmd: convocations token sandbox-tools}\""));
    assert!(first.stderr.contains("registers itself at the first login"), "{first:?}");
    let text = std::fs::read_to_string(settings(&dir)).unwrap();
    let again = cli(&dir, &["mcp", &url, "--name", "other"]).ok();
    assert!(again.stderr.contains("described already") && again.stdout.contains("token sandbox-tools}"));
    let taken = cli(&dir, &["mcp", &format!("{url}/below"), "--name", "sandbox-tools"]);
    assert_eq!(taken.code(), 2, "{taken:?}");
    assert!(taken.stderr.contains("already") && taken.stderr.contains("--name"), "{taken:?}");
    let builtin = cli(&dir, &["mcp", &format!("{url}/below"), "--name", "openai"]);
    assert_eq!(builtin.code(), 2, "{builtin:?}");
    assert_eq!(std::fs::read_to_string(settings(&dir)).unwrap(), text);
}

#[test]
fn a_file_that_cannot_be_added_to_is_left_alone() {
    let (sandbox, dir) = (Sandbox::start(), home());
    let inline = "providers = { groq = { name = \"G\" } }\n";
    std::fs::write(settings(&dir), inline).unwrap();
    let ran = cli(&dir, &["mcp", &sandbox.at("/generic/mcp")]);
    assert_ne!(ran.code(), 0);
    assert!(ran.stderr.contains("[providers.sandbox-tools]"), "what to write is told: {ran:?}");
    assert_eq!(std::fs::read_to_string(settings(&dir)).unwrap(), inline);
    // A link to dotfiles stays one, without a line break at the end too.
    std::fs::remove_file(settings(&dir)).unwrap();
    let dotfile = dir.home().join("dotfile.toml");
    std::fs::write(&dotfile, "[http]\ntimeout = 20").unwrap();
    std::os::unix::fs::symlink(&dotfile, settings(&dir)).unwrap();
    cli(&dir, &["mcp", &sandbox.at("/generic/mcp"), "--name", "tools"]).ok();
    assert!(settings(&dir).is_symlink());
    let text = std::fs::read_to_string(&dotfile).unwrap();
    assert!(text.starts_with("[http]\ntimeout = 20\n\n[providers.tools]\n"), "{text}");
}

#[test]
fn a_server_that_registers_nobody_says_what_is_missing() {
    let (sandbox, dir) = (Sandbox::start(), home());
    sandbox.switch(json!({ "generic": { "registration": false, "cimd": false } }));
    let url = sandbox.at("/generic/mcp");
    let ran = cli(&dir, &["mcp", &url]).ok();
    assert!(ran.stderr.contains("has to be registered by hand"), "{ran:?}");
    assert!(std::fs::read_to_string(settings(&dir)).unwrap().contains("# client_id = "));
    std::fs::remove_file(settings(&dir)).unwrap();
    cli(&dir, &["mcp", &url, "--client-id", "sandbox-public", "--name", "tools"]).ok();
    assert!(std::fs::read_to_string(settings(&dir)).unwrap().contains("client_id = \"sandbox-public\""));
    let asked = log_in(&dir, &["login", "tools", "--method", "browser"]);
    assert!(asked.contains("client_id=sandbox-public"), "{asked}");
}

#[test]
fn what_is_no_usable_server_is_told_and_nothing_written() {
    let (sandbox, dir) = (Sandbox::start(), home());
    for (address, code) in [
        ("mcp.example", 2),
        ("http://mcp.example/mcp", 2),
        ("http://127.0.0.1:1/mcp", 5),
        (sandbox.at("/nowhere").as_str(), 2),
    ] {
        let ran = cli(&dir, &["mcp", address]);
        assert_eq!(ran.code(), code, "{address}: {ran:?}");
        assert!(ran.stderr.lines().count() <= 2, "{ran:?}");
    }
    sandbox.switch(json!({ "generic": { "pkce": "plain" } }));
    let ran = cli(&dir, &["mcp", &sandbox.at("/generic/mcp")]);
    assert!(ran.stderr.contains("PKCE"), "as a login would end: {ran:?}");
    sandbox.switch(json!({ "generic": { "pkce": "s256", "resource_matches": false } }));
    let ran = cli(&dir, &["mcp", &sandbox.at("/generic/mcp")]);
    assert!(ran.stderr.contains("another resource"), "{ran:?}");
    assert!(!settings(&dir).exists());
}

/// At a terminal a person is asked; no is no.
#[test]
#[cfg(target_os = "linux")]
fn a_person_is_asked() {
    let (sandbox, dir) = (Sandbox::start(), home());
    let line = format!("{} mcp {}", env!("CARGO_BIN_EXE_convocations"), sandbox.at("/generic/mcp"));
    for (answer, code, written) in [("n", 130, false), ("y", 0, true)] {
        let mut command = dir.command("script");
        command.args(["-qefc", &line]).arg(dir.path().join("typescript"));
        let mut child = Child::spawn(&mut command);
        let seen = || std::fs::read_to_string(dir.path().join("typescript")).unwrap_or_default();
        eventually("the question", || seen().contains("[y/N]").then_some(()));
        child.say(&format!("{answer}\n"));
        assert_eq!(child.finish(Duration::from_secs(30)).code(), code, "{}", seen());
        assert_eq!(settings(&dir).exists(), written);
        std::fs::remove_file(dir.path().join("typescript")).unwrap();
    }
}
