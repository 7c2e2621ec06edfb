//! The machine that logins are lent to, and what passes between it and the one that keeps them.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::common::{Ran, TestDir, run};

/// Settings under which both ends know the provider `up`, which takes keys.
pub const UP: &str = "[store]\nbackend = \"local-encrypted\"\n[providers.up]\nbase_url = \"http://127.0.0.1:9/base\"\n[providers.up.login.key]\ngrant = \"api-key\"\n[providers.up.exec.api-key]\nUP_KEY = \"{token}\"\n";

/// Another home, at whose programs an agent is named.
pub struct Far {
    pub dir: TestDir,
    pub agent: String,
}

impl Far {
    /// One that keeps no settings either.
    pub fn new(agent: impl Into<String>) -> Self {
        Self { dir: TestDir::new(), agent: agent.into() }
    }

    /// The program there.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.dir.convocations(args);
        command.env("CONVOCATIONS_AGENT", &self.agent);
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, "")
    }

    /// The same with something on standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Ran {
        run(&mut self.command(args), input)
    }

    /// Every file, socket and link there.
    pub fn files(&self) -> Vec<PathBuf> {
        files(self.dir.path())
    }
}

/// Everything below a folder that is no folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found
}

/// A socket that carries everything to another one, and keeps what passed.
pub struct Recorder {
    pub path: PathBuf,
    passed: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub fn start(path: PathBuf, to: PathBuf) -> Self {
        let (listener, passed) = (UnixListener::bind(&path).unwrap(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&passed);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = UnixStream::connect(&to) else { continue };
                carry(client.try_clone().unwrap(), server.try_clone().unwrap(), &kept);
                carry(server, client, &kept);
            }
        });
        Self { path, passed }
    }

    /// All bytes of both directions.
    pub fn passed(&self) -> Vec<u8> {
        self.passed.lock().unwrap().clone()
    }
}

fn carry(mut from: UnixStream, mut to: UnixStream, kept: &Arc<Mutex<Vec<u8>>>) {
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            kept.lock().unwrap().extend_from_slice(&buffer[..length]);
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
