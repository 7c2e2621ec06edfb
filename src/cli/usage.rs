//! What clap finds wrong with a line that was typed, in this program's form: a sentence, and the way out.
//!
//! Guarantees: what was typed is never repeated, only names of ours are: a key that went to the wrong place
//! stays there.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::output;

/// What clap says: help and version on standard output, mistakes on standard error without the values typed.
pub fn tell(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return output::line(error.render().to_string().trim_end())
            .unwrap_or_else(|error| output::fail(&error));
    }
    let text = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            error.render().to_string()
        }
        _ => format!("convocations: {}\n  {}", mistake(error), way_out(error)),
    };
    output::note(text.trim_end());
    ExitCode::from(2)
}

/// clap repeats a wrong argument, which may be a key that somebody typed in the wrong place: only names of
/// ours are told.
fn mistake(error: &clap::Error) -> String {
    let names = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => name.clone(),
        Some(ContextValue::Strings(names)) => names.join(", "),
        _ => String::new(),
    };
    let nearest = |kind| match error.get(kind) {
        // The best one comes last.
        Some(ContextValue::Strings(names)) => names.last().cloned().unwrap_or_default(),
        _ => names(kind),
    };
    match error.kind() {
        ErrorKind::MissingRequiredArgument => format!("{} is missing.", names(ContextKind::InvalidArg)),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let (name, allowed) = (names(ContextKind::InvalidArg), names(ContextKind::ValidValue));
            let allowed = if allowed.is_empty() { allowed } else { format!("; it takes one of {allowed}") };
            format!("The value of {name} is not allowed{allowed}.")
        }
        ErrorKind::InvalidSubcommand => no_such("command", &nearest(ContextKind::SuggestedSubcommand)),
        ErrorKind::UnknownArgument => no_such("argument", &nearest(ContextKind::SuggestedArg)),
        _ => "These arguments do not fit.".to_owned(),
    }
}

/// How the command is written, or where that stands.
fn way_out(error: &clap::Error) -> String {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) if error.kind() != ErrorKind::InvalidSubcommand => {
            usage.to_string()
        }
        _ => "See `convocations --help`.".to_owned(),
    }
}

/// That there is none of this name, and what was probably meant; the names are ours.
fn no_such(what: &str, meant: &str) -> String {
    match meant {
        "" => format!("There is no such {what}."),
        meant => format!("There is no such {what}; did you mean `{meant}`?"),
    }
}
