//! What this machine can prove of itself: its identity token (a JWT that its platform signs), from a
//! variable, a file, a command or GitHub Actions (`:h conv-workload`).
//!
//! Guarantees: a file is read at each use, since platforms rotate it; what is sent is one line of bounded
//! size; no word of it is in an error or in the log; GitHub's request token goes to the address that GitHub
//! named, over https, and nowhere else. Knows no login and no store.

mod github;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::command;
use crate::error::{Code, Error, Result};
use crate::http::Http;
use crate::oauth::Failure;
use crate::provider::{AssertionSource, Program, Workload};
use crate::secret::Secret;
use crate::text::is_credential;

/// Longest identity token that is sent, in bytes: what Anthropic and OpenRouter take at most.
const MAX_ASSERTION: u64 = 16 << 10;

/// Whether there is a workload identity here, as far as that is known without asking anybody.
///
/// # Errors
/// `config_invalid` if there is half of one: some of what it needs is there, and some is not.
pub fn is_here(workload: &Workload) -> Result<bool> {
    let set = |name: &String| param(workload, name).is_some();
    if workload.required.first().is_some_and(|first| !set(first)) {
        return Ok(false);
    }
    if let Some(missing) = workload.required.iter().find(|name| !set(name)) {
        return Err(incomplete(workload, missing));
    }
    if workload.assertion.iter().any(is_there) {
        return Ok(true);
    }
    if github::forgot_the_permission() && workload.assertion.contains(&AssertionSource::Github) {
        return Err(github::no_permission());
    }
    match workload.required.is_empty() {
        true => Ok(false),
        false => Err(no_assertion(workload)),
    }
}

/// The parameters of the request beside the identity token: those of the settings, and of variables where the
/// settings say nothing.
pub fn params(workload: &Workload) -> BTreeMap<String, String> {
    let names = workload.params.keys().chain(workload.env_params.keys());
    names.filter_map(|name| Some((name.clone(), param(workload, name)?))).collect()
}

fn param(workload: &Workload, name: &str) -> Option<String> {
    let own = workload.params.get(name).filter(|value| !value.is_empty()).cloned();
    own.or_else(|| variable(workload.env_params.get(name)?))
}

/// A variable's value; an empty one counts as not set.
fn variable(name: &str) -> Option<String> {
    let value = std::env::var(name).ok()?.trim().to_owned();
    (!value.is_empty()).then_some(value)
}

fn is_there(source: &AssertionSource) -> bool {
    match source {
        AssertionSource::Env(var) | AssertionSource::EnvFile(var) => variable(var).is_some(),
        AssertionSource::File(path) => path.exists(),
        AssertionSource::Github => github::is_here(),
        AssertionSource::Command(_) => true,
    }
}

/// The program that prints the identity token here, if one does.
pub fn program(workload: &Workload) -> Option<&Program> {
    match workload.assertion.iter().find(|source| is_there(source))? {
        AssertionSource::Command(program) => Some(program),
        _ => None,
    }
}

/// The identity token of this machine, from the first source that is there. `name` is the provider's.
///
/// # Errors
/// A [`Failure`].
pub async fn assertion(http: &Http, workload: &Workload, name: &str) -> Result<Secret, Failure> {
    let source = workload.assertion.iter().find(|source| is_there(source));
    let source = source.ok_or_else(|| Failure::Configuration(no_assertion(workload)))?;
    let found = match source {
        AssertionSource::Env(var) => Ok(Secret::new(variable(var).unwrap_or_default())),
        AssertionSource::File(path) => read(path),
        AssertionSource::EnvFile(var) => read(&PathBuf::from(variable(var).unwrap_or_default())),
        AssertionSource::Github => return github::ask(http, workload.audience.as_deref()).await,
        AssertionSource::Command(program) => match command::run(program, name).await {
            Ok(printed) => command::text(program, &printed),
            Err(error) => return Err(Failure::answered(error, None)),
        },
    };
    found.and_then(|found| checked(source, &found)).map_err(Failure::Configuration)
}

fn read(path: &Path) -> Result<Secret> {
    let unreadable = |what: &str| {
        Error::new(Code::ConfigInvalid, format!("The identity token in `{}` {what}.", path.display()))
            .with_hint("See that the platform puts it there, and that you can read it.")
    };
    if !path.is_absolute() {
        return Err(unreadable("is not named by a whole path"));
    }
    let found = std::fs::metadata(path).map_err(|_| unreadable("cannot be read"))?;
    if !found.is_file() || found.len() > MAX_ASSERTION {
        return Err(unreadable("is not a file of at most 16 KiB"));
    }
    let text = std::fs::read_to_string(path).map(Secret::new).map_err(|_| unreadable("cannot be read"))?;
    Ok(Secret::new(text.expose().trim()))
}

/// One line that a body may carry, in the form of a JWT's three parts.
fn checked(source: &AssertionSource, found: &Secret) -> Result<Secret> {
    let text = found.expose();
    let is_jwt = text.split('.').count() == 3 && is_credential(text) && !text.contains(' ');
    match is_jwt && text.len() as u64 <= MAX_ASSERTION {
        true => Ok(found.clone()),
        false => Err(Error::new(
            Code::ConfigInvalid,
            format!("What {} gives is not an identity token (a JWT of at most 16 KiB).", spell(source)),
        )
        .with_hint("Let the platform make one there: `:h conv-workload`.")),
    }
}

/// A source, for people.
fn spell(source: &AssertionSource) -> String {
    match source {
        AssertionSource::Env(var) => format!("`{var}`"),
        AssertionSource::EnvFile(var) => format!("the file of `{var}`"),
        AssertionSource::File(path) => format!("`{}`", path.display()),
        AssertionSource::Github => "GitHub Actions".to_owned(),
        AssertionSource::Command(program) => format!("`{}`", program.name()),
    }
}

fn incomplete(workload: &Workload, missing: &str) -> Error {
    let message = format!("The workload identity lacks `{missing}`.");
    let variable = workload.env_params.get(missing).map(|var| format!("Set `{var}`, or give "));
    let hint = variable.unwrap_or_else(|| "Give ".to_owned());
    Error::new(Code::ConfigInvalid, message).with_hint(format!("{hint}it in `{}.params`.", workload.setting))
}

fn no_assertion(workload: &Workload) -> Error {
    let all: Vec<String> = workload.assertion.iter().map(spell).collect();
    Error::new(Code::ConfigInvalid, "This machine has no identity token to show.")
        .with_hint(format!("It is looked for in: {}. See `:h conv-workload`.", all.join(", ")))
}
