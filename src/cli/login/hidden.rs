//! Lines typed without being shown, while other things happen.
//!
//! Guarantees: the terminal is as it was when this is dropped, whatever ended the login; what is typed passes
//! through no history and no screen.

use std::io::{BufRead as _, BufReader};

use tokio::sync::mpsc;

use crate::secret::Secret;

/// Lines as they are typed; the terminal's echo is off as long as this lives.
pub struct Lines {
    lines: mpsc::UnboundedReceiver<Secret>,
    ended: bool,
    _quiet: Option<quiet::Quiet>,
}

impl Lines {
    /// Starts to read: from the terminal if standard input is one, else from standard input.
    pub fn open() -> Self {
        let quiet = quiet::Quiet::begin();
        let (sender, lines) = mpsc::unbounded_channel();
        // A thread, because reading a terminal cannot be awaited; it ends with the process or the input.
        std::thread::spawn(move || {
            let mut input = BufReader::new(std::io::stdin());
            loop {
                let mut line = zeroize::Zeroizing::new(String::new());
                match input.read_line(&mut line) {
                    Ok(1..) if sender.send(Secret::new(line.trim_end_matches(['\r', '\n']))).is_ok() => {}
                    _ => return,
                }
            }
        });
        Self { lines, ended: false, _quiet: quiet }
    }
}

/// The next line; `Some(None)` once at the end of input; never resolves while there is nothing to read from.
pub async fn next(lines: &mut Option<Lines>) -> Option<Option<Secret>> {
    match lines {
        Some(lines) if !lines.ended => {
            let line = lines.lines.recv().await;
            lines.ended = line.is_none();
            Some(line)
        }
        _ => std::future::pending().await,
    }
}

#[cfg(unix)]
mod quiet {
    /// Echo off, and back on when dropped.
    pub struct Quiet(libc::termios);

    impl Quiet {
        /// `None` if standard input is no terminal.
        pub fn begin() -> Option<Self> {
            // SAFETY: termios is plain data; tcgetattr fills it or fails.
            let mut modes: libc::termios = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is to a live value of the right type.
            if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut modes) } != 0 {
                return None;
            }
            let before = Self(modes);
            modes.c_lflag &= !libc::ECHO;
            set(&modes);
            Some(before)
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            set(&self.0);
        }
    }

    fn set(modes: &libc::termios) {
        // SAFETY: the pointer is to a live value that was filled by tcgetattr.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes) };
    }
}

#[cfg(not(unix))]
mod quiet {
    pub struct Quiet;

    impl Quiet {
        /// Windows has no echo to switch off without its console interface: what is pasted shows.
        pub fn begin() -> Option<Self> {
            None
        }
    }
}
