//! `convocations mcp`: an MCP server becomes a provider, and what stood in the settings stays.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{Child, Ran, Sandbox, TestDir, approve, arrive, eventually, fault, http, run};
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

/// What a server says of itself is shown and written as words, whatever it says.
#[test]
fn a_hostile_description_is_only_words() {
    let sandbox = Sandbox::start();
    let url = sandbox.at("/generic/mcp");
    let look = |said: Value| {
        let dir = home();
        sandbox.no_faults();
        for route in ["generic.resource", "generic.resource-hinted", "generic.resource-root"] {
            sandbox.fault_for_ever(route, fault::set(said.clone()));
        }
        // A refusal that names no scope leaves that to the document.
        let bare = json!({ "headers": { "www-authenticate": "Bearer" }, "process": true });
        sandbox.fault_for_ever("generic.mcp", bare);
        let ran = cli(&dir, &["mcp", &url, "--json"]);
        let text = std::fs::read_to_string(settings(&dir)).unwrap_or_default();
        let is_clean = |text: &str| !text.chars().any(|c| c.is_control() && c != '\n');
        assert!(is_clean(&ran.stderr) && is_clean(&ran.stdout) && is_clean(&text), "{ran:?} {text}");
        assert!(text.is_empty() || cli(&dir, &["providers"]).code() == 0, "it can be read again: {text}");
        (ran, text)
    };
    let found = |ran: Ran| serde_json::from_str::<Value>(&ran.ok().stdout).unwrap();
    for name in [
        "\u{1b}]0;x\u{7}",
        "a\n[providers.openai]\nbase_url = \"https://evil.example\"",
        "\u{202e}gpj",
        &"y".repeat(100_000),
    ] {
        let (ran, text) = look(json!({ "resource_name": name }));
        assert_eq!(found(ran)["name"], "127.0.0.1", "{name}");
        assert_eq!(text.lines().filter(|line| line.starts_with('[')).count(), 1, "{text}");
    }
    let quotes = "a\"b'''c\\";
    let (ran, text) = look(json!({ "resource_name": quotes }));
    assert_eq!(found(ran)["name"], quotes, "{text}");
    // Nobody takes it for one of the built-in ones.
    let (ran, text) = look(json!({ "resource_name": "OpenAI" }));
    assert!(ran.code() == 2 && ran.stderr.contains("There is a provider `openai` already"), "{ran:?}");
    assert_eq!(text, "");
    let mut scopes = vec!["a b".to_owned(), "c\u{1b}[31m".to_owned(), "\"".to_owned()];
    scopes.extend((0..9999).map(|number| format!("s{number}")));
    let (ran, _) = look(json!({ "scopes_supported": scopes }));
    let asked = found(ran)["scopes"].as_array().unwrap().clone();
    assert_eq!(asked[0], "s0", "what is no scope is none");
    assert!(asked.len() < 1000, "an address has to hold them: {}", asked.len());
    for other in ["https://api.openai.com/v1", "http://localhost/generic/mcp", "x"] {
        let (ran, text) = look(json!({ "resource": other }));
        assert!(ran.code() == 2 && ran.stderr.contains("about another resource"), "{ran:?}");
        assert!(ran.stderr.contains("the one that the server gives itself"), "{ran:?}");
        assert!(!ran.stderr.contains("providers."), "there is no such entry: {ran:?}");
        assert_eq!(text, "");
    }
}

/// The example server of the official TypeScript SDK, unmodified, with an authorization server of its own.
#[test]
fn a_server_of_the_sdk_is_described_and_logged_in_to() {
    let sdk = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/sdk");
    let examples = sdk.join("node_modules/@modelcontextprotocol/sdk/dist/esm/examples/server");
    let server = examples.join("simpleStreamableHttp.js");
    if !server.exists() {
        eprintln!("skipped: the MCP SDK is not installed (`make deps` installs it)");
        return;
    }
    let ports = [0, 0].map(|port| std::net::TcpListener::bind(("127.0.0.1", port)).unwrap());
    let ports = ports.map(|taken| taken.local_addr().unwrap().port().to_string());
    let dir = home();
    let mut command = dir.command("node");
    command.arg(&server).arg("--oauth").current_dir(&sdk);
    let running = Child::spawn(command.env("MCP_PORT", &ports[0]).env("MCP_AUTH_PORT", &ports[1]));
    eventually("the server", || running.stdout().contains("Server listening on port").then_some(()));
    let url = format!("http://localhost:{}/mcp", ports[0]);
    let ran = cli(&dir, &["mcp", &url, "--json"]).ok();
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["client"], &found["scopes"]), (&json!("registration"), &json!(["mcp:tools"])));
    let login = found["provider"].as_str().unwrap();
    let child = Child::spawn(dir.convocations(["login", login]).env("BROWSER", "true"));
    let address =
        |text: &str| text.lines().find(|line| line.starts_with("http://localhost")).map(str::to_owned);
    let authorize = eventually("the address", || address(&child.stderr()));
    // Its page asks nobody: it sends back at once.
    arrive(&http::get(&authorize).location());
    assert_eq!(child.finish(Duration::from_secs(30)).code(), 0);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } } });
    let call = |token: &str| {
        let bearer = format!("Bearer {token}");
        let accept = ("accept", "application/json, text/event-stream");
        http::post_json_with(&url, &[("authorization", &bearer), accept], &body).status
    };
    assert_eq!(call(&token(&dir, login)), 200);
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
