//! The sandbox as a process of its own, and its `/_control` as methods.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::http;
use super::process::heed_signals;

/// A running sandbox; ended when dropped, and also when the test process dies.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    url: String,
    ready: Value,
}

impl Sandbox {
    /// Starts one on a free port.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more arguments, as `["--lifetime", "60"]`.
    pub fn start_with(args: &[&str]) -> Self {
        let mut child = heed_signals(&mut Command::new(program()))
            .arg("--stdin")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let url = ready["url"].as_str().unwrap().to_owned();
        Self { child, url, ready }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `https://localhost:PORT` and the PEM of the authority to trust, if it was started with `--tls`.
    pub fn tls(&self) -> (&str, &str) {
        let text = |name: &str| self.ready[name].as_str().expect("a sandbox that was started with --tls");
        (text("tls_url"), text("ca_pem"))
    }

    /// The URL of a path that begins with a slash.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The config.toml that points the built-in providers here.
    pub fn config_toml(&self) -> String {
        self.read("config").text()
    }

    /// Plants a fault on a route for the next `times` calls; see [`fault`] for the usual ones.
    #[track_caller]
    pub fn fault(&self, route: &str, times: u32, fault: Value) {
        self.plant(json!({ "route": route, "times": times, "fault": fault }));
    }

    /// Plants a fault on a route until [`Sandbox::no_faults`].
    #[track_caller]
    pub fn fault_for_ever(&self, route: &str, fault: Value) {
        self.plant(json!({ "route": route, "fault": fault }));
    }

    /// Plants a fault on the next refresh at a route.
    #[track_caller]
    pub fn fault_refresh(&self, route: &str, times: u32, fault: Value) {
        self.plant(json!({ "route": route, "grant": "refresh_token", "times": times, "fault": fault }));
    }

    /// Plants any fault: `{route, grant?, times?, skip?, fault}`.
    #[track_caller]
    pub fn plant(&self, planted: Value) {
        self.control("fault", planted);
    }

    /// Removes all faults and lets go whoever is held.
    pub fn no_faults(&self) {
        http::request("DELETE", &self.at("/_control/fault"), &[], b"");
    }

    /// Lets go what [`fault::hold`] holds under this name.
    #[track_caller]
    pub fn release(&self, name: &str) {
        self.control("release", json!({ "name": name }));
    }

    /// Moves the providers' clock.
    #[track_caller]
    pub fn advance(&self, seconds: i64) {
        self.control("clock", json!({ "advance": seconds }));
    }

    /// Sets switches, as `{"consent":"auto","anthropic":{"tokens":{"reuse":"revoke-family"}}}`.
    #[track_caller]
    pub fn switch(&self, switches: Value) {
        self.control("switches", switches);
    }

    /// Sets the seconds that access tokens live, at every provider.
    #[track_caller]
    pub fn lifetime(&self, seconds: i64) {
        self.control("lifetime", json!({ "seconds": seconds }));
    }

    /// Ends all access tokens of a provider before their time.
    #[track_caller]
    pub fn expire(&self, provider: &str) {
        self.control("expire", json!({ "provider": provider }));
    }

    /// Ends everything of a provider: refresh tokens and keys too.
    #[track_caller]
    pub fn revoke_all(&self, provider: &str) {
        self.control("expire", json!({ "provider": provider, "what": "all" }));
    }

    /// A valid credential without a login (`oauth` or `api-key`): the provider's own reply.
    #[track_caller]
    pub fn mint(&self, provider: &str, kind: &str) -> Value {
        self.control("mint", json!({ "provider": provider, "kind": kind }))
    }

    /// Forgets everything.
    #[track_caller]
    pub fn reset(&self) {
        self.control("reset", json!({}));
    }

    /// All calls: `{total, routes: {ROUTE: n}, grants: {"ROUTE:GRANT": n}, list: [{route, method, path,
    /// query, headers, fields, at, status}]}`.
    pub fn calls(&self) -> Value {
        self.read("calls").json()
    }

    /// How many calls a route has had.
    pub fn count(&self, route: &str) -> u64 {
        self.calls()["routes"][route].as_u64().unwrap_or(0)
    }

    /// How many refreshes a token route has had.
    pub fn refreshes(&self, route: &str) -> u64 {
        self.calls()["grants"][format!("{route}:refresh_token")].as_u64().unwrap_or(0)
    }

    /// The calls of a route, in order.
    pub fn calls_of(&self, route: &str) -> Vec<Value> {
        let calls = self.calls();
        let list = calls["list"].as_array().unwrap();
        list.iter().filter(|call| call["route"] == route).cloned().collect()
    }

    /// Forgets the calls.
    pub fn forget_calls(&self) {
        http::request("DELETE", &self.at("/_control/calls"), &[], b"");
    }

    /// Waits until a route has had `count` calls; they may still be in progress. Panics after 10 s.
    #[track_caller]
    pub fn wait_for_calls(&self, route: &str, count: u64) {
        let answer = http::get(&self.at(&format!("/_control/wait?route={route}&count={count}&ms=10000")));
        assert_eq!(answer.status, 200, "{route} was called {} times, not {count}", answer.text());
    }

    /// Waits until a call has come to a hold: see [`fault::hold`] and [`fault::hold_reply`]. Panics after 10
    /// s.
    #[track_caller]
    pub fn wait_for_hold(&self, name: &str) {
        let answer = http::get(&self.at(&format!("/_control/wait?held={name}&ms=10000")));
        assert_eq!(answer.status, 200, "nothing came to hold {name}");
    }

    /// What is valid now and what was ever given out, by provider.
    pub fn tokens(&self) -> Value {
        self.read("tokens").json()
    }

    /// What is valid now, by provider.
    pub fn valid(&self) -> Value {
        self.read("valid").json()
    }

    /// Every token, key and code that the sandbox has ever given out, for searches after leaks.
    pub fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        texts(&self.tokens(), &mut found);
        found.sort();
        found.dedup();
        found
    }

    fn read(&self, name: &str) -> http::Response {
        http::get(&self.at(&format!("/_control/{name}")))
    }

    /// Any control call; panics if it is refused.
    #[track_caller]
    pub fn control(&self, name: &str, body: Value) -> Value {
        let answer = http::post_json(&self.at(&format!("/_control/{name}")), &body);
        assert_eq!(answer.status, 200, "{name} {body}: {}", answer.text());
        answer.json()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(map) => map.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// The usual faults. They are JSON, so any two can be merged by hand; all fields are in
/// `tests/sandbox/fault.rs`.
pub mod fault {
    use serde_json::{Value, json};

    /// A bare status with a body that says nothing.
    pub fn status(status: u16) -> Value {
        json!({ "status": status, "body": "" })
    }

    /// A status with a JSON body.
    pub fn json_body(status: u16, body: Value) -> Value {
        json!({ "status": status, "body": body })
    }

    /// `{"error": code}` with a status.
    pub fn oauth_error(status: u16, code: &str) -> Value {
        json!({ "status": status, "body": { "error": code } })
    }

    /// 429 with `Retry-After` in seconds.
    pub fn rate_limited(seconds: u32) -> Value {
        json!({ "status": 429, "body": { "error": { "type": "rate_limit_error" } }, "retry_after": seconds })
    }

    /// Nothing is done before so many milliseconds have passed.
    pub fn delay(ms: u64) -> Value {
        json!({ "delay_ms": ms })
    }

    /// Nothing is done before the test releases this name.
    pub fn hold(name: &str) -> Value {
        json!({ "hold": name })
    }

    /// All is done, and then the answer waits until the test releases this name.
    pub fn hold_reply(name: &str) -> Value {
        json!({ "hold_reply": name })
    }

    /// Never an answer.
    pub fn hang() -> Value {
        json!({ "hang": true })
    }

    /// The connection is cut before anything is done.
    pub fn dropped() -> Value {
        json!({ "drop": "before" })
    }

    /// All is done, rotation included, and the reply is lost.
    pub fn lost_reply() -> Value {
        json!({ "drop": "after" })
    }

    /// `html`, `empty`, `truncated`, `cut-short`, `huge`, `gzip-bomb` or `binary`.
    pub fn shape(shape: &str) -> Value {
        json!({ "shape": shape })
    }

    /// The reply without these fields.
    pub fn omit(names: &[&str]) -> Value {
        json!({ "omit": names })
    }

    /// The reply with these fields set, of whatever type.
    pub fn set(fields: Value) -> Value {
        json!({ "set": fields })
    }

    /// A redirect.
    pub fn redirect(to: &str) -> Value {
        json!({ "status": 302, "body": "", "headers": { "location": to } })
    }

    /// The body byte by byte.
    pub fn drip(ms: u64) -> Value {
        json!({ "drip_ms": ms })
    }
}

/// The sandbox's program: `CONVOCATIONS_SANDBOX`, or the example, built once for each test process.
fn program() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let build = || match std::env::var_os("CONVOCATIONS_SANDBOX") {
        Some(program) => current(program.into()),
        None => build_example("sandbox").join(format!("sandbox{}", std::env::consts::EXE_SUFFIX)),
    };
    PROGRAM.get_or_init(build).clone()
}

/// A program that is given is built already: an old one fails many tests, none of which says why. Cargo lists
/// the sources beside it.
fn current(program: PathBuf) -> PathBuf {
    let changed = |path: &std::path::Path| path.metadata().and_then(|found| found.modified()).ok();
    let list = std::fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    let newer = list.split_whitespace().find(|source| {
        source.contains("/tests/sandbox/")
            && changed(source.as_ref()).is_none_or(|at| Some(at) > changed(&program))
    });
    assert_eq!(newer, None, "newer than {}: `cargo build --example sandbox`", program.display());
    program
}

/// Builds an example as this test was built, and returns the folder that it is in then.
pub fn build_example(name: &str) -> PathBuf {
    // target/PROFILE/deps/THIS-TEST → target/PROFILE/examples
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(std::path::Path::parent).unwrap();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    build.args(["build", "--quiet", "--example", name]).current_dir(env!("CARGO_MANIFEST_DIR"));
    build.arg("--target-dir").arg(profile.parent().unwrap());
    // What cargo tells a test about its package must not reach the build: ring's build script watches these
    // variables, and everything above it would be built anew each time.
    let foreign = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| foreign(name)).for_each(|name| {
        build.env_remove(name);
    });
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the example {name} does not build");
    profile.join("examples")
}
