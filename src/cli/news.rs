//! What a broker tells while it works, for the person at the terminal: that a command is waited for, that a
//! login was passed over. What a program reads there is none of it.

use std::io::IsTerminal as _;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::output;
use crate::broker::{Broker, Event};
use crate::protocol::Waiting;

/// What a broker has to tell from now on.
pub struct News {
    events: Receiver<Event>,
    /// The line's begin and end: a program may have the terminal, which then returns to no line's begin by
    /// itself.
    edge: &'static str,
}

impl News {
    /// Listens.
    pub fn of(broker: &Broker) -> Self {
        Self { events: broker.subscribe(), edge: "" }
    }

    /// The terminal is a program's meanwhile.
    pub fn beside_a_program(self) -> Self {
        Self { edge: "\r", ..self }
    }

    /// Tells what comes, and never returns.
    pub async fn tell(&mut self) -> std::convert::Infallible {
        loop {
            match self.events.recv().await {
                Ok(event) => self.say(event),
                // Too much at once: what comes next is told.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }

    /// Tells what has come.
    pub fn tell_rest(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.say(event);
        }
    }

    fn say(&self, event: Event) {
        let text = match event {
            Event::Notice(notice) => notice.error.message().to_owned(),
            Event::Waiting(Waiting { program, seconds, done: false, .. })
                if std::io::stderr().is_terminal() =>
            {
                let end = if self.edge.is_empty() { " (Ctrl-C ends it)" } else { "" };
                format!("Waiting for `{program}`, at most {seconds} s{end}…")
            }
            _ => return,
        };
        output::note(&format!("{0}convocations: {text}{0}", self.edge));
    }
}
