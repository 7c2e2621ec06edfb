//! A place to log in from: the sandbox, a home of its own, and the library's logins.

use std::time::Duration;

use convocations::broker::Broker;
use convocations::config::Config;
use convocations::credential::Tokens;
use convocations::error::{Code, Error, Result};
use convocations::login::{LoginEvent, LoginRequest, Logins, Stage};
use convocations::oauth::{Client, Wire};
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::Store;
use convocations::wording::Face;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::common::http::Response;
use crate::common::{Sandbox, TestDir, browser};

/// Longest wait for anything that must happen.
const LIMIT: Duration = Duration::from_secs(20);

pub struct Fixture {
    pub dir: TestDir,
    pub sandbox: Sandbox,
    pub services: Services,
    pub logins: Logins,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more config.toml.
    pub fn with(config: &str) -> Self {
        Self::describing(|_| config.to_owned())
    }

    /// With more config.toml that is made of the sandbox's URL.
    pub fn describing(config: impl FnOnce(&str) -> String) -> Self {
        Self::in_store("local-encrypted", config)
    }

    /// With another store than the file.
    pub fn in_store(backend: &str, config: impl FnOnce(&str) -> String) -> Self {
        let (dir, sandbox) = (TestDir::new(), Sandbox::start());
        let config = config(sandbox.url());
        let port = if config.contains("[callback]") { "" } else { "[callback]\nport = 0\n" };
        let all = format!("[store]\nbackend = \"{backend}\"\n{port}{config}\n{}", sandbox.config_toml());
        dir.write_config(&all);
        let services = services(&dir);
        Self { dir, sandbox, services, logins: Logins::default() }
    }

    /// Starts a login that a browser can be opened for, with its notice accepted.
    pub fn start(&self, login: &str, method: &str) -> Login {
        self.try_start(login, Some(method), true, true).unwrap()
    }

    /// Starts one without a browser.
    pub fn start_headless(&self, login: &str, method: Option<&str>) -> Login {
        self.try_start(login, method, false, true).unwrap()
    }

    /// Starts one that has nothing in common with the others but the store.
    pub fn start_in_another_process(&self, login: &str, method: &str) -> Login {
        let logins = Logins::default();
        let (sender, events) = mpsc::unbounded_channel();
        let (login, method) = (login.parse().unwrap(), Some(method.to_owned()));
        let request = LoginRequest {
            login,
            method,
            browser: true,
            confirmed: true,
            challenge: None,
            organization: None,
            place: Face::Editor,
        };
        let id = logins.start(&services(&self.dir), request, sender).unwrap();
        Login { id, events, logins, seen: Vec::new() }
    }

    pub fn try_start(
        &self,
        login: &str,
        method: Option<&str>,
        browser: bool,
        confirmed: bool,
    ) -> Result<Login> {
        let (sender, events) = mpsc::unbounded_channel();
        let request = LoginRequest {
            login: login.parse().unwrap(),
            method: method.map(Into::into),
            browser,
            confirmed,
            challenge: None,
            organization: None,
            place: Face::Editor,
        };
        let id = self.logins.start(&self.services, request, sender)?;
        Ok(Login { id, events, logins: self.logins.clone(), seen: Vec::new() })
    }

    /// Starts one for an organization of the person's.
    pub fn try_start_in(&self, login: &str, method: &str, organization: &str) -> Result<Login> {
        let (sender, events) = mpsc::unbounded_channel();
        let request = LoginRequest {
            login: login.parse().unwrap(),
            method: Some(method.to_owned()),
            browser: true,
            confirmed: true,
            challenge: None,
            organization: Some(organization.to_owned()),
            place: Face::Editor,
        };
        let id = self.logins.start(&self.services, request, sender)?;
        Ok(Login { id, events, logins: self.logins.clone(), seen: Vec::new() })
    }

    /// Takes other settings for its providers.
    pub fn rewrite(&mut self, providers: &str) {
        let store = "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n";
        self.dir.write_config(&format!("{store}{providers}"));
        self.services = services(&self.dir);
    }

    /// Who hands tokens out, as in another process.
    pub fn broker(&self) -> Broker {
        Broker::new(services(&self.dir))
    }

    /// Who asks the provider about what it has given out, by its first method.
    pub fn client(&self, provider: &str, tokens: &Tokens) -> Client {
        let described = self.services.config.provider(provider).unwrap();
        self.client_by(provider, &described.default_method().unwrap().id, tokens)
    }

    /// The same by a method, with the client secret that is stored.
    pub fn client_by(&self, provider: &str, method: &str, tokens: &Tokens) -> Client {
        let Services { config, store, http, clock, .. } = self.services.clone();
        let provider = config.provider(provider).unwrap();
        let stored = provider.client_login().and_then(|login| store.read(&login).unwrap());
        let method = provider.method(method).unwrap().clone();
        let secret = stored.map(|stored| stored.tokens.access_token);
        Client::of_login(Wire { provider, http, clock }, &method, secret, tokens).unwrap()
    }

    /// What is stored, read by another store as another process would.
    pub fn stored(&self, login: &str) -> Option<Tokens> {
        let store = services(&self.dir).store;
        store.read(&login.parse().unwrap()).unwrap().map(|stored| stored.tokens)
    }

    /// Lets OpenRouter give `state` back, so that what comes with it may end a login.
    pub fn echo_state(&self) {
        self.sandbox.switch(serde_json::json!({ "openrouter": { "echo_state": true } }));
    }

    /// The names of all stored logins.
    pub fn names(&self) -> Vec<String> {
        let index = services(&self.dir).store.index().unwrap();
        index.logins.keys().map(|login| login.to_string()).collect()
    }
}

fn services(dir: &TestDir) -> Services {
    let config = Config::load(&dir.paths(), None).unwrap();
    let store = Store::new(&dir.paths(), &config.store);
    Services::new(config, store)
}

/// A login that runs.
pub struct Login {
    pub id: u64,
    events: UnboundedReceiver<LoginEvent>,
    logins: Logins,
    /// `Debug` of all events, for searches after leaks.
    pub seen: Vec<String>,
}

/// Where the person is to go.
pub struct Opened {
    pub url: String,
    pub paste_url: Option<String>,
    pub port: Option<u16>,
    pub notice: Option<String>,
}

impl Login {
    pub async fn event(&mut self) -> LoginEvent {
        let event = tokio::time::timeout(LIMIT, self.events.recv()).await.expect("an event in time");
        let event = event.expect("an event before the end");
        self.seen.push(format!("{event:?}"));
        event
    }

    pub async fn opened(&mut self) -> Opened {
        match self.event().await.stage {
            Stage::OpenUrl { url, paste_url, port, notice, loopback, .. } => {
                assert_eq!(loopback, port.is_some());
                let paste_url = paste_url.map(|url| url.expose().to_owned());
                Opened { url: url.expose().to_owned(), paste_url, port, notice }
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next `waiting` that says something, and whether the provider said it.
    pub async fn told(&mut self) -> (String, bool) {
        loop {
            if let Stage::Waiting { notice, error, .. } = self.event().await.stage {
                match (notice, error) {
                    (Some(notice), _) => return (notice, false),
                    (None, Some(error)) => return (error.message().to_owned(), true),
                    (None, None) => {}
                }
            }
        }
    }

    /// The next event that is not `waiting`.
    pub async fn next(&mut self) -> LoginEvent {
        loop {
            let event = self.event().await;
            if !matches!(event.stage, Stage::Waiting { .. }) {
                return event;
            }
        }
    }

    pub async fn exchanging(&mut self) {
        let event = self.next().await;
        assert!(matches!(event.stage, Stage::Exchanging), "{event:?}");
    }

    /// The last event, which is to be `done`.
    pub async fn done(&mut self) -> LoginEvent {
        let event = self.last().await;
        assert!(matches!(event.stage, Stage::Done { .. }), "{event:?}");
        event
    }

    /// The last event, which is to be `failed` with this code.
    pub async fn failed(&mut self, code: Code) -> Error {
        match self.last().await.stage {
            Stage::Failed { error } => {
                assert_eq!(error.code(), code, "{error:?}");
                assert!(error.message().ends_with('.'), "{error:?}");
                error
            }
            other => panic!("{other:?}"),
        }
    }

    async fn last(&mut self) -> LoginEvent {
        loop {
            let event = self.next().await;
            if event.stage.is_last() {
                return event;
            }
        }
    }

    /// Waits until the login has ended altogether: nothing comes after its last event.
    pub async fn over(&mut self) {
        let end = tokio::time::timeout(LIMIT, self.events.recv()).await.expect("an end in time");
        assert!(end.is_none(), "{end:?} after the last event");
    }

    pub async fn paste(&self, text: &str) -> Result<()> {
        self.logins.input(self.id, Secret::new(text)).await
    }

    /// Lets go of its share in the logins.
    pub fn forget_logins(&mut self) {
        self.logins = Logins::default();
    }

    pub fn cancel(&self) {
        self.logins.cancel(self.id);
    }
}

/// Blocking work of the person at the browser.
pub async fn person<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Approves, and returns where the browser is sent.
pub async fn approve(url: &str) -> String {
    let url = url.to_owned();
    person(move || browser::approve(&url)).await
}

/// One request of the browser.
pub async fn visit(url: &str) -> Response {
    let url = url.to_owned();
    person(move || browser::visit(&url)).await
}

/// Requests a callback, follows it to the page of the end, and returns what stands there.
pub async fn arrive(url: &str) -> String {
    let answer = visit(url).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    let next = url::Url::parse(url).unwrap().join(&answer.location()).unwrap();
    assert!(next.query().is_none(), "the code is still in the address: {next}");
    let page = visit(next.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.text());
    page.text()
}

/// Whether anybody answers on the port of loopback, on either stack.
pub fn listens(port: u16) -> bool {
    ["127.0.0.1", "::1"].iter().any(|host| std::net::TcpStream::connect((*host, port)).is_ok())
}

/// A parameter of a URL's query.
pub fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
