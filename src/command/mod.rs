//! Runs a command of the person's settings for what it prints (`:h conv-command`).
//!
//! Guarantees: no shell; the program is found by absolute entries of `PATH` alone and runs in the home
//! folder, so that no file of the current directory takes part (rule 23); it has a process group of its own,
//! all of which is ended at its time limit and when whoever waits stops waiting; what it prints is bounded,
//! stands in a [`Secret`], and no word of it is in an error or in the log. Knows no login and no store.
//!
//! At a terminal the command has the terminal: it may ask for a password there, shows its own errors, and
//! gets Ctrl-C. Elsewhere, and where the terminal is another program's, it has neither terminal nor input,
//! and what it says on standard error is dropped.

mod answer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod group;
mod lookup;

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

pub use answer::{credential, text};
pub use group::{TerminalGivenAway, give_terminal_away};
pub use lookup::find;

use crate::error::{Code, Error, Result};
use crate::provider::Program;
use crate::secret::Secret;
use group::Group;

/// Longest output that is read, in bytes: a private key has 3 KiB, a token of a cloud 16.
const MAX_OUTPUT: usize = 64 << 10;
/// How long after a program's end its output is waited for, which a child of its own may hold open.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Says to a command's own programs for whom it runs, so that none waits for itself.
const RUNS_FOR: &str = "CONVOCATIONS_COMMAND_FOR";

/// Whether this very process was started by the command of `name`: then its answer would be waited for
/// forever.
///
/// # Errors
/// `config_invalid`.
pub fn check_no_circle(name: &str) -> Result<()> {
    let runs_for = std::env::var(RUNS_FOR).unwrap_or_default();
    match runs_for.split(' ').any(|other| other == name) {
        true => {
            Err(Error::new(Code::ConfigInvalid, format!("The command of `{name}` asks for `{name}` itself."))
                .with_hint("Let it print the credential from where that is kept."))
        }
        false => Ok(()),
    }
}

/// Runs a program to its end, for `name` (a login or a provider), and returns what it printed.
///
/// # Errors
/// `config_invalid` if there is no such program, `timeout`, `cancelled` at Ctrl-C, `store_unreadable` if it
/// fails, `bad_response` if what it printed is no text.
pub async fn run(program: &Program, name: &str) -> Result<Secret> {
    check_no_circle(name)?;
    let mut group = start(program, name)?;
    let (status, printed) = match tokio::time::timeout(program.timeout, ended(&mut group)).await {
        Err(_) => return Err(too_slow(program)),
        Ok(ended) => ended.map_err(|error| error.of(program))?,
    };
    group.has_ended();
    check_status(program, status)?;
    answer::utf8(program, printed)
}

fn start(program: &Program, name: &str) -> Result<Group> {
    let path = find(program)?;
    let mut command = tokio::process::Command::new(path);
    command.args(program.arguments()).stdout(Stdio::piped()).env(RUNS_FOR, runs_for(name));
    if let Some(home) = dirs::home_dir().filter(|home| home.is_dir()) {
        command.current_dir(home);
    }
    command.env("PATH", lookup::absolute_entries());
    tracing::debug!(name, program = program.name(), "runs a command");
    Group::start(command).map_err(|error| cannot_run(program, &error))
}

fn runs_for(name: &str) -> OsString {
    let mut all = std::env::var_os(RUNS_FOR).unwrap_or_default();
    all.push(" ");
    all.push(name);
    all
}

/// Why there is no whole output.
enum Cut {
    TooLong,
    Broken,
}

impl Cut {
    fn of(self, program: &Program) -> Error {
        let name = program.name();
        match self {
            Self::TooLong => Error::new(
                Code::BadResponse,
                format!("`{name}` prints more than {} KiB, which is not a credential.", MAX_OUTPUT >> 10),
            )
            .with_hint(correct(program)),
            Self::Broken => {
                Error::new(Code::StoreUnreadable, format!("The output of `{name}` cannot be read."))
                    .with_hint("Try again; the system may be out of memory or of files.")
            }
        }
    }
}

/// The end of a program, and all that it printed.
async fn ended(group: &mut Group) -> Result<(ExitStatus, Zeroizing<Vec<u8>>), Cut> {
    let mut printed = Zeroizing::new(Vec::with_capacity(4096));
    let Some(stdout) = group.child.stdout.take() else { return Err(Cut::Broken) };
    {
        let mut reading = std::pin::pin!(read(stdout, &mut printed));
        tokio::select! {
            read = &mut reading => read?,
            // Past that somebody else holds it open: a daemon that the program has started.
            _ = group.child.wait() => if let Ok(read) = tokio::time::timeout(LAST_WORDS, &mut reading).await {
                read?;
            },
        }
    }
    let status = group.child.wait().await.map_err(|_| Cut::Broken)?;
    Ok((status, printed))
}

async fn read(mut from: impl AsyncRead + Unpin, into: &mut Zeroizing<Vec<u8>>) -> Result<(), Cut> {
    let mut buffer = Zeroizing::new([0; 4096]);
    loop {
        match from.read(&mut *buffer).await {
            Ok(0) => return Ok(()),
            Ok(length) if into.len() + length > MAX_OUTPUT => return Err(Cut::TooLong),
            Ok(length) => into.extend_from_slice(&buffer[..length]),
            Err(_) => return Err(Cut::Broken),
        }
    }
}

fn check_status(program: &Program, status: ExitStatus) -> Result<()> {
    let name = program.name();
    let how = match (status.code(), group::signal(status)) {
        (Some(0), _) => return Ok(()),
        // 130 is what shells, and programs that catch it, make of Ctrl-C.
        (Some(130), _) => return Err(cancelled(program)),
        (_, Some(signal)) if group::is_interrupt(signal) => return Err(cancelled(program)),
        (Some(code), _) => format!("ended with exit status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    };
    tracing::info!(program = name, "a command {how}");
    Err(Error::new(Code::StoreUnreadable, format!("`{name}` {how}, and gave no credential."))
        .with_hint(format!("Unlock its vault, or run it in a terminal to see why: `{}`.", program.setting)))
}

/// What a command that somebody stopped waiting for is answered with.
pub fn cancelled(program: &Program) -> Error {
    let message = format!("Waiting for `{}` was cancelled.", program.name());
    Error::new(Code::Cancelled, message).with_hint("The next use runs it again.")
}

fn too_slow(program: &Program) -> Error {
    let (name, seconds) = (program.name(), program.timeout.as_secs());
    tracing::info!(program = name, seconds, "a command took too long");
    Error::new(Code::Timeout, format!("`{name}` did not end within {seconds} s.")).with_hint(format!(
        "If it waits for a password or a fingerprint, give it; `timeout` of `{}` gives it longer.",
        program.setting
    ))
}

fn cannot_run(program: &Program, error: &io::Error) -> Error {
    let name = program.name();
    let message = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("`{name}` may not be run by you."),
        _ => format!("`{name}` cannot be run."),
    };
    Error::new(Code::ConfigInvalid, message).with_hint(correct(program))
}

/// What to do about a command that cannot have been meant.
fn correct(program: &Program) -> String {
    format!("Correct `{}.argv` in {}.", program.setting, crate::paths::SETTINGS_FILE)
}
