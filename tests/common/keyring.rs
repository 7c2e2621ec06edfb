//! A real gnome-keyring on a session bus of its own, in a test's folders: unlocked, locked, stopped, gone.

#![allow(dead_code)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::common::{TestDir, dir, process};

const PASSWORD: &str = "test";

/// A session bus, with a keyring on it or not. Both end when this is dropped.
pub struct Keyring {
    dir: PathBuf,
    bus: Child,
    daemon: Option<Child>,
}

impl Keyring {
    /// Whether the programs are here; says so if not.
    pub fn is_here() -> bool {
        let is_there =
            |program: &str| Command::new("which").arg(program).output().is_ok_and(|o| o.status.success());
        let missing: Vec<&str> = ["dbus-daemon", "gnome-keyring-daemon", "secret-tool"]
            .into_iter()
            .filter(|p| !is_there(p))
            .collect();
        if !missing.is_empty() {
            eprintln!("skipped: {} not installed (`make deps` installs them)", missing.join(", "));
        }
        missing.is_empty()
    }

    /// A bus without anything on it. Its configuration starts no service by itself.
    pub fn bus(dir: &TestDir) -> Self {
        let dir = dir.path().to_owned();
        let socket = dir.join("session-bus");
        let config = write_config(&dir, "");
        let mut command = Command::new("dbus-daemon");
        command.arg(format!("--config-file={}", config.display())).args(["--nofork", "--nopidfile"]);
        let bus = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        process::eventually("the bus", || socket.exists().then_some(()));
        Self { dir, bus, daemon: None }
    }

    /// A bus with an unlocked keyring.
    pub fn unlocked(dir: &TestDir) -> Self {
        let mut keyring = Self::bus(dir);
        keyring.start(dir, true);
        keyring
    }

    /// Starts the keyring on the same data, unlocked or not.
    pub fn start(&mut self, dir: &TestDir, unlocked: bool) {
        let control = dir.runtime().join("control");
        std::fs::create_dir_all(&control).unwrap();
        dir::restrict(&control);
        let mut command = dir.command("gnome-keyring-daemon");
        command.args(["--foreground", "--components=secrets"]);
        command.arg(format!("--control-directory={}", control.display()));
        command.envs(self.environment());
        if unlocked {
            command.arg("--unlock");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut daemon = command.spawn().unwrap();
        let mut stdin = daemon.stdin.take().unwrap();
        stdin.write_all(if unlocked { PASSWORD.as_bytes() } else { b"" }).unwrap();
        drop(stdin);
        self.daemon = Some(daemon);
        // It takes seconds on a machine that is busy with other tests.
        let started = process::wait_for(process::LIMIT, || {
            let mut ask = dir.command("dbus-send");
            ask.args([
                "--session",
                "--print-reply",
                "--dest=org.freedesktop.DBus",
                "/",
                "org.freedesktop.DBus.NameHasOwner",
            ]);
            let answer = ask.arg("string:org.freedesktop.secrets").envs(self.environment()).output().unwrap();
            String::from_utf8_lossy(&answer.stdout).contains("boolean true").then_some(())
        });
        started.expect("the keyring starts in time");
    }

    /// Ends the keyring; the bus stays.
    pub fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }

    /// Lets the keyring hang, or go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let pid = self.daemon.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Lets the bus refuse whoever wants to speak to the keyring, or no longer.
    pub fn refuse(&self, dir: &TestDir, refused: bool) {
        let rule = "<deny send_destination=\"org.freedesktop.secrets\"/>";
        write_config(&self.dir, if refused { rule } else { "" });
        let mut reload = dir.command("dbus-send");
        reload.args(["--session", "--print-reply", "--dest=org.freedesktop.DBus", "/"]);
        let done = reload.arg("org.freedesktop.DBus.ReloadConfig").envs(self.environment()).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }

    /// What a program needs to find the bus.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let socket = self.dir.join("session-bus");
        vec![("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", socket.display()))]
    }

    #[allow(dead_code, reason = "the bench has its own")]
    /// `secret-tool ACTION` for the item of a login: its exit code and what it printed.
    pub fn secret_tool(&self, dir: &TestDir, action: &str, login: &str) -> (i32, String) {
        let mut command = dir.command("secret-tool");
        command.args([action, "service", "com.convocations.app", "username", &account(dir, login)]);
        let output = command.envs(self.environment()).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    }
}

/// The name of a login's item: with the store's id, which the index has.
pub fn account(dir: &TestDir, login: &str) -> String {
    let index = std::fs::read_to_string(dir.paths().index_file()).unwrap_or_default();
    let index: toml::Table = index.parse().unwrap();
    match index.get("store") {
        Some(store) => format!("convocations-{login}-{}", store.as_str().unwrap()),
        None => format!("convocations-{login}"),
    }
}

/// The bus's settings: no services that start by themselves, and one more rule.
fn write_config(dir: &Path, rule: &str) -> PathBuf {
    let (config, socket) = (dir.join("bus.conf"), dir.join("session-bus"));
    let text = format!(
        "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\" \
         \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\"><busconfig><type>session</type>\
         <listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
         <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/>{rule}\
         </policy></busconfig>",
        socket.display()
    );
    std::fs::write(&config, text).unwrap();
    config
}

impl Drop for Keyring {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            self.freeze(false);
        }
        self.stop();
        let _ = self.bus.kill();
        let _ = process::wait_for(Duration::from_secs(5), || self.bus.try_wait().unwrap());
    }
}
