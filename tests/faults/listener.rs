//! The real program's listener under attack: whatever comes, the login waits on, and it ends only as its
//! person wants it to (rules 13, 14, 16 and 17). Each attack by itself, and more of them, is in
//! `src/login/callback/attacks`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use crate::backend::{Backend, Message};
use crate::common::{Sandbox, approve, arrive, deny};
use crate::fixture::{Fixture, Logins, OTHER_KEY, each};

const NO_ARGS: [&str; 0] = [];
/// Seconds that a login waits which nobody finishes. The attacks take a fraction of one.
const PATIENCE: u32 = 5;
/// More than the listener keeps at once.
const SILENT: usize = 150;

/// How a login may end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Callback,
    Denial,
    Paste,
    Cancel,
    Time,
}
use End::{Callback, Cancel, Denial, Paste, Time};

#[test]
fn a_login_under_attack_ends_only_as_its_person_wants() {
    let ways =
        [("anthropic", "subscription", "anthropic.token"), ("openrouter", "browser", "openrouter.keys")];
    let cases =
        [Time, Callback, Denial, Paste, Cancel].into_iter().flat_map(|end| ways.map(|way| (end, way)));
    each(cases, 5, |(end, (login, method, route))| {
        let sandbox = Sandbox::start();
        // Without `state` nothing that comes to OpenRouter's callback ends a login.
        sandbox.switch(json!({"openrouter": {"echo_state": true}}));
        let fixture = Fixture::with(&sandbox.config_toml());
        if end == Time {
            let settings = std::fs::read_to_string(fixture.dir.paths().config_file()).unwrap();
            fixture
                .dir
                .write_config(&settings.replace("port = 0", &format!("port = 0\ntimeout = {PATIENCE}")));
        }
        fixture.put_key("openrouter@other", OTHER_KEY);
        let before = fixture.logins();
        let mut backend = Backend::start(&mut fixture.dir.convocations(NO_ARGS), json!({}));
        let start = json!({"login": login, "method": method, "confirmed": true});
        let id = backend.ok("login.start", start)["id"].clone();
        let opened = backend.stage("open-url");
        let url = opened["url"].as_str().unwrap();
        // The page is there to be answered again: who denies has not approved.
        let callback = Url::parse(&if end == Denial { deny(url) } else { approve(url) }).unwrap();
        let silent = attack(&callback);
        backend.event("login", |data| data["stage"] == "waiting" && data["ignored"].as_u64() > Some(0));
        let stages = stages(&backend);
        assert!(stages.iter().all(|stage| stage == "open-url" || stage == "waiting"), "{end:?}: {stages:?}");
        assert_eq!((sandbox.count(route), fixture.logins()), (0, before.clone()), "{end:?}");
        finish(end, &mut backend, &id, &callback);
        drop(silent);
        let asked = u64::from(matches!(end, Callback | Paste));
        assert_eq!(
            (sandbox.count(route), is_stored(&before, &fixture, login)),
            (asked, asked == 1),
            "{end:?}"
        );
        nobody_listens(&callback, &format!("{end:?}"));
        fixture.no_secret_wandered(&sandbox, &backend.last_words());
    });
}

/// What the person does, and what the editor is told then.
fn finish(end: End, backend: &mut Backend, id: &Value, callback: &Url) {
    let text = callback.as_str();
    let code = match end {
        Callback => {
            let page = arrive(text).text();
            assert!(page.contains("You are logged in"), "{page}");
            backend.stage("done");
            return;
        }
        Paste => {
            backend.ok("login.input", json!({"id": id, "text": text}));
            backend.stage("done");
            return;
        }
        Denial => {
            let page = arrive(&format!("{text}&error_description=%3Cscript%3E%1b%5B2Jplanted")).text();
            assert!(page.contains("did not work") && !page.contains("<script"), "{page}");
            "login_denied"
        }
        Cancel => {
            backend.ok("login.cancel", json!({"id": id}));
            "cancelled"
        }
        Time => "login_timeout",
    };
    let error = backend.stage("failed")["error"].clone();
    assert!(error["code"] == code && error["hint"].is_string() || code == "cancelled", "{error}");
    assert!(!error.to_string().contains("planted"), "{error}");
}

fn is_stored(before: &Logins, fixture: &Fixture, login: &str) -> bool {
    let after = fixture.logins();
    assert_eq!(after["openrouter@other"], before["openrouter@other"]);
    after.contains_key(login)
}

fn nobody_listens(callback: &Url, about: &str) {
    for address in ["127.0.0.1", "::1"] {
        let gone = || TcpStream::connect((address, callback.port().unwrap())).is_err().then_some(());
        crate::common::eventually(&format!("{about}: the end of the listener"), gone);
    }
}

fn stages(backend: &Backend) -> Vec<String> {
    let heard = backend.heard().into_iter();
    heard
        .filter_map(|message| match message {
            Message::Event(name, data) if name == "login" => Some(data["stage"].as_str()?.to_owned()),
            _ => None,
        })
        .collect()
}

/// Everything that is not the person's browser, with the right answer in hand where that makes it worse.
/// Returns the connections that stay open and silent.
fn attack(callback: &Url) -> Vec<TcpStream> {
    let port = callback.port().unwrap();
    let (host, path) = (format!("{}:{port}", callback.host_str().unwrap()), callback.path());
    let query = callback.query().unwrap();
    let right = format!("{path}?{query}");
    let get = |target: &str, headers: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
    let mut silent = Vec::new();
    for index in 0..SILENT {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        // One that was pushed out by a later one is as good.
        let _ = stream.write_all(if index % 2 == 0 { b"GET / HTTP/1.1\r\nX: " } else { b"" });
        silent.push(stream);
    }
    let mut requests = vec![
        (format!("GET {right} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "403"),
        (format!("GET {right} HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\n\r\n"), "403"),
        (format!("GET {right} HTTP/1.1\r\n\r\n"), "403"),
        (get(&right, "Host: evil.example\r\n"), "403"),
        (get(&right, "Origin: https://evil.example\r\n"), "403"),
        (get(&right, "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"), "403"),
        (get(&right, "Sec-Purpose: prefetch\r\n"), "403"),
        (format!("POST {right} HTTP/1.1\r\nHost: {host}\r\ncontent-length: 0\r\n\r\n"), "405"),
        (format!("HEAD {right} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (format!("OPTIONS {right} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (get(&format!("{right}&{query}"), ""), "400"),
        (get(path, ""), "400"),
        (get(&format!("{path}?state=%0d%0aX-Planted:%201"), ""), "400"),
        (get(&format!("{path}x?{query}"), ""), "404"),
        (get("/favicon.ico", ""), "404"),
        (get("/cancel", ""), "404"),
        (get("/done", ""), "404"),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n".to_owned(), "400"),
        (get(&format!("{path}?code={}", "a".repeat(1 << 20)), ""), "4"),
    ];
    let wrong =
        ["code=evil&state=wrong", "code=evil", "error=access_denied&state=wrong", "error=access_denied"];
    // OpenRouter may leave `state` out: what comes without it is tried there, which asks the provider.
    let tried = |query: &&str| path.contains("openrouter") && *query == "code=evil";
    let wrong = wrong.into_iter().filter(|query| !tried(query));
    requests.extend(wrong.map(|query| (get(&format!("{path}?{query}"), ""), "400")));
    for (request, status) in requests {
        let answer = say(port, request.as_bytes());
        let shown = request.get(..60).unwrap_or(&request);
        let is_cut = status == "4" && answer.is_empty();
        assert!(is_cut || answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {answer}");
        assert!(!answer.to_ascii_lowercase().contains("planted"), "{shown:?}: {answer}");
    }
    silent
}

/// Sends bytes and reads to the end; a reset counts as one.
fn say(port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
