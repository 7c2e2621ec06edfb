//! The command line: everything outside the editor (`convocations help`).
//!
//! Guarantees: `token` prints a token and a newline or nothing; errors are one line on standard error with
//! the hint on the next; exit status 0, 2 usage, 3 log in, 4 refused, 5 try again, 6 store, 130 cancelled; no
//! secret is ever taken from an argument or printed but by `token`.

mod agent;
mod args;
mod authority;
mod child;
mod complete;
mod context;
mod doctor;
mod echo;
mod exec;
mod gateway;
mod grants;
mod layout;
mod lend;
mod login;
mod logout;
mod man;
mod mcp;
mod news;
mod online;
mod open;
mod other_source;
mod output;
mod permission;
mod prompt;
mod providers;
mod quota;
mod secret;
mod ssh;
mod status;
mod token;
mod usage;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Args, Command};
use context::Context;

use crate::editor;
use crate::error::{Code, Error, Result};
use crate::log;
use crate::paths::Paths;

/// Runs the program.
pub fn run() -> ExitCode {
    if complete::answer(Args::command) {
        return ExitCode::SUCCESS;
    }
    let command = match plain().map_or_else(parse, Ok) {
        Ok(command) => command,
        Err(code) => return code,
    };
    match Paths::from_env().and_then(|paths| logged(command, paths)) {
        Ok(code) => code,
        Err(error) => output::fail(&error),
    }
}

/// Runs a command, and puts its begin and its end into the log: its failure, and the place of a panic, too.
fn logged(command: Command, paths: Paths) -> Result<ExitCode> {
    log::init(&paths);
    tracing::info!(command = command.name(), version = env!("CARGO_PKG_VERSION"), "began");
    let ran = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(command, paths.clone())));
    let result = ran.unwrap_or_else(|_| {
        Err(Error::new(Code::BackendCrashed, "The program failed by a fault of its own.")
            .with_hint(format!("`{}` tells where.", paths.log_file().display())))
    });
    match &result {
        Ok(_) => tracing::info!("ended"),
        Err(error) => tracing::info!(error = %error.code(), "failed: {error}"),
    }
    result
}

/// What programs call again and again, `convocations token LOGIN` and `convocations rpc`: setting up the
/// argument parser would cost as much as reading the token.
fn plain() -> Option<Command> {
    let mut args = std::env::args_os().skip(1);
    let (name, login, end) = (args.next()?, args.next(), args.next());
    match login {
        None if name == "rpc" => Some(Command::Rpc),
        Some(login) if name == "token" && end.is_none() => {
            let login = login.into_string().ok().filter(|login| !login.starts_with('-'))?;
            Some(Command::Token { login, json: false, min_validity: None, rejected: false })
        }
        _ => None,
    }
}

/// Reads what was typed, or tells what is wrong with it. Apart from [`run`] for its stack: see [`seldom`].
#[inline(never)]
fn parse() -> Result<Command, ExitCode> {
    Args::try_parse().map(|args| args.command).map_err(|error| usage::tell(&error))
}

fn dispatch(command: Command, paths: Paths) -> Result<ExitCode> {
    editor::harden();
    match command {
        Command::Rpc => Ok(editor::run(&paths)),
        Command::Completions { shell } => output::write(|out| complete::script(shell, out)),
        Command::Man { dir } => man::run(dir.as_deref()),
        Command::Doctor { online, json } => doctor::run(paths, online, json),
        command => with_context(command, &paths),
    }
}

/// Runs a command that works on logins, and tells what is wrong with the settings and the store.
fn with_context(command: Command, paths: &Paths) -> Result<ExitCode> {
    let context = Context::new(paths)?;
    let result = match command {
        Command::Token { login, json, min_validity, rejected } => {
            token::run(&context, &login.parse()?, json, min_validity, rejected)
        }
        command => seldom(command, &context),
    };
    for problem in context.config.problems() {
        output::note(problem.message());
    }
    for warning in context.store.take_warnings() {
        output::note(&warning);
    }
    result
}

/// Runs what a person asks for now and then. All these have a stack of 80 KB, and a function that had them
/// inside would touch each page of it, whatever it runs.
#[inline(never)]
fn seldom(command: Command, context: &Context) -> Result<ExitCode> {
    match command {
        Command::Login { login, method, no_browser, challenge, organization } => {
            login::run(context, login::Wanted { login, method, no_browser, challenge, organization })
        }
        Command::Mcp(wanted) => mcp::run(context, wanted),
        Command::Logout { login, all } => logout::run(context, login, all),
        Command::Exec { login, command, gateway: false } => exec::run(context, &login.parse()?, &command),
        Command::Exec { login, command, gateway: true } => gateway::exec(context, &login.parse()?, &command),
        Command::Gateway(options) => gateway::run(context, options),
        Command::Ssh(options) => ssh::run(context, options),
        Command::Agent(options) => agent::run(context, options),
        Command::Grants { action, json } => grants::run(context, action, json),
        Command::Status { login, json } => {
            status::run(context, login.map(|login| login.parse()).transpose()?.as_ref(), json)
        }
        Command::Usage { login, json } => {
            quota::run(context, login.map(|login| login.parse()).transpose()?.as_ref(), json)
        }
        Command::Providers { json } => providers::run(context, json),
        Command::Secret { action } => secret::run(context, action),
        Command::Authority(options) => authority::run(context, options),
        Command::Token { .. }
        | Command::Rpc
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Doctor { .. } => Ok(ExitCode::SUCCESS),
    }
}
