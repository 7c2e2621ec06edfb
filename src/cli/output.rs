//! The one place that writes to the terminal. A reader that has gone away (`| head`) is no fault.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use crate::error::{Code, Error, Result};

/// Writes to standard output in one go.
///
/// # Errors
/// `store_unwritable` if the output cannot be written for another reason than that nobody reads it.
pub fn write(fill: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<ExitCode> {
    let mut bytes = Vec::new();
    let result = fill(&mut bytes).and_then(|()| {
        let mut out = io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()
    });
    zeroize::Zeroize::zeroize(&mut bytes);
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(_) => Err(Error::new(Code::StoreUnwritable, "Standard output cannot be written.")
            .with_hint("The disk may be full.")),
    }
}

/// Writes a line to standard output.
///
/// # Errors
/// As for [`write`].
pub fn line(text: &str) -> Result<ExitCode> {
    write(|out| writeln!(out, "{text}"))
}

/// Writes JSON to standard output.
///
/// # Errors
/// As for [`write`].
pub fn json(data: &impl serde::Serialize) -> Result<ExitCode> {
    write(|out| {
        serde_json::to_writer_pretty(&mut *out, data)?;
        writeln!(out)
    })
}

/// Tells the person something, on standard error.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// One line, the hint on the next, and the exit status of the error's code.
pub fn fail(error: &Error) -> ExitCode {
    note(&format!("convocations: {}", error.message()));
    if let Some(hint) = error.hint() {
        note(&format!("  {hint}"));
    }
    ExitCode::from(error.code().exit_status())
}

/// What clap says: help and version on standard output, mistakes on standard error without the values typed.
pub fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return line(error.render().to_string().trim_end()).unwrap_or(ExitCode::SUCCESS);
    }
    use clap::error::ErrorKind;
    // clap repeats a wrong argument, which may be a key that somebody typed in the wrong place.
    let text = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            error.render().to_string()
        }
        ErrorKind::MissingRequiredArgument => {
            "convocations: An argument is missing.\n  See `convocations --help`.".to_owned()
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            "convocations: An argument's value is not allowed.\n  See `convocations --help`.".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            "convocations: There is no such command.\n  See `convocations --help`.".to_owned()
        }
        _ => "convocations: These arguments do not fit.\n  See `convocations --help`.".to_owned(),
    };
    note(text.trim_end());
    ExitCode::from(2)
}

/// Whether a person looks at standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Replaces the last line of a terminal; nothing where nobody looks.
pub fn progress(text: &str) {
    if is_watched() {
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        let _ = io::stderr().flush();
    }
}
