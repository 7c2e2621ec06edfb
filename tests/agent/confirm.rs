//! The person's word on each use, at a terminal.

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use crate::common::{Child, TestDir, eventually, run};
use crate::fixture::{Answer, Lent, socket};
use crate::gateway::{Upstream, home_with_key, reply};

/// A program at a terminal that `script` makes for it.
struct Terminal {
    child: Child,
    typescript: PathBuf,
}

impl Terminal {
    fn open(dir: &TestDir, name: &str, args: &str) -> Self {
        Self::run(dir, name, &format!("exec {} {args}", env!("CARGO_BIN_EXE_convocations")))
    }

    fn run(dir: &TestDir, name: &str, line: &str) -> Self {
        let typescript = dir.path().join(name);
        let line = format!("stty cols 200 rows 50; {line}");
        let mut command = dir.command("script");
        command.args(["-qefc", &line]).arg(&typescript);
        Self { child: Child::spawn(&mut command), typescript }
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.typescript).unwrap_or_default()).into_owned()
    }

    /// Waits until a text has been shown so many times.
    #[track_caller]
    fn shows(&self, text: &str, times: usize) {
        eventually(text, || (self.seen().matches(text).count() >= times).then_some(()));
    }
}

fn answering() -> Upstream {
    Upstream::start(|wire, head, _| {
        wire.body(head);
        reply(wire, 200, "answered");
    })
}

/// A request under way, at a socket.
fn ask(dir: &TestDir) -> mpsc::Receiver<Answer> {
    let (tell, heard) = mpsc::channel();
    let stream = std::os::unix::net::UnixStream::connect(socket(dir)).unwrap();
    std::thread::spawn(move || {
        let _ = tell.send(crate::fixture::ask(stream, "GET", "/up/x", "Host: agent\r\n", ""));
    });
    heard
}

fn come(asked: &mpsc::Receiver<Answer>) -> Answer {
    asked.recv_timeout(Duration::from_secs(20)).unwrap()
}

const READY: &str = "and Enter:";

#[test]
fn the_terminal_of_an_agent_asks_and_takes_once_for_this_grant_and_no() {
    let upstream = answering();
    let dir = home_with_key(&upstream.url());
    let path = socket(&dir);
    let args = format!("agent up --confirm --label work@host --socket {}", path.display());
    let mut terminal = Terminal::open(&dir, "typescript", &args);
    terminal.shows("CONVOCATIONS_AGENT", 1);

    let first = ask(&dir);
    terminal.shows("wants to send a request with your login up, by the grant", 1);
    assert!(terminal.seen().contains("to work@host."), "{}", terminal.seen());
    // Typed blind, while the question had not been in sight for a second: it answers nothing.
    terminal.child.say("o\ng\no");
    terminal.shows(READY, 1);
    terminal.child.say("maybe\n");
    terminal.shows("Type o, g or n", 1);
    assert!(first.try_recv().is_err(), "nothing was allowed by that: {}", terminal.seen());
    terminal.child.say("o\n");
    assert_eq!(come(&first).expect(200).body, "answered");

    let second = ask(&dir);
    terminal.shows(READY, 2);
    terminal.child.say("n\n");
    let refused = come(&second).expect(403);
    assert!(refused.body.contains("The person at home refused it"), "{}", refused.whole);

    let third = ask(&dir);
    terminal.shows(READY, 3);
    terminal.child.say("g\n");
    come(&third).expect(200);
    come(&ask(&dir)).expect(200);
    assert_eq!(terminal.seen().matches(READY).count(), 3, "asked no more: {}", terminal.seen());
}

#[test]
fn a_terminal_elsewhere_answers_for_a_program_without_one_and_hears_of_a_client_that_left() {
    let upstream = answering();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up", "--confirm"]);
    eventually("the hint", || lent.child.stderr().contains("grants watch").then_some(()));
    let mut terminal = Terminal::open(&dir, "typescript", "grants watch");
    terminal.shows("until Ctrl-C", 1);
    let mut leaving = lent.connect();
    std::io::Write::write_all(&mut leaving, b"GET /up/x HTTP/1.1\r\nHost: agent\r\n\r\n").unwrap();
    terminal.shows("wants to send a request", 1);
    drop(leaving);
    terminal.shows("It is no longer asked.", 1);

    // Sixty-four at once are one question.
    let asked: Vec<_> = (0..64).map(|_| ask(&dir)).collect();
    terminal.shows(READY, 1);
    terminal.child.say("o\n");
    for asked in &asked {
        come(asked).expect(200);
    }
    assert_eq!(terminal.seen().matches("wants to send a request").count(), 2, "{}", terminal.seen());
    let report = lent.report(&dir).unwrap();
    assert_eq!((&report["confirm"], &report["uses"]), (&true.into(), &64.into()));
}

#[test]
fn without_a_terminal_there_is_nobody_to_watch() {
    let dir = TestDir::new();
    let ran = run(&mut dir.convocations(["grants", "watch"]), "");
    assert!(ran.code() == 2 && ran.stderr.contains("nobody to ask"), "{ran:?}");
}

/// Trying to read the terminal there would stop the program, and with it every request that waits: no answer
/// would ever be no.
#[test]
fn in_the_background_of_a_shell_it_asks_and_is_answered_once_it_is_in_front() {
    let upstream = answering();
    let dir = home_with_key(&upstream.url());
    let mut terminal = Terminal::run(&dir, "typescript", "exec bash --norc --noprofile -i");
    let path = socket(&dir);
    let program = env!("CARGO_BIN_EXE_convocations");
    terminal.child.say(&format!("{program} agent up --confirm --socket {} &\n", path.display()));
    terminal.shows("export CONVOCATIONS_AGENT=", 1);
    let asked = ask(&dir);
    terminal.shows(READY, 1);
    assert!(!terminal.seen().contains("Stopped"), "{}", terminal.seen());
    // For the shell, and for no question.
    terminal.child.say("o\n");
    terminal.shows("o: command not found", 1);
    terminal.child.say("fg\n");
    terminal.shows(program, 2);
    terminal.child.say("o\n");
    assert_eq!(come(&asked).expect(200).body, "answered");
    terminal.child.say("\x03exit\n");
}
