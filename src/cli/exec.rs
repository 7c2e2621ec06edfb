//! `convocations exec`: a program with the provider's variables, for tools that know nothing else. What is in
//! an environment is seen by the program's children too, and does not become fresh: a token subcommand is
//! better.

use std::ffi::OsString;
use std::io;
use std::process::{Command, ExitCode};

use super::context::Context;
use super::{output, token};
#[cfg(unix)]
use crate::editor;
use crate::error::{Code, Error, Result};
use crate::log::redact;
use crate::login_id::LoginId;
use crate::paths::SETTINGS_FILE;
use crate::provider::Provider;
use crate::text::short;

/// Most that an error repeats of a program's name, in characters.
const MAX_NAME: usize = 200;

pub fn run(context: &Context, login: &LoginId, command: &[OsString]) -> Result<ExitCode> {
    let credential = match context.token_now(login, None)? {
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
        .with_hint(format!("Describe them in {SETTINGS_FILE} under `[providers.{}.exec]`.", provider.id)));
    }
    let mut child = self::command(&provider, command)?;
    for (name, value) in &variables {
        child.env(name, value.expose());
    }
    start(&mut child).or_else(|error| Ok(cannot_run(&child, &error)))
}

/// The program, without the keys of this provider that are in the environment: another one would win over
/// ours in some programs.
///
/// # Errors
/// `invalid_argument` if none was named.
pub fn command(provider: &Provider, command: &[OsString]) -> Result<Command> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Error::new(Code::InvalidArgument, "There is no program to run."));
    };
    let mut child = Command::new(program);
    child.args(arguments);
    for name in provider.key_variables() {
        child.env_remove(name);
    }
    Ok(child)
}

/// Becomes the program, where the system can.
#[cfg(unix)]
fn start(child: &mut Command) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    editor::restore_limits();
    Err(child.exec())
}

#[cfg(not(unix))]
fn start(child: &mut Command) -> io::Result<ExitCode> {
    let status = child.status()?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

/// Says why a program cannot be run; the exit status is the one that shells have for it (POSIX, Shell Command
/// Language, 2.8.2).
pub fn cannot_run(program: &Command, error: &io::Error) -> ExitCode {
    let name = redact(&short(&program.get_program().to_string_lossy(), MAX_NAME));
    let (message, hint, status) = match error.kind() {
        io::ErrorKind::NotFound => {
            let hint =
                if name.contains('/') { "Check its path." } else { "Check its name, and your `PATH`." };
            (format!("There is no program `{name}`."), hint, 127)
        }
        kind => {
            let hint = "Check that it is a program, and that you may run it.";
            (format!("`{name}` cannot be run: {kind}."), hint, 126)
        }
    };
    output::fail(&Error::new(Code::InvalidArgument, message).with_hint(hint));
    ExitCode::from(status)
}
