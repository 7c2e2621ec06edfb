//! From the description of a command to the command.
//!
//! Guarantees: the program is a name for `PATH` or a whole path, so that no file of the current directory is
//! run (rule 23).

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::check::invalid;
use super::command::{CommandSource, Program};
use super::describe::{CommandDescription, ProgramDescription};
use crate::credential::Kind;
use crate::error::Result;

/// Longest time that a command may be given, and that its answer may be used, in seconds: a week.
const LONGEST: u64 = 604_800;
/// Seconds that a command is given where nothing is said: time for a finger on a sensor.
const TIMEOUT: u64 = 30;
/// Seconds that an answer without an end is used where nothing is said.
const TTL: u64 = 900;
/// The command that is described at `path`.
pub(super) fn source(path: &str, described: &CommandDescription) -> Result<CommandSource> {
    let ttl = described.ttl.unwrap_or(TTL);
    check_seconds(&format!("{path}.ttl"), ttl)?;
    Ok(CommandSource {
        program: program_of(path, &described.argv, described.timeout)?,
        format: described.format.unwrap_or_default(),
        ttl: i64::try_from(ttl).unwrap_or(i64::MAX),
        cache: described.cache.unwrap_or_default(),
        kind: described.kind.unwrap_or(Kind::ApiKey),
    })
}

/// The same without more than a program.
pub(super) fn program(path: &str, described: &ProgramDescription) -> Result<Program> {
    program_of(path, &described.argv, described.timeout)
}

fn program_of(path: &str, argv: &[String], timeout: Option<u64>) -> Result<Program> {
    let at = format!("{path}.argv");
    let Some((first, arguments)) = argv.split_first() else {
        return Err(invalid(&at, "it is missing; give the program and its arguments, as a list of texts."));
    };
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(invalid(&at, "no text of it may hold a NUL."));
    }
    let timeout = timeout.unwrap_or(TIMEOUT);
    check_seconds(&format!("{path}.timeout"), timeout)?;
    let mut words = vec![runnable(&at, first)?];
    words.extend(arguments.iter().cloned());
    Ok(Program::new(words, Duration::from_secs(timeout), path))
}

/// A name that `PATH` leads to, or a whole path: what is relative would be another program in every folder.
fn runnable(at: &str, program: &str) -> Result<String> {
    let path = match program.strip_prefix("~/") {
        Some(below) => dirs::home_dir().unwrap_or_default().join(below),
        None => PathBuf::from(program),
    };
    let is_name = || {
        let mut parts = Path::new(program).components();
        matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
            && !program.contains(['/', '\\', ':'])
    };
    match path.to_str() {
        Some(path) if Path::new(path).is_absolute() => Ok(path.to_owned()),
        _ if is_name() => Ok(program.to_owned()),
        _ => Err(invalid(
            at,
            "the program must be a name that `PATH` leads to, or a whole path, from `/` or `~/` on.",
        )),
    }
}

fn check_seconds(at: &str, seconds: u64) -> Result<()> {
    match (1..=LONGEST).contains(&seconds) {
        true => Ok(()),
        false => Err(invalid(at, &format!("it must be 1 to {LONGEST} seconds."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole path.
    const WHOLE: &str = if cfg!(windows) { r"C:\bin\op" } else { "/usr/bin/op" };

    fn described(argv: &[&str]) -> CommandDescription {
        CommandDescription {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            ..CommandDescription::default()
        }
    }

    #[test]
    fn a_program_is_a_name_or_a_whole_path() {
        for good in ["op", WHOLE, "~/bin/key"] {
            assert!(source("p", &described(&[good, "./x"])).is_ok(), "{good}");
        }
        for bad in ["./op", "../op", "bin/op", ".", "..", "", "bin\\op", "c:op"] {
            let error = source("p", &described(&[bad])).unwrap_err();
            assert!(error.message().contains("`p.argv`"), "{bad}: {error}");
        }
        assert!(source("p", &described(&[])).is_err() && source("p", &described(&["op", "a\0b"])).is_err());
    }

    #[test]
    fn an_answer_is_bound_to_its_command() {
        let binding = |argv: &[&str]| source("p", &described(argv)).unwrap().binding();
        assert_eq!(binding(&["op", "a"]), binding(&["op", "a"]));
        assert_ne!(binding(&["op", "a", "b"]), binding(&["op", "ab"]));
        assert!(!binding(&["op", "planted"]).contains("planted"));
    }

    #[test]
    fn arguments_are_not_shown() {
        let shown = format!("{:?}", source("p", &described(&[WHOLE, "planted"])).unwrap());
        assert!(shown.contains("Program(op, …)") && !shown.contains("planted"), "{shown}");
    }
}
