//! Asking the person, and reading what is not to be seen.

use std::io::{self, BufRead, IsTerminal as _, Read as _, Write as _};

use super::echo::{EchoOff, Uninterrupted};
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// Longest line that is taken, in bytes: more than any key or code has.
const MAX_LINE: u64 = 64 * 1024;

/// A secret: typed hidden at a terminal, else one line of standard input.
///
/// # Errors
/// `invalid_argument` if there is none, `cancelled` on Ctrl-C or Ctrl-D.
pub fn secret(label: &str) -> Result<Secret> {
    if io::stdin().is_terminal() {
        // Silent before it asks: whoever types at the prompt's first sight is not shown either. Ctrl-C would
        // leave the terminal so, since the reader raises the signal while we are still silent.
        let (_uninterrupted, _echo_off) = (Uninterrupted::begin(), EchoOff::taking_ctrl_c());
        let _ = write!(io::stderr(), "{label}");
        let _ = io::stderr().flush();
        return rpassword::read_password().map(Secret::new).map_err(|_| cancelled());
    }
    line(&mut io::stdin().lock().take(MAX_LINE)).ok_or_else(|| {
        Error::new(Code::InvalidArgument, "There is no key on standard input.")
            .with_hint("Type it at a terminal, or pipe one line in.")
    })
}

/// The next line, without its end; `None` at the end of input. Of one that is too long, the beginning: it is
/// refused for its length, and takes no more memory than that.
pub fn line(input: &mut impl BufRead) -> Option<Secret> {
    let mut line = zeroize::Zeroizing::new(Vec::new());
    input.take(MAX_LINE).read_until(b'\n', &mut line).ok().filter(|length| *length > 0)?;
    if !line.ends_with(b"\n") {
        let _ = input.skip_until(b'\n');
    }
    let text = zeroize::Zeroizing::new(String::from_utf8_lossy(&line).into_owned());
    Some(Secret::new(text.trim_end_matches(['\r', '\n'])))
}

/// One of several, by number; the first if nothing is typed.
///
/// # Errors
/// `invalid_argument` without a terminal, `cancelled` on Ctrl-D.
pub fn choose(title: &str, choices: &[String]) -> Result<usize> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Code::InvalidArgument, "There is nobody to ask.")
            .with_hint("Name the login and `--method`; `convocations providers` lists both."));
    }
    let mut err = io::stderr();
    let _ = writeln!(err, "{title}");
    for (number, choice) in choices.iter().enumerate() {
        let _ = writeln!(err, "  {}. {choice}", number + 1);
    }
    loop {
        let _ = write!(err, "Number [1]: ");
        let _ = err.flush();
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
            return Err(cancelled());
        }
        match line.trim() {
            "" => return Ok(0),
            text => match text.parse::<usize>() {
                Ok(number) if (1..=choices.len()).contains(&number) => return Ok(number - 1),
                _ => {
                    let _ = writeln!(err, "Type a number from 1 to {}; Ctrl-C ends.", choices.len());
                }
            },
        }
    }
}

/// Yes or no; no if nothing is typed.
///
/// # Errors
/// As for [`choose`].
pub fn confirm(question: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Code::InvalidArgument, "There is nobody to accept the notice.")
            .with_hint("Run the command at a terminal once."));
    }
    let _ = write!(io::stderr(), "{question} [y/N] ");
    let _ = io::stderr().flush();
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).unwrap_or(0) == 0 {
        return Err(cancelled());
    }
    Ok(matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

fn cancelled() -> Error {
    Error::new(Code::Cancelled, "Cancelled.").with_hint("Nothing was changed.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_of_bounded_length_and_costs_only_itself() {
        let mut input = vec![b'x'; 1 << 20];
        input.extend_from_slice(b"\n\xff\r\n\nlast");
        let mut input = input.as_slice();
        let mut next = || line(&mut input).map(|line| line.expose().to_owned());
        assert_eq!(next().unwrap().len(), usize::try_from(MAX_LINE).unwrap());
        assert_eq!(next().as_deref(), Some("\u{fffd}"), "no text, and refused as such");
        assert_eq!((next().as_deref(), next().as_deref(), next()), (Some(""), Some("last"), None));
    }
}
