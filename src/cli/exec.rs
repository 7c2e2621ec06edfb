//! `convocations exec`: a program with the provider's variables, for tools that know nothing else. What is in an
//! environment is seen by the program's children too, and does not become fresh: a token subcommand is better.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use super::{Context, token};
use crate::broker::token_now;
#[cfg(unix)]
use crate::editor;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;

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
    start(&mut child)
}

/// Becomes the program, where the system can.
#[cfg(unix)]
fn start(child: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    editor::give_back();
    let error = child.exec();
    Err(cannot_run(&error))
}

#[cfg(not(unix))]
fn start(child: &mut Command) -> Result<ExitCode> {
    let status = child.status().map_err(|error| cannot_run(&error))?;
    Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)))
}

fn cannot_run(error: &std::io::Error) -> Error {
    Error::new(Code::InvalidArgument, format!("The program cannot be run: {}.", error.kind()))
        .with_hint("Check its name and that it is in your PATH.")
}
