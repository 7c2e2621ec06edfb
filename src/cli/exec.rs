//! `convocations exec`: a program with the provider's variables, for tools that know nothing else. What is in an
//! environment is seen by the program's children too, and does not become fresh: a token subcommand is better.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::{Command, ExitCode};

use super::{Context, output, token};
use crate::broker::token_now;
#[cfg(unix)]
use crate::editor;
use crate::error::{Code, Error, Result};
use crate::log::redact;
use crate::login_id::LoginId;
use crate::text::short;

/// Most that an error repeats of a program's name, in characters.
const MAX_NAME: usize = 200;

pub fn run(context: &Context, login: &LoginId, command: &[OsString]) -> Result<ExitCode> {
    let credential = match token_now(&context.config, &context.store, &context.clock, login, None)? {
        Some(credential) => credential,
        None => token::ask(context, async |broker| broker.get(login, None).await)?,
    };
    credential.log_handed_out();
    let provider = context.config.provider(login.provider())?;
    let variables = provider.exec_for(&credential);
    if variables.is_empty() {
        return Err(Error::new(
            Code::ConfigInvalid,
            format!("{} names no variables for programs.", provider.name),
        )
        .with_hint(format!("Describe them in config.toml under `[providers.{}.exec]`.", provider.id)));
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::new(Code::InvalidArgument, "There is no program to run."));
    };
    let mut child = Command::new(program);
    child.args(arguments);
    // Another key of the same provider would win over ours in some programs.
    for name in provider.exec.values().flat_map(|variables| variables.keys()) {
        child.env_remove(name);
    }
    for (name, value) in &variables {
        child.env(name, value.expose());
    }
    start(&mut child).map_err(|error| cannot_run(program, &error)).or_else(|(error, status)| {
        output::fail(&error);
        Ok(ExitCode::from(status))
    })
}

/// Becomes the program, where the system can.
#[cfg(unix)]
fn start(child: &mut Command) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    editor::give_back();
    Err(child.exec())
}

#[cfg(not(unix))]
fn start(child: &mut Command) -> io::Result<ExitCode> {
    let status = child.status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// What to say, and the exit status that shells have for it (POSIX, Shell Command Language, 2.8.2).
fn cannot_run(program: &OsStr, error: &io::Error) -> (Error, u8) {
    let name = redact(&short(&program.to_string_lossy(), MAX_NAME));
    match error.kind() {
        io::ErrorKind::NotFound => {
            let hint =
                if name.contains('/') { "Check its path." } else { "Check its name, and your `PATH`." };
            let error = Error::new(Code::InvalidArgument, format!("There is no program `{name}`."));
            (error.with_hint(hint), 127)
        }
        kind => {
            let message = format!("`{name}` cannot be run: {kind}.");
            let hint = "Check that it is a program, and that you may run it.";
            (Error::new(Code::InvalidArgument, message).with_hint(hint), 126)
        }
    }
}
