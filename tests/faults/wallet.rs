//! Logins in a real keyring, and the programs that use them there.

use serde_json::Value;

use crate::common::{Ran, Sandbox, run};
use crate::fixture::{Fixture, Logins, OTHER_KEY, sent};
use crate::keyring::{Keyring, account};

/// The key that is in the keyring.
pub const KEY: &str = "sk-or-v1-in-the-keyring-0123456789";
/// A key that is stored.
pub const NEW_KEY: &str = "sk-or-v1-the-new-key-0123456789";

/// Logins in a keyring, one in the file, and the programs that see both.
pub struct Wallet {
    pub fixture: Fixture,
    pub keyring: Keyring,
    /// What was stored in the beginning.
    pub before: Logins,
}

impl Wallet {
    /// A login that has to be refreshed and a key, both in the keyring, and another key in the file.
    pub fn new(sandbox: &Sandbox) -> Self {
        Self::with(sandbox, -10)
    }

    /// The same, the login with so many seconds left.
    pub fn with(sandbox: &Sandbox, left: i64) -> Self {
        Self::holding(sandbox, left, &["openrouter", "anthropic"])
    }

    /// The same, with only these logins in the keyring yet, as where the settings are new.
    pub fn holding(sandbox: &Sandbox, left: i64, moved: &[&str]) -> Self {
        let fixture = Fixture::with(&sandbox.config_toml());
        fixture.put_key("openrouter@other", OTHER_KEY);
        fixture.put_key("openrouter", KEY);
        fixture.put_login(sandbox, "anthropic", left);
        let before = fixture.logins();
        let keyring = Keyring::unlocked(&fixture.dir);
        let wallet = Self { fixture, keyring, before };
        moved.iter().for_each(|login| wallet.move_in(login));
        let config = std::fs::read_to_string(wallet.fixture.dir.paths().config_file()).unwrap();
        let config = config.replace("\"local-encrypted\"", "\"keyring\"\nkeyring_timeout = 1");
        wallet.fixture.dir.write_config(&config);
        wallet
    }

    /// Moves a login from the file into the keyring, as the program keeps it there.
    fn move_in(&self, login: &str) {
        let stored = self.fixture.store().read(&login.parse().unwrap()).unwrap().unwrap();
        self.set_item(login, &serde_json::to_string(&stored.tokens).unwrap());
        let file = self.fixture.dir.paths().index_file();
        let mut index: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        let entry = index["logins"][login].as_table_mut().unwrap();
        entry.retain(|name, _| name != "nonce" && name != "ciphertext");
        entry.insert("backend".to_owned(), "keyring".into());
        entry.insert("account".to_owned(), account(&self.fixture.dir, login).into());
        std::fs::write(file, index.to_string()).unwrap();
    }

    /// Puts a secret where the program would, bound to its store and login.
    pub fn set_item(&self, login: &str, text: &str) {
        let mut secret: Value = serde_json::from_str(text).unwrap();
        let index: toml::Table =
            std::fs::read_to_string(self.fixture.dir.paths().index_file()).unwrap().parse().unwrap();
        secret["store"] = index["store"].as_str().unwrap().into();
        secret["login"] = login.into();
        let text = secret.to_string();
        let mut command = self.fixture.dir.command("secret-tool");
        command.args(["store", "--label", login, "service", "com.convocations.app", "target", "default"]);
        command.args(["application", "rust-keyring", "username", &account(&self.fixture.dir, login)]);
        assert_eq!(run(command.envs(self.keyring.environment()), &text).code(), 0);
    }

    pub fn item(&self, login: &str) -> Value {
        serde_json::from_str(&self.keyring.secret_tool(&self.fixture.dir, "lookup", login).1)
            .unwrap_or_default()
    }

    pub fn command(&self, args: &str) -> std::process::Command {
        let mut command = self.fixture.dir.convocations(args.split_whitespace());
        command.envs(self.keyring.environment());
        self.fixture.unreliable.under(&mut command);
        command
    }

    pub fn cli(&self, args: &str, input: &str) -> Ran {
        run(&mut self.command(args), input)
    }

    /// How often the refresh token of the beginning was sent.
    pub fn sent(&self, sandbox: &Sandbox) -> usize {
        sent(sandbox, self.before["anthropic"].1.as_ref())
    }

    pub fn restart(&mut self, unlocked: bool) {
        self.keyring.stop();
        self.keyring.start(&self.fixture.dir, unlocked);
    }
}
