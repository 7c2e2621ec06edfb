//! Real vaults: pass with GnuPG, and the Secret Service by secret-tool.

use std::path::Path;
use std::process::Command;

use crate::common::{Child, TestDir, eventually, run};
use crate::keyring::Keyring;
use crate::vault::fails;

const KEY: &str = "sk-proj-from-a-real-vault";

/// Whether a program is here; says so if not.
fn is_here(programs: &[&str]) -> bool {
    let is_there =
        |program: &&str| Command::new("which").arg(program).output().is_ok_and(|o| o.status.success());
    let missing: Vec<&&str> = programs.iter().filter(|program| !is_there(program)).collect();
    if !missing.is_empty() {
        eprintln!("skipped: {missing:?} not installed (`make deps` installs them)");
    }
    missing.is_empty()
}

fn configured(argv: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.openai]\nsources = [\"command\"]\n\
         [providers.openai.command]\nargv = {argv}\ntimeout = 20\n"
    ));
    dir
}

/// pass with a key of its own in a test's home, protected by `passphrase`. The agent ends when dropped.
struct Pass<'a> {
    dir: &'a TestDir,
}

impl<'a> Pass<'a> {
    fn new(dir: &'a TestDir, passphrase: &str) -> Self {
        let home = dir.home().join(".gnupg");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        // No window and no terminal to ask by.
        std::fs::write(home.join("gpg-agent.conf"), "pinentry-program /bin/false\n").unwrap();
        let pass = Self { dir };
        pass.run(
            "gpg",
            &[
                "--batch",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                passphrase,
                "--quick-generate-key",
                "vault@example.com",
                // Elliptic curves: RSA takes a busy machine half a minute.
                "future-default",
                "default",
                "never",
            ],
            "",
        );
        pass.run("pass", &["init", "vault@example.com"], "");
        pass.run("pass", &["insert", "--multiline", "ai/openai"], &format!("{KEY}\n"));
        pass.run("pass", &["insert", "--multiline", "ai/more"], &format!("{KEY}\nuser: me\n"));
        pass.run("gpgconf", &["--kill", "gpg-agent"], "");
        pass
    }

    fn run(&self, program: &str, args: &[&str], input: &str) {
        run(self.dir.command(program).args(args), input).ok();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let _ = self.dir.command("gpgconf").args(["--kill", "gpg-agent"]).output();
    }
}

#[test]
fn pass_gives_what_it_keeps() {
    if !is_here(&["pass", "gpg"]) {
        return;
    }
    let dir = configured("[\"pass\", \"show\", \"ai/openai\"]");
    let _pass = Pass::new(&dir, "");
    let ran = run(&mut dir.convocations(["token", "openai"]), "").ok();
    assert_eq!(ran.stdout, format!("{KEY}\n"));
    let config = dir.config().join("config.toml");
    let with = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace(from, to)).unwrap();
    };
    with("ai/openai", "ai/more");
    fails(&run(&mut dir.convocations(["token", "openai"]), ""), 5, "`pass` prints several lines");
    with("ai/more", "ai/nosuch");
    fails(&run(&mut dir.convocations(["token", "openai"]), ""), 6, "`pass` ended with exit status 1");
}

#[test]
fn a_locked_pass_that_nobody_can_unlock_says_so() {
    if !is_here(&["pass", "gpg"]) {
        return;
    }
    let dir = configured("[\"pass\", \"show\", \"ai/openai\"]");
    let _pass = Pass::new(&dir, "a passphrase");
    let ran = run(&mut dir.convocations(["token", "openai"]), "");
    assert_eq!(ran.code(), 6, "{ran:?}");
    assert!(
        ran.stderr.contains("`pass` ended with exit status") && ran.stderr.contains("Unlock its vault"),
        "{ran:?}"
    );
}

/// The passphrase is asked for by the terminal's own pinentry, which has the terminal meanwhile.
#[test]
fn a_locked_pass_is_unlocked_at_the_terminal() {
    if !is_here(&["pass", "gpg", "pinentry-curses", "script"]) {
        return;
    }
    let dir = configured("[\"pass\", \"show\", \"ai/openai\"]");
    let _pass = Pass::new(&dir, "a passphrase");
    std::fs::write(dir.home().join(".gnupg/gpg-agent.conf"), "pinentry-program /usr/bin/pinentry-curses\n")
        .unwrap();
    let (seen, answer) = (dir.path().join("typescript"), dir.path().join("answer"));
    let line = format!(
        "stty rows 24 cols 80; export TERM=xterm GPG_TTY=$(tty); {} token openai > {}; echo status=$?",
        env!("CARGO_BIN_EXE_convocations"),
        answer.display()
    );
    let mut command = dir.command("script");
    let mut child = Child::spawn(command.args(["-qefc", &line]).arg(&seen));
    let shown = |text: &str| {
        let text = text.to_owned();
        let seen = seen.clone();
        eventually("the terminal", move || {
            let all = String::from_utf8_lossy(&std::fs::read(&seen).unwrap_or_default()).into_owned();
            all.contains(&text).then_some(())
        });
    };
    shown("<OK>");
    shown("Waiting for `pass`, at most 20 s");
    child.say("a passphrase\r");
    shown("status=0");
    assert_eq!(std::fs::read_to_string(answer).unwrap(), format!("{KEY}\n"));
    child.finish(std::time::Duration::from_secs(20));
}

#[test]
fn secret_tool_gives_what_the_keyring_keeps() {
    if !Keyring::is_here() {
        return;
    }
    let dir = configured("[\"secret-tool\", \"lookup\", \"service\", \"ai\", \"account\", \"openai\"]");
    let mut keyring = Keyring::unlocked(&dir);
    let environment = keyring.environment();
    let tool = |args: &[&str], input: &str| {
        run(dir.command("secret-tool").args(args).envs(environment.clone()), input)
    };
    tool(&["store", "--label=ai", "service", "ai", "account", "openai"], KEY).ok();
    let token = || run(dir.convocations(["token", "openai"]).envs(environment.clone()), "");
    assert_eq!(token().ok().stdout, format!("{KEY}\n"));
    tool(&["clear", "service", "ai", "account", "openai"], "").ok();
    // It says nothing at all when there is no such item.
    fails(&token(), 6, "`secret-tool` ended with exit status 1");
    tool(&["store", "--label=ai", "service", "ai", "account", "openai"], KEY).ok();
    keyring.stop();
    keyring.start(&dir, false);
    let locked = token();
    assert!(locked.code() == 6 || locked.code() == 5, "nobody is here to unlock it: {locked:?}");
    assert!(locked.stderr.contains("`secret-tool`") && !locked.stderr.contains(KEY), "{locked:?}");
    assert!(Path::new(&dir.log()).exists());
}
