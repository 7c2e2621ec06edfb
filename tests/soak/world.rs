//! Logins, the brokers that use them, and the clocks.

use std::collections::BTreeMap;
use std::time::Duration;

use convocations::broker::Broker;
use convocations::clock::Clock;
use convocations::config::Config;
use convocations::credential::{Kind, Tokens};
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::{NewLogin, Store};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::common::{Sandbox, TestDir};
use crate::truth::Truth;

/// Seconds that an access token lives.
pub const LIFE: i64 = 30;

/// Login, method, the sandbox's name of the provider, the route that a refresh asks.
pub const LOGINS: &[(&str, &str, &str, &str)] = &[
    ("anthropic@one", "subscription", "anthropic", "anthropic.token"),
    ("anthropic@two", "subscription", "anthropic", "anthropic.token"),
    ("openai@one", "chatgpt", "openai", "openai.token"),
    ("kimi@one", "device", "kimi", "kimi.token"),
    ("kimi@two", "device", "kimi", "kimi.token"),
    ("corp@one", "browser", "generic", "generic.token"),
    ("github-copilot@one", "device", "github", "github.copilot-token"),
];

/// One process: its broker and what it does unasked.
pub struct Process {
    pub broker: Broker,
    background: JoinHandle<()>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.background.abort();
    }
}

pub struct World {
    pub sandbox: Sandbox,
    pub random: StdRng,
    pub processes: Vec<Process>,
    pub clock: Clock,
    pub truth: Truth,
    /// What has happened, by name.
    pub happened: BTreeMap<&'static str, u64>,
    /// Whether there is time for providers that never answer.
    pub patient: bool,
    /// Seconds by which the clock here is ahead of the providers'.
    pub skew: i64,
    began: i64,
    dir: TestDir,
    config: Config,
}

impl World {
    pub fn new(seed: u64, patient: bool) -> Self {
        let (sandbox, dir) = (Sandbox::start_with(&["--lifetime", "30"]), TestDir::new());
        sandbox.switch(json!({ "anthropic": { "tokens": { "reuse": "revoke-family" } } }));
        let url = sandbox.url();
        dir.write_config(&format!(
            "[store]\nbackend = \"local-encrypted\"\n[http]\ntimeout = 5\n{}\n[providers.corp.login.browser]\n\
             grant = \"authorization-code\"\nauthorize_url = \"{url}/generic/authorize\"\n\
             token_url = \"{url}/generic/token\"\nrevoke_url = \"{url}/generic/revoke\"\n\
             client_id = \"sandbox-public\"\nredirect = {{}}\n",
            sandbox.config_toml()
        ));
        let config = Config::load(&dir.paths(), None).unwrap();
        let began = Clock::System.now();
        let mut world = Self {
            sandbox,
            random: StdRng::seed_from_u64(seed),
            processes: Vec::new(),
            clock: Clock::manual(began),
            truth: Truth::default(),
            happened: BTreeMap::new(),
            patient,
            skew: 0,
            began,
            dir,
            config,
        };
        world.processes = (0..3).map(|_| world.process()).collect();
        LOGINS.iter().for_each(|(login, ..)| world.log_in(&login.parse().unwrap()));
        world
    }

    /// A process that has just started: it knows nothing but the store.
    pub fn process(&self) -> Process {
        let broker = Broker::new(Services {
            clock: self.clock.clone(),
            ..Services::new(self.config.clone(), self.store())
        });
        let background = broker.run_background();
        Process { broker, background }
    }

    pub fn store(&self) -> Store {
        Store::new(&self.dir.paths(), &self.config.store)
    }

    /// Makes a login, over an older one if there is one, as a person's login does.
    pub fn log_in(&mut self, login: &LoginId) {
        let (_, method, provider, _) = about(login);
        let minted = self.sandbox.mint(provider, "oauth");
        let (store, tokens) = (self.store(), tokens(provider, &minted, self.clock.now()));
        let new = NewLogin::new(method, Kind::Oauth, tokens);
        let _turn = store.lock_login(login).unwrap();
        store.put(login, new).unwrap();
        self.truth.logged_in(login);
    }

    /// Lets time pass, here and at the providers.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
        self.sandbox.advance(seconds);
    }

    pub fn count(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    pub fn report(&self) -> String {
        let hours = (self.clock.now() - self.skew - self.began) / 3600;
        format!("{hours} hours by the clock; {:?}; {}", self.happened, self.truth.report())
    }

    /// That the run was one: all that it is about has come up, on a slow machine too.
    pub fn enough_happened(&self, limit: Duration) {
        let times = |what: &str| self.happened.get(what).copied().unwrap_or_default();
        assert!(times("token") > limit.as_secs(), "{}", self.report());
        assert!(times("fault") > limit.as_secs() / 4, "{}", self.report());
        assert!(self.truth.refreshes > limit.as_secs() / 4, "{}", self.report());
    }
}

/// The line of a login.
pub fn about(login: &LoginId) -> (&'static str, &'static str, &'static str, &'static str) {
    *LOGINS.iter().find(|(name, ..)| *name == login.as_str()).unwrap()
}

fn tokens(provider: &str, minted: &Value, now: i64) -> Tokens {
    let text = |name: &str| minted[name].as_str().map(Secret::new);
    let mut tokens = Tokens::api_key(text("access_token").unwrap(), now);
    if provider == "github" {
        // The second step is still to come.
        tokens.base_token = text("access_token");
        tokens.expires_at = Some(now);
        return tokens;
    }
    tokens.refresh_token = text("refresh_token");
    assert!(tokens.refresh_token.is_some(), "{provider}");
    tokens.expires_at = Some(now + LIFE);
    tokens
}
