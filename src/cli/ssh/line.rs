//! What is typed behind the destination: ssh's own options, and the command to run there.
//!
//! Guarantees: pure; nothing is lost, added or put into another order.

use std::ffi::{OsStr, OsString};

use crate::error::{Code, Error, Result};

/// Options of ssh(1) that take a value (OpenSSH 9 and 10).
const WITH_VALUE: &str = "bceilmopBDEFIJLOPQRSwW";
/// Those that make of ssh something else than a session: what is lent lasts as long as the session does.
const NO_SESSION: &str = "fGOQVWsM";

/// One option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshOption {
    /// Its letter.
    pub letter: char,
    value: Option<OsString>,
}

impl SshOption {
    /// As it is given to ssh.
    fn words(&self) -> impl Iterator<Item = OsString> + '_ {
        std::iter::once(OsString::from(format!("-{}", self.letter))).chain(self.value.clone())
    }
}

/// What was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    options: Vec<SshOption>,
    /// The command and its arguments; empty for a shell.
    pub command: Vec<OsString>,
}

impl Line {
    /// Takes arguments apart as ssh does.
    ///
    /// # Errors
    /// `invalid_argument` for options that open no session.
    pub fn read(arguments: &[OsString]) -> Result<Self> {
        let mut line = Self::default();
        let mut rest = arguments.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                line.command = rest.cloned().collect();
                break;
            }
            let Some(cluster) =
                word.to_str().and_then(|text| text.strip_prefix('-')).filter(|it| !it.is_empty())
            else {
                line.command = std::iter::once(word).chain(rest).cloned().collect();
                break;
            };
            line.read_cluster(cluster, || rest.next().cloned())?;
        }
        Ok(line)
    }

    /// `-tp22` is `-t -p 22`.
    fn read_cluster(&mut self, cluster: &str, next: impl FnOnce() -> Option<OsString>) -> Result<()> {
        for (at, letter) in cluster.char_indices() {
            if NO_SESSION.contains(letter) {
                let message = format!("With `-{letter}` ssh opens no session that a grant could end with.");
                return Err(Error::new(Code::InvalidArgument, message)
                    .with_hint("`convocations agent` lends logins without ssh: `:h conv-remote-ssh`."));
            }
            if WITH_VALUE.contains(letter) {
                let behind = &cluster[at + letter.len_utf8()..];
                let value = if behind.is_empty() { next() } else { Some(behind.into()) };
                self.options.push(SshOption { letter, value });
                return Ok(());
            }
            self.options.push(SshOption { letter, value: None });
        }
        Ok(())
    }

    /// Whether an option is there.
    pub fn has(&self, letter: char) -> bool {
        self.options.iter().any(|option| option.letter == letter)
    }

    /// The options as ssh takes them, but for these.
    pub fn options_without(&self, letters: &str) -> Vec<OsString> {
        let kept = self.options.iter().filter(|option| !letters.contains(option.letter));
        kept.flat_map(SshOption::words).collect()
    }

    /// The command as ssh would send it: its words with blanks in between.
    pub fn command_text(&self) -> Option<OsString> {
        (!self.command.is_empty()).then(|| self.command.join(OsStr::new(" ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Line> {
        Line::read(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_end_where_ssh_ends_them() {
        for (typed, options, command) in [
            (&[][..], "", ""),
            (&["-p", "22", "ls", "-l"], "-p 22", "ls -l"),
            (&["-tp22", "-oA=b", "-N"], "-t -p 22 -o A=b -N", ""),
            (&["-v", "--", "-x"], "-v", "-x"),
            (&["-L", "1:h:2", "uname;", "-a"], "-L 1:h:2", "uname; -a"),
            (&["-"], "", "-"),
        ] {
            let line = read(typed).unwrap();
            let shown = |words: Vec<OsString>| words.join(OsStr::new(" ")).into_string().unwrap();
            assert_eq!(
                (shown(line.options_without("")).as_str(), shown(line.command.clone()).as_str()),
                (options, command)
            );
        }
        let line = read(&["-tt", "-S", "path", "-n"]).unwrap();
        assert_eq!(line.options_without("Stn"), Vec::<OsString>::new());
        assert!(line.has('n') && line.has('t') && !line.has('N'));
    }

    #[test]
    fn what_opens_no_session_is_refused() {
        for typed in [&["-f"][..], &["-Nf"], &["-O", "check"], &["-W", "h:1"], &["-M"], &["-s", "sftp"]] {
            assert_eq!(read(typed).unwrap_err().code(), Code::InvalidArgument, "{typed:?}");
        }
    }
}
