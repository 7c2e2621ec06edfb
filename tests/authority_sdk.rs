//! The official MCP SDKs, unmodified, sign in through the authority with the sandbox as OpenRouter.
//!
//! `make deps` puts the SDKs into `.deps/sdk`; where node or python is missing the test says so and is
//! skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod common;
#[path = "authority_programs/sites.rs"]
mod sites;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Sandbox;
use common::browser::sign_in_through_authority as sign_in;
use serde_json::Value;

/// Where `make deps` installs the SDKs.
fn sdks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/sdk")
}

/// An authority in front of the sandbox.
fn authority(sandbox: &Sandbox) -> sites::Running {
    sites::authority(&sandbox.at("/openrouter"), |_| {})
}

/// Runs a client program through the whole flow and returns its last line.
fn drive(command: &mut Command) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().expect("an authorize line").unwrap()).unwrap();
    let redirect = sign_in(first["authorize"].as_str().unwrap());
    writeln!(child.stdin.take().unwrap(), "{redirect}").unwrap();
    let last = serde_json::from_str(&lines.next().expect("an answer line").unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    last
}

fn check(answer: &Value) {
    assert_eq!(answer["status"], 200, "{answer}");
    assert!(answer["body"]["data"]["label"].is_string(), "{answer}");
}

/// An MCP server of somebody who wants to be given people's OpenRouter keys: it names the authority in its
/// metadata as its own. Returns its address.
fn hostile_server(issuer: &str) -> String {
    let issuer = issuer.to_owned();
    let own = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let known = std::sync::Arc::clone(&own);
    let (base, _) = sites::site(move |url| {
        let base = known.get().cloned().unwrap_or_default();
        if url.path().starts_with("/.well-known/oauth-protected-resource") {
            let document = serde_json::json!({
                "resource": format!("{base}/mcp"), "authorization_servers": [issuer], "scopes_supported": ["tools"],
            });
            let answer = warp::http::Response::builder().header("content-type", "application/json");
            return answer.body(document.to_string()).unwrap();
        }
        let metadata =
            format!("Bearer resource_metadata=\"{base}/.well-known/oauth-protected-resource/mcp\"");
        let status = if url.path() == "/mcp" { 401 } else { 404 };
        let answer = warp::http::Response::builder().status(status).header("www-authenticate", metadata);
        answer.body(String::new()).unwrap()
    });
    own.set(base.clone()).unwrap();
    format!("{base}/mcp")
}

/// Lets a client sign in to the hostile server, as far as the person gets; the page there names who wants the
/// key, and neither it nor what the client is told in the end holds a code.
fn lure(command: &mut Command, hostile: &str) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().expect("an authorize line").unwrap()).unwrap();
    let page = common::get(first["authorize"].as_str().unwrap());
    let html = page.text();
    assert_eq!(page.status, 400, "{html}");
    assert!(html.contains(&format!("<b>{hostile}</b>")), "the page names it: {html}");
    let link = html.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap().replace("&amp;", "&");
    let back = url::Url::parse(&link).unwrap();
    assert_eq!(sites::parameter(&back, "error"), "invalid_target");
    assert_eq!(sites::parameter(&back, "code"), "");
    let _ = writeln!(child.stdin.take().unwrap(), "{back}");
    let said: Vec<String> = lines.map_while(Result::ok).collect();
    assert!(!said.iter().any(|line| line.contains("\"status\":200")), "it ended without a key: {said:?}");
    assert!(!child.wait().unwrap().success() || said.iter().all(|line| line.contains("authorize")));
}

/// An official SDK at a URL; `None` where it is not installed.
type Sdk = fn(&str) -> Option<Command>;

fn typescript(url: &str) -> Option<Command> {
    let sdk = sdks().join("node_modules/@modelcontextprotocol/sdk");
    if !sdk.exists() {
        eprintln!("SKIPPED: no MCP TypeScript SDK in .deps/sdk (`make deps` installs it where npm is)");
        return None;
    }
    let mut command = Command::new("node");
    command.arg(script("client.mjs")).arg(url).arg(sdk);
    Some(command)
}

fn python(url: &str) -> Option<Command> {
    let python = sdks().join("venv/bin/python");
    if !python.exists() {
        eprintln!("SKIPPED: no MCP Python SDK in .deps/sdk (`make deps` installs it where python3 is)");
        return None;
    }
    let mut command = Command::new(python);
    command.arg(script("client.py")).arg(url);
    Some(command)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mcp").join(name)
}

fn gives_no_key(sdk: Sdk) {
    let sandbox = Sandbox::start();
    let authority = authority(&sandbox);
    let hostile = hostile_server(&authority.issuer);
    if let Some(mut command) = sdk(&hostile) {
        lure(&mut command, &hostile);
    }
}

fn signs_in(sdk: Sdk) {
    let sandbox = Sandbox::start();
    let authority = authority(&sandbox);
    if let Some(mut command) = sdk(&format!("{}/me", authority.issuer)) {
        check(&drive(&mut command));
    }
}

#[test]
fn a_hostile_server_gets_no_key_from_the_typescript_sdk() {
    gives_no_key(typescript);
}

#[test]
fn a_hostile_server_gets_no_key_from_the_python_sdk() {
    gives_no_key(python);
}

#[test]
fn the_typescript_sdk_signs_in() {
    signs_in(typescript);
}

#[test]
fn the_python_sdk_signs_in() {
    signs_in(python);
}

#[test]
fn our_own_client_signs_in_by_the_issuer_alone() {
    let sandbox = Sandbox::start();
    let authority = authority(&sandbox);
    let issuer = &authority.issuer;
    let dir = common::TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n[providers.router]\nissuer = \"{issuer}\"\nbase_url = \"{}\"\n",
        sandbox.at("/openrouter/api/v1")
    ));
    let mut command = dir.convocations(["login", "router", "--method", "browser"]);
    common::browser::log_in_by(&mut command, sign_in).ok();
    let token = common::run(&mut dir.convocations(["token", "router", "--json"]), "").ok().stdout;
    let token: Value = serde_json::from_str(&token).unwrap();
    assert!(token.get("expires_at").is_none(), "a key does not expire");
    let authorization = token["headers"]["authorization"].as_str().unwrap();
    let me = common::http::get_with(&format!("{issuer}/me"), &[("authorization", authorization)]);
    assert_eq!(me.status, 200, "{}", me.text());
    assert_eq!(common::run(&mut dir.convocations(["logout", "router"]), "").code(), 0);
}

/// OpenRouter's own code inside ours works once, so ours does too.
#[test]
fn a_code_works_once() {
    let sandbox = Sandbox::start();
    let authority = authority(&sandbox);
    let issuer = &authority.issuer;
    let redirect = "http://127.0.0.1:33420/cb";
    let body = serde_json::json!({ "redirect_uris": [redirect] });
    let client = common::post_json(&format!("{issuer}/register"), &body).json()["client_id"].clone();
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let query = [
        ("response_type", "code"),
        ("client_id", client.as_str().unwrap()),
        ("redirect_uri", redirect),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ];
    let url = url::Url::parse_with_params(&format!("{issuer}/authorize"), query).unwrap();
    let back = url::Url::parse(&sign_in(url.as_str())).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client.as_str().unwrap()),
        ("redirect_uri", redirect),
        ("code_verifier", verifier),
        ("code", &code),
    ];
    let token = || common::post_form(&format!("{issuer}/token"), &form);
    assert_eq!(token().status, 200);
    let again = token();
    assert_eq!((again.status, &again.json()["error"]), (400, &serde_json::json!("invalid_grant")));
}
