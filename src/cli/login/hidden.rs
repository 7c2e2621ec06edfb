//! Lines typed without being shown, while other things happen.
//!
//! Guarantees: the terminal is as it was when this is dropped, whatever ended the login; what is typed passes
//! through no history and no screen.

use std::io::BufReader;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::cli::echo::EchoOff;
use crate::cli::prompt;
use crate::secret::Secret;

/// How long a further line of one paste may take.
const TOGETHER: Duration = Duration::from_millis(50);

/// Lines as they are typed; the terminal's echo is off as long as this lives.
pub struct Lines {
    lines: mpsc::UnboundedReceiver<Secret>,
    ended: bool,
    paste: Option<Secret>,
    echo_off: Option<EchoOff>,
}

impl Lines {
    /// Starts to read: from the terminal if standard input is one, else from standard input.
    pub fn open() -> Self {
        let echo_off = EchoOff::begin();
        let (sender, lines) = mpsc::unbounded_channel();
        // A thread, because reading a terminal cannot be awaited; it ends with the process or the input.
        std::thread::spawn(move || {
            let mut input = BufReader::new(std::io::stdin());
            while prompt::line(&mut input).is_some_and(|line| sender.send(line).is_ok()) {}
        });
        Self { lines, ended: false, paste: None, echo_off }
    }
}

/// Whether nothing will be typed any more.
pub fn have_ended(lines: &Option<Lines>) -> bool {
    lines.as_ref().is_some_and(|lines| lines.ended && lines.paste.is_none())
}

/// What came of waiting for a line.
pub enum Typed {
    /// A line, without its end.
    Line(Secret),
    /// Nothing more will be typed; told once.
    Ended,
}

/// The next line; never resolves while there is nothing to read from. A paste with line breaks in it, which
/// comes from a terminal as several lines at once, is one line.
pub async fn next(lines: &mut Option<Lines>) -> Typed {
    match lines {
        Some(lines) if !lines.ended => lines.next().await.map_or(Typed::Ended, Typed::Line),
        _ => std::future::pending().await,
    }
}

impl Lines {
    /// What was read is kept here, so that nothing is lost when nobody waits any more.
    async fn next(&mut self) -> Option<Secret> {
        if self.paste.is_none() {
            self.paste = self.lines.recv().await;
            self.ended = self.paste.is_none();
        }
        while let (Some(paste), Some(_)) = (&self.paste, &self.echo_off) {
            let Ok(Some(more)) = tokio::time::timeout(TOGETHER, self.lines.recv()).await else { break };
            self.paste = Some(Secret::new(format!("{}\n{}", paste.expose(), more.expose())));
        }
        self.paste.take()
    }
}
