//! A folder with logins in it, what they are at a moment, and commands that are run there with or without
//! faults.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;

use convocations::config::{StoreBackend, StoreConfig};
use convocations::credential::{Kind, Tokens};
use convocations::secret::Secret;
use convocations::store::{NewLogin, Store};
use serde_json::Value;

use crate::common::{Ran, Sandbox, TestDir, run};
use crate::unreliable::Unreliable;

const ROUTE: &str = "anthropic.token";
/// The key of the login that no fault may touch.
pub const OTHER_KEY: &str = "sk-or-v1-the-other-login-0123456789";
/// Seconds that a token put into the store was made for.
const LIFE: i64 = 28_800;

/// What is stored: for each login its access token, its refresh token, and why it has to be made anew.
pub type Logins = BTreeMap<String, (String, Option<String>, Option<String>)>;

pub struct Fixture {
    pub dir: TestDir,
    pub unreliable: Unreliable,
}

impl Fixture {
    /// An empty folder, where logins go into the encrypted file.
    pub fn new() -> Self {
        Self::with("")
    }

    /// The same with more settings, as those of a sandbox.
    pub fn with(config: &str) -> Self {
        let dir = TestDir::new();
        dir.write_config(&format!(
            "{config}\n[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n"
        ));
        let unreliable = Unreliable::new(&dir);
        Self { dir, unreliable }
    }

    /// The store as the program sees it.
    pub fn store(&self) -> Store {
        let config = StoreConfig { backend: StoreBackend::LocalEncrypted, ..StoreConfig::default() };
        Store::new(&self.dir.paths(), &config)
    }

    /// Stores a key.
    pub fn put_key(&self, login: &str, key: &str) {
        self.put(login, "api-key", Kind::ApiKey, &Tokens::api_key(Secret::new(key), 1));
    }

    /// Stores a login to the sandbox's Anthropic with so many seconds left, and returns its access token.
    pub fn put_login(&self, sandbox: &Sandbox, login: &str, left: i64) -> String {
        let tokens = minted(sandbox, left);
        self.put(login, "subscription", Kind::Oauth, &tokens);
        tokens.access_token.expose().to_owned()
    }

    fn put(&self, login: &str, method: &str, kind: Kind, tokens: &Tokens) {
        let (store, new) = (self.store(), NewLogin::new(method, kind, tokens.clone()));
        store.put(&login.parse().unwrap(), new).unwrap();
    }

    /// What is stored now. Panics if it cannot be read: no fault may leave it so.
    pub fn logins(&self) -> Logins {
        let store = self.store();
        let names = store.index().unwrap().logins.into_keys();
        let content = |login: convocations::login_id::LoginId| {
            let stored = store.read(&login).unwrap().unwrap();
            let refresh = stored.tokens.refresh_token.map(|token| token.expose().to_owned());
            let access = stored.tokens.access_token.expose().to_owned();
            (login.to_string(), (access, refresh, stored.entry.needs_login))
        };
        names.map(content).collect()
    }

    /// Runs a command without any fault.
    pub fn cli(&self, args: &str, input: &str) -> Ran {
        run(&mut self.dir.convocations(args.split_whitespace()), input)
    }

    /// Runs a command under what is set in `unreliable`.
    pub fn cli_unreliable(&self, args: &str, input: &str) -> Ran {
        run(self.unreliable.under(&mut self.dir.convocations(args.split_whitespace())), input)
    }

    /// Panics if a secret stands in clear in any file of the test's folders, the log among them, or in what
    /// was said.
    #[track_caller]
    pub fn no_secret_wandered(&self, sandbox: &Sandbox, said: &str) {
        let mut secrets = sandbox.secrets();
        secrets.extend(
            self.logins().into_values().flat_map(|(access, refresh, _)| [Some(access), refresh]).flatten(),
        );
        assert_eq!(self.dir.files_with(&secrets), Vec::<std::path::PathBuf>::new());
        assert!(!secrets.iter().any(|secret| said.contains(secret)), "{said}");
    }

    /// The files and folders in the folder and below, with their modes.
    pub fn files(&self) -> BTreeMap<String, u32> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.dir.config()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let (path, metadata) = (entry.path(), entry.metadata().unwrap());
                let name = path.strip_prefix(self.dir.config()).unwrap().display().to_string();
                files.insert(name, metadata.permissions().mode() & 0o777);
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        // The person's own file: only read, and whose mode is the person's.
        files.remove("config.toml");
        files
    }
}

/// Tokens that a login at the sandbox's Anthropic would have brought, with so many seconds left.
pub fn minted(sandbox: &Sandbox, left: i64) -> Tokens {
    let minted = sandbox.mint("anthropic", "oauth");
    let text = |name: &str| Secret::new(minted[name].as_str().unwrap());
    let end = convocations::clock::Clock::System.now() + left;
    let mut tokens = Tokens::api_key(text("access_token"), end - LIFE);
    tokens.refresh_token = Some(text("refresh_token"));
    tokens.expires_at = Some(end);
    tokens
}

/// How many times this very refresh token was sent.
pub fn sent(sandbox: &Sandbox, token: Option<&String>) -> usize {
    let calls = sandbox.calls_of(ROUTE);
    calls.iter().filter(|call| call["fields"]["refresh_token"].as_str() == token.map(String::as_str)).count()
}

/// Whether the sandbox would let this access token in.
pub fn is_good(sandbox: &Sandbox, token: &str) -> bool {
    sandbox.tokens()["anthropic"]["tokens"]["access"].as_array().unwrap().contains(&Value::from(token))
}

/// Runs a test's cases a few at a time and returns what they return, in order. Panics if one has failed.
pub fn each<T: Send, R: Send>(
    cases: impl IntoIterator<Item = T>,
    at_once: usize,
    test: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let cases: Vec<T> = cases.into_iter().collect();
    let (count, done) = (cases.len(), Mutex::new(Vec::new()));
    let cases = Mutex::new(cases.into_iter().enumerate());
    std::thread::scope(|scope| {
        let work = || {
            let next = || cases.lock().unwrap().next();
            while let Some((number, case)) = next() {
                let result = test(case);
                done.lock().unwrap().push((number, result));
            }
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| drop(worker.join()));
    });
    let mut done = done.into_inner().unwrap();
    assert_eq!(done.len(), count, "a case has failed, or was not reached; what it said is above");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
