//! Programs with time limits, and waiting for what cannot be awaited otherwise.

use std::io::{Read, Write};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a program may take unless a test says otherwise.
pub const LIMIT: Duration = Duration::from_secs(30);

/// What a program left.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// The exit code; panics if a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// Itself, if the exit code is 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code(), 0, "{self:?}");
        self
    }
}

/// Runs a program to its end with `input` on stdin. Panics, with what it said, if it takes longer than
/// [`LIMIT`].
pub fn run(command: &mut Command, input: &str) -> Ran {
    let mut child = Child::spawn(command);
    child.say(input);
    child.close();
    child.finish(LIMIT)
}

/// Lets a program be ended by signals, though the tests were started with some of them ignored: with `nohup`,
/// as a job in the background, by a CI. What is ignored is handed down to every program that is started.
/// Where none is, nothing is done: a program that has something to do before it begins is started by a copy
/// of this process, which takes the longer the larger this one is.
#[cfg(unix)]
pub fn heed_signals(command: &mut Command) -> &mut Command {
    use std::os::unix::process::CommandExt as _;
    let mut ignored =
        [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGTSTP, libc::SIGCONT].to_vec();
    ignored.retain(|signal| is_ignored(*signal));
    if ignored.is_empty() {
        return command;
    }
    let heed = move || {
        for signal in &ignored {
            // SAFETY: SIG_DFL runs none of our code.
            unsafe { libc::signal(*signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: between fork and exec only signal(2) is called, which POSIX allows there.
    unsafe { command.pre_exec(heed) }
}

#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: what is all zeroes is an action; sigaction(2) fills it, and changes nothing without a new one.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let told = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    told == 0 && now.sa_sigaction == libc::SIG_IGN
}

#[cfg(not(unix))]
pub fn heed_signals(command: &mut Command) -> &mut Command {
    command
}

/// A program that runs; killed when dropped.
#[derive(Debug)]
pub struct Child {
    child: std::process::Child,
    pub stdin: Option<ChildStdin>,
    stdout: Option<Collected>,
    stderr: Option<Collected>,
    began: Instant,
}

impl Child {
    /// Starts it with pipes; its output is collected in the background.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(collect),
            stderr: child.stderr.take().map(collect),
            child,
            began: Instant::now(),
        }
    }

    /// Writes to its stdin; that it has ended already is no fault here.
    pub fn say(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is closed");
        let _ = stdin.write_all(text.as_bytes());
    }

    /// Closes its stdin.
    pub fn close(&mut self) {
        self.stdin = None;
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it outright.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.as_ref().map(Collected::so_far).unwrap_or_default()
    }

    /// What it has said on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.as_ref().map(Collected::so_far).unwrap_or_default()
    }

    /// Waits for its end. Panics, with what it said, if it takes longer than `limit`.
    pub fn finish(mut self, limit: Duration) -> Ran {
        let ended = wait_for(limit, || self.child.try_wait().unwrap());
        if ended.is_none() {
            self.kill();
        }
        let status = self.child.wait().unwrap();
        let took = self.began.elapsed();
        let text = |reader: Option<Collected>| reader.map(Collected::whole);
        let ran = Ran {
            status,
            stdout: text(self.stdout.take()).unwrap_or_default(),
            stderr: text(self.stderr.take()).unwrap_or_default(),
            took,
        };
        assert!(ended.is_some(), "still running after {limit:?}: {ran:?}");
        ran
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Output that is read as it comes.
#[derive(Debug)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Collected {
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn whole(self) -> String {
        self.reader.join().unwrap();
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

fn collect(mut from: impl Read + Send + 'static) -> Collected {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&bytes);
    let reader = std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            shared.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    });
    Collected { bytes, reader }
}

/// Asks again and again until there is an answer or the limit has passed. For states that nothing announces.
pub fn wait_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// [`wait_for`] up to 10 s; panics with `what` if there is no answer.
#[track_caller]
pub fn eventually<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_for(Duration::from_secs(10), ask).unwrap_or_else(|| panic!("not in time: {what}"))
}
