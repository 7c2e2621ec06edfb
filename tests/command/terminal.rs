//! A command at a real terminal: it asks there, is seen there, and Ctrl-C is for it.

use std::time::Duration;

use crate::common::{Child, eventually, http};
use crate::vault::Vault;

/// `token openai` at a terminal that `script` makes, within a shell that goes on afterwards.
struct Terminal {
    child: Child,
    file: std::path::PathBuf,
}

impl Terminal {
    fn open(vault: &Vault) -> Self {
        let answer = vault.dir.path().join("answer");
        Self::running(vault, &format!("token openai > {}", answer.display()))
    }

    /// `convocations` with other arguments, as a shell reads them.
    fn running(vault: &Vault, arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_convocations");
        let line = format!(
            "trap : INT; {program} {arguments}; echo status=$?; stty -a | grep -o -- ' .\\?echo '; read x; echo got=$x"
        );
        let file = vault.dir.path().join("typescript");
        let mut command = vault.dir.command("script");
        command.args(["-qefc", &line]).arg(&file);
        Self { child: Child::spawn(&mut command), file }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.file).unwrap_or_default()).into_owned()
    }

    fn wait_for(&self, text: &str) {
        eventually(text, || self.seen().contains(text).then_some(()));
    }

    /// The shell has its terminal back and reads from it.
    fn finish(mut self) -> String {
        self.wait_for("status=");
        self.child.say("typed\n");
        self.wait_for("got=typed");
        let seen = self.seen();
        self.child.finish(Duration::from_secs(20));
        seen
    }
}

#[test]
fn it_may_ask_for_a_password_there() {
    let body = "printf 'Password: ' > /dev/tty; stty -echo < /dev/tty; touch \"$D/asks\"; read -r p < /dev/tty; stty echo < /dev/tty; echo 'its own words' >&2; echo \"key-$p\"";
    let vault = Vault::new(body, "");
    let mut terminal = Terminal::open(&vault);
    terminal.wait_for("Password: ");
    eventually("the question", || vault.dir.path().join("asks").exists().then_some(()));
    terminal.child.say("secret\n");
    let seen = terminal.finish();
    assert!(seen.contains("status=0") && seen.contains("its own words"), "{seen}");
    assert!(!seen.contains("secret"), "{seen}");
    let answer = std::fs::read_to_string(vault.dir.path().join("answer")).unwrap();
    assert_eq!(answer, "key-secret\n");
}

#[test]
fn what_is_waited_for_is_said_there_and_ctrl_c_ends_it() {
    let body = "stty -echo < /dev/tty; touch \"$D/waits\"; sleep 600";
    let vault = Vault::new(body, "timeout = 600");
    let mut terminal = Terminal::open(&vault);
    terminal.wait_for("Waiting for `vault`, at most 600 s");
    terminal.child.say("\u{3}");
    let seen = terminal.finish();
    assert!(seen.contains("status=130") && seen.contains("was cancelled"), "{seen}");
    assert!(seen.contains(" echo "), "the terminal echoes again: {seen}");
}

/// A vault that answers at once the first time, and then waits for `go`; its answer counts for a second.
fn slow_the_second_time() -> Vault {
    let body = "if [ -e \"$D/first\" ]; then [ -t 0 ] && touch \"$D/asks\"; touch \"$D/waits\"; \
                while [ ! -e \"$D/go\" ]; do sleep 0.05; done; fi; touch \"$D/first\"; echo key";
    let vault = Vault::new(body, "ttl = 1\ntimeout = 60");
    let config = std::fs::read_to_string(vault.dir.config().join("config.toml")).unwrap();
    // Nobody answers there; the vault is asked before that.
    vault.dir.write_config(
        &config.replace("[providers.openai]\n", "[providers.openai]\nbase_url = \"http://127.0.0.1:1/v1\"\n"),
    );
    vault
}

/// Asks a gateway, beside the terminal, until the vault has to be asked for it. The last of them waits too.
fn ask_until_it_waits(vault: &Vault, url: &str, key: &str) -> std::thread::JoinHandle<()> {
    let waits = vault.dir.path().join("waits");
    let (url, bearer) = (format!("{url}/models"), format!("Bearer {key}"));
    let asking = std::thread::spawn({
        let waits = waits.clone();
        move || {
            while !waits.exists() {
                assert_eq!(http::get_with(&url, &[("authorization", &bearer)]).status, 502);
            }
        }
    });
    eventually("the vault to wait", || waits.exists().then_some(()));
    asking
}

/// What `exec --gateway` started reads on while a vault is asked behind its back: taking the terminal would
/// stop them both.
#[test]
fn a_program_keeps_the_terminal_that_it_was_started_with() {
    let vault = slow_the_second_time();
    let (door, go) = (vault.dir.path().join("door"), vault.dir.path().join("go"));
    let program = format!(
        "echo \"$OPENAI_BASE_URL $OPENAI_API_KEY\" > {0}.new; mv {0}.new {0}; while read l; do echo \"read=$l\"; [ $l = end ] && break; done",
        door.display()
    );
    let file = vault.script("program", &format!("#!/bin/sh\n{program}\n"));
    let mut terminal = Terminal::running(&vault, &format!("exec --gateway openai -- {}", file.display()));
    let door = eventually("the program", || std::fs::read_to_string(&door).ok());
    let (url, key) = door.trim().split_once(' ').unwrap();
    let asking = ask_until_it_waits(&vault, url, key);
    terminal.child.say("one\n");
    terminal.wait_for("read=one");
    terminal.wait_for("Waiting for `vault`, at most 60 s…");
    std::fs::write(go, "").unwrap();
    asking.join().unwrap();
    terminal.child.say("end\n");
    let seen = terminal.finish();
    assert!(seen.contains("status=0"), "{seen}");
    assert!(!vault.dir.path().join("asks").exists(), "the vault has no terminal");
}

#[test]
fn a_gateway_in_the_foreground_tells_what_it_waits_for_and_lets_it_ask_there() {
    let vault = slow_the_second_time();
    let listing = vault.dir.path().join("listing");
    let mut terminal = Terminal::running(&vault, &format!("gateway openai --json > {}", listing.display()));
    let line = eventually("the listing", || {
        std::fs::read_to_string(&listing).ok().filter(|line| line.ends_with('\n'))
    });
    let door = serde_json::from_str::<serde_json::Value>(&line).unwrap()["logins"]["openai"].clone();
    let (url, key) = (door["url"].as_str().unwrap(), door["key"].as_str().unwrap());
    let asking = ask_until_it_waits(&vault, url, key);
    terminal.wait_for("Waiting for `vault`, at most 60 s (Ctrl-C ends it)…");
    assert!(vault.dir.path().join("asks").exists(), "the vault has the terminal");
    std::fs::write(vault.dir.path().join("go"), "").unwrap();
    asking.join().unwrap();
    terminal.child.say("\u{3}");
    assert!(terminal.finish().contains("status=0"));
}
