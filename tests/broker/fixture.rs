//! A sandbox, a store, a clock, and logins put into the store as if a person had made them.

use std::path::PathBuf;
use std::time::Duration;

use convocations::broker::{Broker, Event};
use convocations::clock::Clock;
use convocations::config::Config;
use convocations::credential::{Kind, Tokens};
use convocations::login_id::LoginId;
use convocations::protocol::{LoginStatus, Notice};
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::{NewLogin, STORE_LOCK_FILE, Store};
use serde_json::{Value, json};
use tokio::sync::broadcast::Receiver;

use crate::common::{Sandbox, TestDir};

pub const ROUTE: &str = "anthropic.token";
/// When the clock stands still. The sandbox has a clock of its own, by which nothing ends here.
pub const NOW: i64 = 1_800_000_000;
/// Seconds that a token put into the store lives.
pub const LIFE: i64 = 28_800;
/// A variable that is set in every test and in no sandbox: cargo's own.
pub const VARIABLE: &str = "CARGO_PKG_NAME";
pub const VARIABLE_VALUE: &str = "convocations";

pub struct Fixture {
    pub sandbox: Sandbox,
    pub dir: TestDir,
    pub config: Config,
    pub store: Store,
    pub clock: Clock,
}

pub fn anthropic() -> LoginId {
    "anthropic".parse().unwrap()
}

impl Fixture {
    /// Anthropic's stored login comes first, and a variable behind it.
    pub fn new() -> Self {
        Self::with(json!(["login", format!("env:{VARIABLE}")]))
    }

    pub fn with(sources: Value) -> Self {
        Self::with_options(json!({ "providers": { "anthropic": { "sources": sources } } }))
    }

    pub fn with_options(mut options: Value) -> Self {
        let (sandbox, dir) = (Sandbox::start(), TestDir::new());
        dir.write_config(&sandbox.config_toml());
        options["store"] = json!({ "backend": "local-encrypted" });
        let config = Config::load(&dir.paths(), Some(&options)).unwrap();
        let store = Store::new(&dir.paths(), &config.store);
        Self { sandbox, dir, config, store, clock: Clock::manual(NOW) }
    }

    /// One process's broker: what another one does reaches it through the store only.
    pub fn broker(&self) -> Broker {
        let store = Store::new(&self.dir.paths(), &self.config.store);
        Broker::new(Services { clock: self.clock.clone(), ..Services::new(self.config.clone(), store) })
    }

    /// Stores a login made at this moment and returns its access token.
    pub fn log_in(&self, login: &LoginId) -> String {
        let tokens = self.minted();
        self.put(login, Kind::Oauth, &tokens);
        tokens.access_token.expose().to_owned()
    }

    /// The tokens of a login made at this moment.
    pub fn minted(&self) -> Tokens {
        let minted = self.sandbox.mint("anthropic", "oauth");
        let text = |name: &str| Secret::new(minted[name].as_str().unwrap());
        let mut tokens = Tokens::api_key(text("access_token"), self.clock.now());
        tokens.refresh_token = Some(text("refresh_token"));
        tokens.expires_at = Some(self.clock.now() + LIFE);
        tokens
    }

    pub fn put(&self, login: &LoginId, kind: Kind, tokens: &Tokens) {
        let method = if kind == Kind::Oauth { "subscription" } else { "api-key" };
        self.store.put(login, NewLogin::new(method, kind, tokens.clone())).unwrap();
    }

    pub fn remove(&self, login: &LoginId) {
        self.store.remove(login).unwrap().unwrap();
    }

    /// What the store holds.
    pub fn tokens(&self, login: &LoginId) -> Tokens {
        self.store.read(login).unwrap().unwrap().tokens
    }

    /// Moves the clock so that a token put into the store now has so many seconds left.
    pub fn leave(&self, seconds: i64) {
        self.clock.advance(LIFE - seconds);
    }

    pub fn refreshes(&self) -> u64 {
        self.sandbox.refreshes(ROUTE)
    }

    pub fn fault(&self, times: u32, fault: Value) {
        self.sandbox.fault_refresh(ROUTE, times, fault);
    }
}

/// Where a lock file belongs there is a folder: what wants the lock fails, whoever one is.
pub struct Unwritable(PathBuf);

impl Unwritable {
    /// Nothing can be written.
    pub fn store(fixture: &Fixture) -> Self {
        Self::new(fixture, STORE_LOCK_FILE)
    }

    /// The login cannot be locked.
    pub fn login(fixture: &Fixture, login: &LoginId) -> Self {
        Self::new(fixture, &format!("{login}.lock"))
    }

    fn new(fixture: &Fixture, name: &str) -> Self {
        let file = fixture.dir.paths().locks_dir().join(name);
        let _ = std::fs::remove_file(&file);
        std::fs::create_dir(&file).unwrap();
        Self(file)
    }
}

impl Drop for Unwritable {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).unwrap();
    }
}

/// The token that a broker hands out.
pub async fn token(broker: &Broker) -> String {
    broker.get(&anthropic(), None).await.unwrap().token.expose().to_owned()
}

pub async fn status(broker: &Broker) -> LoginStatus {
    broker.status(Some(&anthropic())).await.unwrap().remove(0)
}

/// The next event that fits, within 10 s.
pub async fn event<T>(events: &mut Receiver<Event>, mut fits: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = fits(events.recv().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), found).await.expect("an event in time")
}

/// The notices that have come so far.
pub fn notices(events: &mut Receiver<Event>) -> Vec<Notice> {
    let all = std::iter::from_fn(|| events.try_recv().ok());
    all.filter_map(|event| if let Event::Notice(notice) = event { Some(notice) } else { None }).collect()
}
