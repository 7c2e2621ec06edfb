//! The one place that writes to the terminal. A reader that has gone away (`| head`) is no fault.

use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use super::layout;
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

/// Writes texts beside their heads to standard output, folded where a person reads them.
///
/// # Errors
/// As for [`write`].
pub fn beside(rows: &[(String, String)]) -> Result<ExitCode> {
    let columns = io::stdout().is_terminal().then(|| layout::size().columns);
    let text = |(head, text): &(String, String)| layout::beside(head, &for_terminal(text), columns);
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
    let text = for_terminal(text);
    let text = if is_watched() { layout::fold(&text, layout::size().columns) } else { text };
    let _ = writeln!(io::stderr(), "{text}");
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

/// Replaces the last line of a terminal by the first of several wordings that fits; nothing where nobody looks.
pub fn progress(wordings: &[&str]) {
    if is_watched() {
        let text = layout::one_line(wordings, layout::size().columns);
        let _ = write!(io::stderr(), "\r\x1b[K{text}");
        let _ = io::stderr().flush();
    }
}

/// A message with the editor's commands in it (`:ConvLogin openai@work`), for somebody who reads it in a terminal.
pub fn for_terminal(text: &str) -> String {
    // Every other piece stands between backticks.
    let spell = |(number, piece): (usize, &str)| match number % 2 {
        1 => shell_command(piece).unwrap_or_else(|| piece.to_owned()),
        _ => piece.to_owned(),
    };
    text.split('`').enumerate().map(spell).collect::<Vec<_>>().join("`")
}

/// `:ConvLogin[!] [LOGIN [METHOD]]` and `:ConvLogout LOGIN` in the words of the command line.
fn shell_command(command: &str) -> Option<String> {
    let mut words = command.split(' ');
    let (mut shell, takes_method) = match words.next()? {
        ":ConvLogin" => ("convocations login".to_owned(), true),
        ":ConvLogin!" => ("convocations login --no-browser".to_owned(), true),
        ":ConvLogout" => ("convocations logout".to_owned(), false),
        ":ConvStatus" => ("convocations status".to_owned(), false),
        _ => return None,
    };
    if let Some(login) = words.next() {
        shell = format!("{shell} {login}");
    }
    if let Some(method) = words.next().filter(|_| takes_method) {
        shell = format!("{shell} --method {method}");
    }
    Some(shell)
}

#[cfg(test)]
mod tests {
    use super::for_terminal;

    #[test]
    fn the_editors_commands_are_spelled_for_a_shell() {
        for (editor, shell) in [
            ("Log in with `:ConvLogin openai@work`.", "Log in with `convocations login openai@work`."),
            ("`:ConvLogin! openai device`", "`convocations login --no-browser openai --method device`"),
            (
                "Type `:ConvLogout a`, or `:ConvLogin`.",
                "Type `convocations logout a`, or `convocations login`.",
            ),
            ("Unset `OPENAI_API_KEY`; see :ConvLogin.", "Unset `OPENAI_API_KEY`; see :ConvLogin."),
            ("An odd ` backtick", "An odd ` backtick"),
        ] {
            assert_eq!(for_terminal(editor), shell);
        }
    }
}
