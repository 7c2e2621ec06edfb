//! A real browser: headless Chromium goes through the consent page to ours, and we look at what a person sees
//! there.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use convocations::error::Code;
use serde_json::{Value, json};

use crate::common::TestDir;
use crate::common::process::wait_for;
use crate::desk::{Desk, person};

/// Longest wait for a page.
const LIMIT: Duration = Duration::from_secs(60);

/// Headless Chromium with one tab, driven by its DevTools protocol over pipes: no port, no driver program.
struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last_id: u64,
    _home: TestDir,
}

impl Browser {
    /// `None` where no Chromium is installed.
    fn start() -> Option<Self> {
        let found = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(found)?;
        let home = TestDir::new();
        let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
            --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage";
        // The protocol is spoken on descriptors 3 and 4.
        let script = format!(
            "exec {program} {flags} --remote-debugging-pipe --user-data-dir=\"$0\" 3<&0 4>&1 >/dev/null 2>&1"
        );
        let mut process = home
            .command("sh")
            .args(["-c", &script, home.path().join("profile").to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut browser = Self { process, to, from, session: None, last_id: 0, _home: home };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session =
            Some(browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned());
        Some(browser)
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).unwrap();
            assert_eq!(answer.pop(), Some(0), "Chromium has ended");
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == self.last_id {
                return answer["result"].clone();
            }
        }
    }

    fn evaluate(&mut self, expression: &str) -> String {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", params)["result"]["value"].as_str().unwrap_or_default().to_owned()
    }

    fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Waits until a text stands on the page, and returns all that a person sees, the address first.
    fn sees(&mut self, text: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let seen =
                self.evaluate("location.href + '\\n' + document.title + '\\n' + document.body.innerText");
            if seen.contains(text) {
                return seen;
            }
            assert!(Instant::now() < end, "no {text:?} in {seen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, button: &str) {
        let script = format!("document.querySelector('button[value={button}]').click(), 'pressed'");
        assert_eq!(self.evaluate(&script), "pressed");
    }

    /// Whether anything sticks out of the window's width.
    fn overflows(&mut self) -> bool {
        self.evaluate("String(document.documentElement.scrollWidth > document.documentElement.clientWidth)")
            == "true"
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close, it takes its helpers along and leaves its profile alone.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        wait_for(Duration::from_secs(5), || self.process.try_wait().ok().flatten());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Opens the address, presses the button, and returns what stands on the page in the end.
fn through(url: String, button: &'static str, text: &'static str) -> Option<String> {
    let mut browser = Browser::start()?;
    browser.go(&url);
    browser.sees("OpenRouter");
    browser.press(button);
    let seen = browser.sees(text);
    assert!(!browser.overflows(), "the page is wider than its window");
    Some(seen)
}

fn skipped() {
    eprintln!("SKIPPED: no Chromium here; install the package `chromium` to look at the login's pages.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_worked() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through(url, "approve", "You can close this tab")).await else {
        return skipped();
    };
    assert!(seen.contains("You are signed in to OpenRouter"), "{seen}");
    assert!(seen.contains("Kept in\nan encrypted file on this machine"), "{seen}");
    assert!(seen.contains("go back to Neovim"), "{seen}");
    let address = seen.lines().next().unwrap();
    assert!(
        !address.contains("code") && !address.contains('?'),
        "the code stays in the address bar: {address}"
    );
    login.done().await;
    login.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_did_not() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through(url, "deny", "You can close this tab")).await else {
        return skipped();
    };
    assert!(seen.contains("Signing in to OpenRouter did not work"), "{seen}");
    assert!(seen.contains("was not allowed") && seen.contains(":ConvLogin openrouter"), "{seen}");
    login.failed(Code::LoginDenied).await;
}
