//! Programs that are run from here: with the limits that the person had, to their end, with their own exit
//! status.

use std::io;
use std::process::{Child, Command, ExitCode, ExitStatus};

use super::exec;
use crate::command;
use crate::descriptors;
use crate::editor;
use crate::error::{Code, Error, Result};
use crate::signals::Signals;

/// Starts a program.
///
/// # Errors
/// If it cannot be started.
pub fn spawn(program: &mut Command) -> io::Result<Child> {
    editor::restore_limits();
    descriptors::give_back(program);
    let started = program.spawn();
    editor::harden();
    started
}

/// Runs a program to its end, with the terminal. Ctrl-C there is the program's affair; being asked to end is
/// passed on.
///
/// # Errors
/// `backend_crashed` if its end was missed.
pub async fn run(mut program: Command) -> Result<ExitCode> {
    let _terminal = command::give_terminal_away();
    let mut child = match spawn(&mut program) {
        Ok(child) => child,
        Err(error) => return Ok(exec::cannot_run(&program, &error)),
    };
    let id = child.id();
    let mut signals = Signals::new();
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    loop {
        tokio::select! {
            status = &mut ended => {
                let status = status.ok().and_then(std::result::Result::ok);
                return status.map(exit_code).ok_or_else(|| {
                    Error::new(Code::BackendCrashed, "How the program ended is not known.")
                });
            }
            asked = signals.next() => asked.pass_on(id),
        }
    }
}

/// Ends a program of ours that takes too long.
#[cfg(unix)]
pub fn end(id: u32) {
    if let Some(process) = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
}

/// The program's own, or what a shell says of one that a signal ended.
pub fn exit_code(status: ExitStatus) -> ExitCode {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal);
    #[cfg(not(unix))]
    let signal = None;
    ExitCode::from(status.code().or(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
