//! Prompts at a real terminal: nothing typed is shown, and whatever ends or stops the program leaves the
//! terminal as it was.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use common::browser::{approve, approve_and_copy};
use common::{Child, Sandbox, TestDir, eventually, run};

const KEY: &str = "sk-or-v1-0123456789abcdef";

/// The program at a terminal that `script` makes for it.
struct Terminal {
    child: Child,
    dir: TestDir,
    device: String,
    process: String,
}

impl Terminal {
    /// Starts it and waits for its prompt.
    fn open(args: &str) -> Self {
        Self::with_config(args, "")
    }

    fn with_config(args: &str, config: &str) -> Self {
        let terminal = Self::of_size(args, config, "80x24");
        eventually("silence", || (!terminal.echoes()).then_some(()));
        terminal
    }

    /// `size`: columns, `x` and rows. Waits for the prompt alone.
    fn of_size(args: &str, config: &str, size: &str) -> Self {
        let (columns, rows) = size.split_once('x').unwrap();
        let dir = TestDir::new();
        dir.write_config(&format!(
            "{config}\n[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n"
        ));
        let (program, who) = (env!("CARGO_BIN_EXE_convocations"), dir.path().join("who"));
        let who = who.display();
        // The shell outlives Ctrl-C, and looks at the terminal that the program leaves to it.
        let line = format!(
            "trap : INT; stty cols {columns} rows {rows}; sh -c 'echo $(tty) $$ > {who}; exec {program} {args}'; s=$?; stty -a; exit $s"
        );
        let mut command = dir.command("script");
        command.args(["-qefc", &line]).arg(dir.path().join("typescript"));
        let child = Child::spawn(&mut command);
        let mut terminal = Self { child, dir, device: String::new(), process: String::new() };
        let prompt = |text: &String| {
            text.contains("hidden") || text.contains("\u{1b}[K4:5") || text.contains("Ctrl-C")
        };
        eventually("the prompt", || Some(terminal.seen()).filter(prompt));
        let who = std::fs::read_to_string(terminal.dir.path().join("who")).unwrap();
        (terminal.device, terminal.process) =
            who.trim().split_once(' ').map(|(tty, id)| (tty.to_owned(), id.to_owned())).unwrap();
        terminal
    }

    fn seen(&self) -> String {
        let path: PathBuf = self.dir.path().join("typescript");
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    }

    fn echoes(&self) -> bool {
        echoes(&run(Command::new("stty").args(["-F", &self.device, "-a"]), "").ok().stdout)
    }

    fn signal(&self, name: &str) {
        run(Command::new("kill").args(["-s", name, &self.process]), "").ok();
    }

    /// Waits for the end, and sees that the terminal is as it was; returns what was shown, the exit status
    /// included.
    #[track_caller]
    fn finish(self) -> String {
        let Self { child, dir, .. } = self;
        child.finish(Duration::from_secs(20));
        let seen =
            String::from_utf8_lossy(&std::fs::read(dir.path().join("typescript")).unwrap()).into_owned();
        assert!(echoes(&seen), "{seen}");
        seen
    }
}

/// What is in sight of what was written to a terminal of this size, line by line.
fn in_sight(written: &str, columns: usize, rows: usize) -> Vec<String> {
    let (mut lines, mut at) = (vec![Vec::new()], 0);
    // `script` begins with a line of its own.
    let mut text = written.split_once('\n').unwrap().1;
    while let Some(character) = text.chars().next() {
        let line = lines.last_mut().unwrap();
        text = match text.strip_prefix("\u{1b}[K") {
            Some(rest) => {
                line.truncate(at);
                rest
            }
            None => {
                match character {
                    '\r' => at = 0,
                    '\n' => lines.push(vec![' '; at]),
                    _ => {
                        if at == columns {
                            lines.push(Vec::new());
                            at = 0;
                        }
                        let line = lines.last_mut().unwrap();
                        line.resize(line.len().max(at + 1), ' ');
                        line[at] = character;
                        at += 1;
                    }
                }
                &text[character.len_utf8()..]
            }
        };
    }
    let first = lines.len().saturating_sub(rows);
    lines[first..].iter().map(|line| line.iter().collect()).collect()
}

/// Whether a terminal shows what is typed and takes Ctrl-C, by the words of `stty -a`.
fn echoes(modes: &str) -> bool {
    let is_on = |name: &str| modes.split([' ', ';', '\r', '\n']).any(|mode| mode == name);
    is_on("echo") && is_on("isig")
}

const PROMPTS: [&str; 2] = ["secret set openrouter", "login openrouter --method code"];

#[test]
fn the_key_prompt_hides_what_is_typed() {
    let mut terminal = Terminal::open("secret set-openrouter-key");
    terminal.child.say(&format!("{KEY}\n"));
    let seen = terminal.finish();
    assert!(!seen.contains(KEY) && seen.contains("EXIT_CODE=\"0\""), "{seen}");
}

/// As it is copied out of a mail or another terminal.
#[test]
fn a_paste_with_line_breaks_is_one() {
    let sandbox = Sandbox::start();
    let args = "login anthropic --method console-key --no-browser";
    let mut terminal = Terminal::with_config(args, &sandbox.config_toml());
    let seen = terminal.seen();
    let code = approve_and_copy(seen.split_whitespace().find(|word| word.starts_with("http://")).unwrap());
    let (first, second) = code.split_at(code.len() / 3);
    terminal.child.say(&format!("\u{1b}[200~{first}\n  {second}\u{1b}[201~\n"));
    let seen = terminal.finish();
    assert!(seen.contains("EXIT_CODE=\"0\"") && !seen.contains(first), "{seen}");
}

/// As on a machine that is reached by SSH, at a server without device codes.
#[test]
fn the_address_that_a_browser_elsewhere_ends_at_is_taken() {
    let sandbox = Sandbox::start();
    sandbox.switch(serde_json::json!({ "generic": { "device": false } }));
    let config = format!("[providers.corp]\nresource = \"{}/generic/mcp\"\n", sandbox.url());
    let mut terminal = Terminal::with_config("login corp --no-browser --method device", &config);
    let seen = terminal.seen();
    let url = seen.split_whitespace().find(|word| word.starts_with("http://"));
    let ended_at = approve(url.unwrap());
    terminal.child.say(&format!("{ended_at}\n"));
    let seen = terminal.finish();
    assert!(seen.contains("EXIT_CODE=\"0\"") && !seen.contains(&ended_at), "{seen}");
}

/// Ctrl-C at the prompt ends it with a word, and the terminal shows again what is typed.
#[test]
fn ctrl_c_leaves_the_terminal_as_it_was() {
    for args in PROMPTS {
        let mut terminal = Terminal::open(args);
        terminal.child.say("sk-half\u{3}");
        let seen = terminal.finish();
        assert!(seen.contains("ancelled.") && seen.contains("EXIT_CODE=\"130\""), "{seen}");
        assert!(!seen.contains("sk-half"), "{seen}");
    }
}

#[test]
fn a_signal_that_ends_it_leaves_the_terminal_as_it_was() {
    for args in PROMPTS {
        for signal in ["TERM", "HUP", "QUIT"] {
            let terminal = Terminal::open(args);
            terminal.signal(signal);
            let seen = terminal.finish();
            assert!(!seen.contains("EXIT_CODE=\"0\""), "{seen}");
        }
    }
}

/// As Ctrl-Z and `fg` do.
#[test]
fn a_stopped_prompt_lends_the_terminal_and_takes_it_back() {
    for args in PROMPTS {
        let terminal = Terminal::open(args);
        terminal.signal("TSTP");
        eventually(&format!("the echo while {args} is stopped"), || terminal.echoes().then_some(()));
        terminal.signal("CONT");
        eventually(&format!("silence when {args} goes on"), || (!terminal.echoes()).then_some(()));
        terminal.signal("TERM");
        terminal.finish();
    }
}

/// The address is what the person came for: it stays, however long they take.
#[test]
fn at_80_by_24_the_address_and_the_code_stay_in_sight_and_one_line_counts_the_time() {
    let sandbox = Sandbox::start();
    let ways = [
        ("login openrouter --method code", "/openrouter/auth?", "Open this address"),
        ("login anthropic --method console-key --no-browser", "/anthropic/console/", "Open this address"),
        ("login kimi --method device", "/kimi/device", "Type the code"),
    ];
    for (args, address, words) in ways {
        let mut terminal = Terminal::of_size(args, &sandbox.config_toml(), "80x24");
        eventually("four seconds", || (terminal.seen().matches("Ctrl-C cancels").count() > 4).then_some(()));
        let shown = in_sight(&terminal.seen(), 80, 24);
        let has = |words: &str| shown.iter().filter(|line| line.contains(words)).count();
        assert_eq!((has("Ctrl-C cancels"), has(words)), (1, 1), "{args}: {shown:#?}");
        assert!(shown.concat().contains(address), "{args}: {shown:#?}");
        terminal.child.say("\u{3}");
        terminal.finish();
    }
}

#[test]
fn a_qr_code_is_drawn_where_there_is_room_and_said_to_be_missing_where_there_is_not() {
    let sandbox = Sandbox::start();
    for (size, room) in [("80x60", true), ("80x24", false), ("50x60", false)] {
        let args = "login openrouter --method code";
        let mut terminal = Terminal::of_size(args, &sandbox.config_toml(), size);
        let shown = in_sight(&terminal.seen(), size[..2].parse().unwrap(), size[3..].parse().unwrap());
        assert_eq!(shown.iter().any(|line| line.contains("█▀")), room, "{size}: {shown:#?}");
        assert_ne!(terminal.seen().contains("A QR code of the address needs a terminal of"), room, "{size}");
        assert!(shown.concat().contains("/openrouter/auth?"), "{size}: {shown:#?}");
        terminal.child.say("\u{3}");
        terminal.finish();
    }
}

/// Even where not much more than the time fits.
#[test]
fn a_narrow_terminal_has_one_line_that_counts_too() {
    let sandbox = Sandbox::start();
    let mut terminal = Terminal::of_size("login openrouter --method code", &sandbox.config_toml(), "30x40");
    eventually("three seconds", || (terminal.seen().matches("\r\u{1b}[K4:5").count() > 3).then_some(()));
    let shown = in_sight(&terminal.seen(), 30, 40);
    assert_eq!(shown.iter().filter(|line| line.starts_with("4:5")).count(), 1, "{shown:#?}");
    terminal.child.say("\u{3}");
    terminal.finish();
}
