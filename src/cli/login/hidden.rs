//! Lines typed without being shown, while other things happen.
//!
//! Guarantees: the terminal is as it was when this is dropped, whatever ended the login; what is typed passes
//! through no history and no screen.

use std::io::BufReader;

use tokio::sync::mpsc;

use crate::cli::prompt;
use crate::cli::quiet::Quiet;
use crate::secret::Secret;

/// Lines as they are typed; the terminal's echo is off as long as this lives.
pub struct Lines {
    lines: mpsc::UnboundedReceiver<Secret>,
    ended: bool,
    _quiet: Option<Quiet>,
}

impl Lines {
    /// Starts to read: from the terminal if standard input is one, else from standard input.
    pub fn open() -> Self {
        let quiet = Quiet::begin();
        let (sender, lines) = mpsc::unbounded_channel();
        // A thread, because reading a terminal cannot be awaited; it ends with the process or the input.
        std::thread::spawn(move || {
            let mut input = BufReader::new(std::io::stdin());
            while prompt::line(&mut input).is_some_and(|line| sender.send(line).is_ok()) {}
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
