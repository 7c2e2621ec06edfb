//! The log: one file for all our processes, private, rotated, redacted.
//!
//! Guarantees: never standard output or error, which belong to the protocol and to the person; what looks like a
//! token is taken out a second time here, though nobody should have written one; a log that cannot be written is no
//! reason to fail. Other crates' log records do not come here: nvim-rs would print whole messages.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::clock::Clock;
use crate::paths::Paths;

/// Bytes after which the file is set aside as `convocations.log.1`.
const MAX_LEN: u64 = 1 << 20;
/// Longest line, in bytes: written in one call, so that processes do not cut into each other's lines.
const MAX_LINE: usize = 4096;

/// How much a line matters; the names are those of `CONVOCATIONS_LOG`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every call.
    Debug,
    /// Begin and end of things.
    Info,
    /// Failures that were dealt with.
    Warn,
    /// Failures that were not.
    Error,
}

static LOG: OnceLock<(Level, Mutex<Option<File>>)> = OnceLock::new();

/// Opens the log once for this process. `CONVOCATIONS_LOG` is `debug`, `info`, `warn` (the default), `error` or `off`.
pub fn init(paths: &Paths) {
    let level = match std::env::var("CONVOCATIONS_LOG").unwrap_or_default().as_str() {
        "debug" => Level::Debug,
        "info" => Level::Info,
        "error" => Level::Error,
        "off" => return,
        _ => Level::Warn,
    };
    let file = open(&paths.log_dir(), &paths.log_file());
    let _ = LOG.set((level, Mutex::new(file)));
}

/// Sends panics to the log: the place, never the message, which may hold a value.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        write(Level::Error, "panic", &format!("A task panicked{place}."));
    }));
}

/// Writes a line, if the level is wanted.
pub fn write(level: Level, target: &str, text: &str) {
    let Some((wanted, file)) = LOG.get() else { return };
    if level < *wanted {
        return;
    }
    let mut line =
        format!("{} {} {level:?} {target}: {}", Clock::System.now(), std::process::id(), redact(text));
    line.retain(|character| !character.is_control());
    let mut end = line.len().min(MAX_LINE);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.push('\n');
    if let Some(file) = file.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let _ = file.write_all(line.as_bytes());
    }
}

fn open(folder: &Path, path: &Path) -> Option<File> {
    crate::store::ensure_private_folder(folder).ok()?;
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LEN) {
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    }
    options.open(path).ok()
}

/// Takes out whatever looks like a secret: long runs of token characters, known prefixes, values of telling names.
pub fn redact(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut run = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || "-_.~+/".contains(character) {
            run.push(character);
            continue;
        }
        push_run(&mut clean, &run);
        run.clear();
        clean.push(character);
    }
    push_run(&mut clean, &run);
    clean
}

fn push_run(clean: &mut String, run: &str) {
    let named = ["code=", "state=", "token=", "key=", "verifier=", "secret=", "Bearer ", "bearer "];
    let telling = named.iter().any(|name| clean.ends_with(name));
    let prefixed = ["sk-", "gho_", "ghu_", "ghp_", "eyJ"].iter().any(|prefix| run.starts_with(prefix));
    // A path has slashes and dots in it, a word no digits.
    let long = run.len() >= 24 && run.bytes().any(|byte| byte.is_ascii_digit()) && !run.contains('/');
    if !run.is_empty() && (telling || long || (prefixed && run.len() > 8)) {
        clean.push('…');
    } else {
        clean.push_str(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_taken_out() {
        for secret in [
            "sk-or-v1-0123456789",
            "gho_abcdefgh1",
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "Zm9vYmFyYmF6cXV4MTIzNDU2Nzg5",
        ] {
            let clean = redact(&format!("got {secret}, then \"{secret}\""));
            assert!(!clean.contains(secret) && clean.contains("got …, then"), "{clean}");
        }
        assert_eq!(redact("code=ab&state=cd Bearer ef"), "code=…&state=… Bearer …");
    }

    #[test]
    fn what_is_plain_stays() {
        let text =
            "In /home/a1/.config/convocations/credentials.toml, the login `anthropic@work2` (HTTP 503).";
        assert_eq!(redact(text), text);
    }
}
