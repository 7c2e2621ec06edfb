//! Headless Chromium with one tab, driven by its DevTools protocol over pipes: no port, no driver program.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dir::TestDir;
use super::process::wait_for;

/// Longest wait for a page.
const LIMIT: Duration = Duration::from_secs(60);

/// A browser and one of its tabs.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last_id: u64,
    /// What was reported between the answers.
    events: Vec<Value>,
    _home: TestDir,
}

impl Browser {
    /// `None` where no Chromium is installed.
    pub fn start() -> Option<Self> {
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
        let mut browser =
            Self { process, to, from, session: None, last_id: 0, events: Vec::new(), _home: home };
        browser.open_tab();
        Some(browser)
    }

    /// Opens another tab of the same window and goes on in it; returns the one before.
    pub fn open_tab(&mut self) -> Tab {
        let before = self.session.take();
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call("Target.attachToTarget", attach);
        self.session = Some(session["sessionId"].as_str().unwrap().to_owned());
        self.call("Log.enable", json!({}));
        Tab(before)
    }

    /// Goes on in a tab that was left; returns the one that is left now.
    pub fn switch_to(&mut self, tab: Tab) -> Tab {
        Tab(std::mem::replace(&mut self.session, tab.0))
    }

    /// What the browser wrote into its console so far: refusals of a policy among it.
    pub fn console(&mut self) -> String {
        self.evaluate("''");
        let entries = self.events.iter().filter(|event| event["method"] == "Log.entryAdded");
        entries.map(|event| format!("{}\n", event["params"]["entry"]["text"])).collect()
    }

    /// A picture of the tab as a window of this size shows it, as PNG.
    pub fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        use base64::Engine as _;
        self.resize(width, height);
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// Makes the window that large, in CSS pixels.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// A command of the protocol, and its result.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
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
            self.events.push(answer);
        }
    }

    /// The text that a script gives.
    pub fn evaluate(&mut self, expression: &str) -> String {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", params)["result"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Opens an address.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
    }

    /// Waits until a text stands on the page, and returns all that a person sees, the address first.
    pub fn sees(&mut self, text: &str) -> String {
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

    /// Clicks the button with this value, as soon as it is there: a page's first words may come before it.
    pub fn press(&mut self, button: &str) {
        let find = format!("document.querySelector('button[value={button}]')");
        let script = format!("(button => button ? (button.click(), 'pressed') : '')({find})");
        let end = Instant::now() + LIMIT;
        while self.evaluate(&script) != "pressed" {
            assert!(Instant::now() < end, "there is no button {button:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether anything sticks out of the window's width.
    pub fn overflows(&mut self) -> bool {
        self.evaluate("String(document.documentElement.scrollWidth > document.documentElement.clientWidth)")
            == "true"
    }
}

/// A tab that was left.
pub struct Tab(Option<String>);

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close, it takes its helpers along and leaves its profile alone.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        wait_for(Duration::from_secs(5), || self.process.try_wait().ok().flatten());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
