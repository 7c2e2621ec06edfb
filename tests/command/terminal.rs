//! A command at a real terminal: it asks there, is seen there, and Ctrl-C is for it.

use std::time::Duration;

use crate::common::{Child, eventually};
use crate::vault::Vault;

/// `token openai` at a terminal that `script` makes, within a shell that goes on afterwards.
struct Terminal {
    child: Child,
    file: std::path::PathBuf,
}

impl Terminal {
    fn open(vault: &Vault) -> Self {
        let (program, dir) = (env!("CARGO_BIN_EXE_convocations"), vault.dir.path());
        let line = format!(
            "trap : INT; {program} token openai > {0}/answer; echo status=$?; stty -a | grep -o -- ' .\\?echo '; read x; echo got=$x",
            dir.display()
        );
        let file = dir.join("typescript");
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
