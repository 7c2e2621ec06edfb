//! Every way to a login that the sandbox plays.

use serde_json::{Value, json};

use crate::backend::Backend;
use crate::common::{Sandbox, TestDir, approve, approve_device, arrive, visit};

/// How the person gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Person {
    /// By a page that sends the browser back.
    Browser,
    /// By a page, whose address is then pasted.
    Paste,
    /// By typing a device code.
    Device,
    /// By a key that they have.
    Key,
}

/// One way.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub login: &'static str,
    pub method: &'static str,
    pub person: Person,
    /// The route that a refresh asks, if what comes out can be refreshed.
    pub refresh: Option<&'static str>,
}

const fn way(
    login: &'static str,
    method: &'static str,
    person: Person,
    refresh: Option<&'static str>,
) -> Way {
    Way { login, method, person, refresh }
}

/// All ways but the keys of providers that know nothing else.
pub const WAYS: &[Way] = &[
    way("anthropic", "subscription", Person::Browser, Some("anthropic.token")),
    way("anthropic", "subscription", Person::Paste, None),
    way("anthropic", "console-key", Person::Browser, None),
    way("openrouter", "browser", Person::Browser, None),
    way("openrouter", "browser", Person::Paste, None),
    way("github-copilot", "device", Person::Device, Some("github.copilot-token")),
    way("github-copilot", "direct", Person::Device, None),
    way("openai", "chatgpt", Person::Browser, Some("openai.token")),
    way("openai", "device", Person::Device, None),
    way("kimi", "device", Person::Device, Some("kimi.token")),
    way("corp", "browser", Person::Browser, Some("generic.token")),
    way("corp", "device", Person::Device, None),
    way("relative", "browser", Person::Browser, None),
    way("kimi-ai", "device", Person::Device, None),
    way("huggingface", "browser", Person::Browser, Some("huggingface.token")),
    way("huggingface", "device", Person::Device, None),
    way("poe", "browser", Person::Browser, None),
    way("nanogpt", "device", Person::Device, None),
    way("llmgateway", "browser", Person::Browser, None),
    way("llmgateway", "browser", Person::Paste, None),
    way("tetrate", "browser", Person::Browser, None),
];

/// A key that stands for a person's own.
pub const KEY: &str = "sk-planted-0123456789abcdefghij";

/// A sandbox that plays all of them quickly.
pub fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({
        "openrouter": { "echo_state": true },
        "github": { "interval": 1 },
        "huggingface": { "interval": 1, "ports": [] },
        "kimi": { "interval": 1 },
        "nanogpt": { "interval": 1 },
        "openai": { "device_interval": 1, "ports": [] },
        "generic": { "interval": 1, "registration_secret": true },
    }));
    sandbox
}

/// A home with settings for all of them, and a log of everything.
pub fn home(sandbox: &Sandbox) -> TestDir {
    let (dir, url) = (TestDir::new(), sandbox.url());
    dir.write_config(&format!(
        r#"[store]
backend = "local-encrypted"
[callback]
port = 0
[http]
timeout = 2
{}
[providers.openai.login.chatgpt.redirect]
ports = "any"
[providers.huggingface.login.browser.redirect]
ports = "any"
[providers.corp]
name = "Corp"
issuer = "{url}/generic"
scopes = ["openid", "offline_access"]
[providers.relative.login.browser]
grant = "mint-key"
authorize_url = "{url}/tetrate/auth"
token_url = "{url}/tetrate/api/api-keys/verify"
redirect_param = "callback"
redirect = {{ nonce = true }}
"#,
        sandbox.config_toml()
    ));
    dir
}

/// A backend that logs everything.
pub fn backend(dir: &TestDir) -> Backend {
    let mut command = dir.convocations(Vec::<String>::new());
    Backend::start(command.env("CONVOCATIONS_LOG", "debug"), json!({}))
}

/// Logs in; the address and code that the person was shown are in what the backend sent.
pub fn log_in(backend: &mut Backend, way: Way) {
    let end = try_log_in(backend, way);
    assert_eq!(end["stage"], "done", "{way:?}: {end}");
}

/// The same, whatever comes of it; returns the last stage.
pub fn try_log_in(backend: &mut Backend, way: Way) -> Value {
    let start = json!({ "login": way.login, "method": way.method, "confirmed": true });
    let id = backend.ok("login.start", start)["id"].clone();
    let first = match way.person {
        Person::Browser | Person::Paste => "open-url",
        Person::Device => "device-code",
        Person::Key => "waiting",
    };
    let shown = backend.event("login", |data| data["stage"] == first || data["stage"] == "failed");
    if shown["stage"] == "failed" {
        return shown;
    }
    match way.person {
        Person::Browser => {
            let callback = approve(&text(&shown, "url"));
            // Where there is no state, the path is the secret.
            if callback.contains("state=") {
                visit(&callback.replacen("state=", "state=stray", 1));
            }
            arrive(&callback);
        }
        Person::Paste => {
            let callback = approve(&text(&shown, "url"));
            let name = if callback.contains("code=") { "code" } else { "key" };
            let twice = callback.replacen(&format!("{name}="), &format!("{name}=twice&{name}="), 1);
            let wrong = json!({ "id": id, "text": twice });
            backend.fails("login.input", wrong, "invalid_argument");
            backend.ok("login.input", json!({ "id": id, "text": callback }));
        }
        Person::Device => {
            approve_device(&text(&shown, "verification_uri"), &text(&shown, "user_code"), "ada");
        }
        Person::Key => {
            backend.ok("login.input", json!({ "id": id, "text": KEY }));
        }
    }
    backend.event("login", |data| data["stage"] == "done" || data["stage"] == "failed")
}

/// A text field.
pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}")).to_owned()
}
