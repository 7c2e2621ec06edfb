//! The one place that writes to the terminal. A reader that has gone away (`| head`) is no fault.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use super::layout;
use crate::error::{Code, Error, Result};
use crate::wording::Face;

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

/// Writes texts beside their heads to standard output, folded where a person reads them.
///
/// # Errors
/// As for [`write`].
pub fn beside(rows: &[(String, String)]) -> Result<ExitCode> {
    let columns = io::stdout().is_terminal().then(|| layout::size().columns);
    let text = |(head, text): &(String, String)| layout::beside(head, &Face::Terminal.say(text), columns);
    line(&rows.iter().map(text).collect::<Vec<_>>().join("\n"))
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

/// Writes JSON to standard output, on one line.
///
/// # Errors
/// As for [`write`].
pub fn json_line(data: &impl serde::Serialize) -> Result<ExitCode> {
    write(|out| {
        serde_json::to_writer(&mut *out, data)?;
        writeln!(out)
    })
}

/// Tells the person something, on standard error and in a terminal's words.
pub fn note(text: &str) {
    let text = Face::Terminal.say(text);
    let _ = match is_watched() {
        true => writeln!(io::stderr(), "{}", layout::fold(&text, layout::size().columns)),
        false => writeln!(io::stderr(), "{text}"),
    };
}

/// Shows lines as they are, on standard error.
pub fn drawing(lines: &[String]) {
    let _ = writeln!(io::stderr(), "{}", lines.join("\n"));
}

/// One line, the hint on the next, and the exit status of the error's code.
pub fn fail(error: &Error) -> ExitCode {
    note(&format!("convocations: {}", error.message()));
    if let Some(hint) = error.hint() {
        note(&format!("  {}", hint));
    }
    ExitCode::from(error.code().exit_status())
}

/// Whether a person looks at standard error.
pub fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Replaces the last line of a terminal by the first of several wordings that fits; nothing where nobody
/// looks.
pub fn progress(wordings: &[&str]) {
    if is_watched() {
        let text = layout::one_line(wordings, layout::size().columns);
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        let _ = io::stderr().flush();
    }
}
