//! A home of its own for each test: nothing of the person's configuration, keyring or environment gets in.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::heed_signals;

/// A temporary folder with `HOME`, the XDG folders and `CONVOCATIONS_DIR` inside; removed when dropped.
#[derive(Debug)]
pub struct TestDir {
    root: PathBuf,
}

impl TestDir {
    /// A new, empty one.
    pub fn new() -> Self {
        let name = format!("conv-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let root = std::env::temp_dir().join(name);
        let dir = Self { root };
        let folders = [dir.home(), dir.config_home(), dir.state_home(), dir.data_home(), dir.cache_home()];
        for folder in folders.iter().chain(&[dir.runtime(), dir.tmp(), dir.config()]) {
            std::fs::create_dir_all(folder).unwrap();
            restrict(folder);
        }
        dir
    }

    /// The folder around all.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `XDG_CONFIG_HOME`.
    pub fn config_home(&self) -> PathBuf {
        self.root.join("config")
    }

    /// `XDG_STATE_HOME`.
    pub fn state_home(&self) -> PathBuf {
        self.root.join("state")
    }

    /// `XDG_DATA_HOME`.
    pub fn data_home(&self) -> PathBuf {
        self.root.join("data")
    }

    /// `XDG_CACHE_HOME`.
    pub fn cache_home(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// `XDG_RUNTIME_DIR`.
    pub fn runtime(&self) -> PathBuf {
        self.root.join("run")
    }

    /// `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// `CONVOCATIONS_DIR`: config.toml, credentials.toml, secret.key and locks.
    pub fn config(&self) -> PathBuf {
        self.config_home().join("convocations")
    }

    /// The log.
    pub fn log(&self) -> PathBuf {
        self.state_home().join("convocations/convocations.log")
    }

    /// The same places for a test that calls the library itself.
    pub fn paths(&self) -> convocations::paths::Paths {
        convocations::paths::Paths::new(self.config(), self.state_home().join("convocations"))
    }

    /// Writes config.toml.
    pub fn write_config(&self, text: &str) {
        let file = self.config().join("config.toml");
        std::fs::write(file, text).unwrap();
    }

    /// A key as the Convocations app seals it, under a master key that is written for it: its reference in
    /// config.toml, which is its file under `secrets/` too.
    #[cfg(unix)]
    pub fn app_key(&self, text: &str) -> serde_json::Value {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        use chacha20poly1305::aead::{Aead, KeyInit};
        let (key, nonce) = ([7u8; 32], [9u8; 12]);
        let cipher = chacha20poly1305::ChaCha20Poly1305::new(&key.into());
        let sealed = cipher.encrypt(&nonce.into(), text.as_bytes()).unwrap();
        let file = self.config().join("secret.key");
        std::fs::write(&file, key).unwrap();
        std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        serde_json::json!({
            "backend": "local-encrypted", "nonce": STANDARD.encode(nonce), "ciphertext": STANDARD.encode(sealed)
        })
    }

    /// The environment of every program that a test starts. No session bus: a test that wants a keyring sets
    /// `DBUS_SESSION_BUS_ADDRESS` to one of its own.
    pub fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        vec![
            ("PATH", path.into()),
            ("HOME", self.home()),
            ("XDG_CONFIG_HOME", self.config_home()),
            ("XDG_STATE_HOME", self.state_home()),
            ("XDG_DATA_HOME", self.data_home()),
            ("XDG_CACHE_HOME", self.cache_home()),
            ("XDG_RUNTIME_DIR", self.runtime()),
            ("TMPDIR", self.tmp()),
            ("CONVOCATIONS_DIR", self.config()),
            ("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/no-bus", self.root.display()).into()),
            ("LANG", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
        ]
    }

    /// A program with this environment and no other.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        heed_signals(&mut command).env_clear().envs(self.environment()).current_dir(self.home());
        command
    }

    /// The program under test with this environment and no other: the one that `CONVOCATIONS` names, as
    /// `make bench` does and whoever holds one build against another, or the one that was built with the
    /// tests.
    pub fn convocations<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let named = std::env::var_os("CONVOCATIONS");
        let mut command = self.command(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_convocations").into()));
        command.args(args);
        command
    }

    /// Every file below with one of the `needles` in it, whatever kind of file: for searches after leaks.
    pub fn files_with(&self, needles: &[String]) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(&self.root, needles, &mut found);
        found
    }
}

impl Default for TestDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        // What cannot be removed is left for the system: a failing test matters more.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn search(folder: &Path, needles: &[String], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            search(&path, needles, found);
        } else if kind.is_file() {
            // A file may be gone again, as lock and temporary files are.
            let content = std::fs::read(&path).unwrap_or_default();
            if needles.iter().any(|needle| contains(&content, needle.as_bytes())) {
                found.push(path);
            }
        }
    }
}

/// Whether bytes occur in bytes.
pub fn contains(content: &[u8], needle: &[u8]) -> bool {
    assert!(!needle.is_empty(), "a search for nothing finds everything");
    content.windows(needle.len()).any(|window| window == needle)
}

/// Takes all rights of others from a folder, where there are such rights.
#[cfg(unix)]
pub fn restrict(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// Takes all rights of others from a folder, where there are such rights.
#[cfg(not(unix))]
pub fn restrict(_: &Path) {}
