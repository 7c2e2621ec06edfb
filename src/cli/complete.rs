//! What a shell offers where a login, a provider or a method is typed.
//!
//! Guarantees: reads settings and the index alone: no keyring, no network, no question. Where something is
//! wrong, nothing is offered, and nothing is said: a person is in the middle of a line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use super::context::Context;
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::provider::{Source, is_no_login};

/// Set by the script that a shell has read, to the shell's name.
const VARIABLE: &str = "CONVOCATIONS_COMPLETE";
const PROGRAM: &str = env!("CARGO_PKG_NAME");
/// What bash needs so that a login is one word.
const BASH_AT_SIGNS: &str = include_str!("complete.bash");

/// Answers a shell, if it is one that asks, about what `command` takes; whether it was.
pub fn answer(command: fn() -> Command) -> bool {
    std::env::var_os(VARIABLE).is_some()
        && CompleteEnv::with_factory(command)
            .var(VARIABLE)
            .bin(PROGRAM)
            .completer(PROGRAM)
            .try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref())
            .unwrap_or(true)
}

/// Writes what a shell has to read so that it asks.
///
/// # Errors
/// If it cannot be written.
pub fn script(shell: Shell, out: &mut impl Write) -> io::Result<()> {
    let shells = Shells::builtins();
    let Some(completer) = shells.completer(&shell.to_string()) else { return Ok(()) };
    if shell != Shell::Bash {
        return completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, out);
    }
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    let asks = String::from_utf8_lossy(&script).replace("-F _clap_complete_convocations", "-F _convocations");
    out.write_all(BASH_AT_SIGNS.as_bytes())?;
    out.write_all(asks.as_bytes())
}

/// What can be logged in to: every provider, and the accounts that there are.
pub fn to_log_in(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |context, offered| {
        for id in context.config.provider_ids() {
            let name = context.config.provider(&id).map(|provider| provider.name.clone());
            offered.insert(id, name.unwrap_or_default());
        }
        add_stored(context, offered);
    })
}

/// What is stored.
pub fn stored(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, add_stored)
}

/// What a token can be had for: what is stored, what a variable holds, and what a command gives.
pub fn usable(typed: &OsStr) -> Vec<CompletionCandidate> {
    offer(typed, |context, offered| {
        for id in context.config.provider_ids() {
            let Ok(provider) = context.config.provider(&id) else { continue };
            let set = provider.sources.iter().find_map(|source| match source {
                Source::Env { var, .. } if std::env::var_os(var).is_some() => Some(var.clone()),
                Source::Command => Some("what its command gives".to_owned()),
                _ => None,
            });
            if let Some(source) = set {
                offered.insert(id, source);
            }
        }
        add_stored(context, offered);
    })
}

/// The methods of the provider that the line names.
pub fn methods(typed: &OsStr) -> Vec<CompletionCandidate> {
    let words: Vec<LoginId> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    offer(typed, |context, offered| {
        let known = words.iter().find_map(|login| context.config.provider(login.provider()).ok());
        let methods = known.iter().flat_map(|provider| &provider.methods);
        offered.extend(methods.map(|method| (method.id.clone(), method.label.clone())));
    })
}

fn add_stored(context: &Context, offered: &mut BTreeMap<String, String>) {
    let index = context.store.index().unwrap_or_default();
    for (login, entry) in index.logins.iter().filter(|(login, _)| !is_no_login(login)) {
        let who = entry.identity.clone().unwrap_or_else(|| entry.method.clone());
        offered.insert(login.as_str().to_owned(), who);
    }
}

/// What begins as typed, each with a word about it.
fn offer(
    typed: &OsStr,
    fill: impl FnOnce(&Context, &mut BTreeMap<String, String>),
) -> Vec<CompletionCandidate> {
    let mut offered = BTreeMap::new();
    if let Ok(context) = Paths::from_env().and_then(|paths| Context::new(&paths)) {
        fill(&context, &mut offered);
    }
    let typed = typed.to_string_lossy();
    let fitting = offered.into_iter().filter(|(name, _)| name.starts_with(typed.as_ref()));
    fitting.map(|(name, about)| CompletionCandidate::new(name).help(Some(about.into()))).collect()
}
