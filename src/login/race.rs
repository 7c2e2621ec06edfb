//! The wait for an answer: the browser's callback, a pasted text and the time limit race; the first good one
//! wins.
//!
//! Guarantees: a wrong paste is told to the one who pasted and ends nothing; stray callbacks are reported, at
//! most twice a second however many there are; once one way has won, the others are refused.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::answer::{Answer, Reject};
use super::attempt::{self, Attempt, Unfit};
use super::listener::Listener;
use super::wait::Deadline;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// Least time between two reports of stray callbacks.
const REPORT_PAUSE: Duration = Duration::from_millis(500);

/// A text that a person typed or pasted, with the way to tell them what became of it.
#[derive(Debug)]
pub(super) struct Typed {
    pub text: Secret,
    pub reply: oneshot::Sender<Result<()>>,
}

/// What all the waiting is done with.
pub(super) struct Race<'a> {
    pub attempts: &'a [Attempt],
    pub listener: Option<&'a mut Listener>,
    pub typed: &'a mut mpsc::Receiver<Typed>,
    pub deadline: &'a Deadline,
}

enum Turn {
    Callback(Answer),
    Typed(Typed),
    Ignored(u64),
    TimeUp,
}

impl Race<'_> {
    /// The first good answer, and the attempt that it answers. `report` is told the number of stray requests.
    ///
    /// # Errors
    /// `login_timeout`.
    pub async fn run(mut self, report: impl Fn(u64)) -> Result<(usize, Answer)> {
        let mut told = (0, Instant::now());
        let won = loop {
            match self.turn(told).await {
                // The loopback's attempt is always the first one.
                Turn::Callback(answer) => break (0, answer),
                Turn::Typed(typed) => {
                    if let Some(won) = self.pasted(typed) {
                        break won;
                    }
                }
                Turn::Ignored(count) => {
                    report(count);
                    told = (count, Instant::now());
                }
                Turn::TimeUp => return Err(self.timeout()),
            }
        };
        if let Some(listener) = self.listener {
            listener.refuse_more();
        }
        Ok(won)
    }

    async fn turn(&mut self, told: (u64, Instant)) -> Turn {
        let mut ignored = self.listener.as_ref().map(|listener| listener.ignored.clone());
        let callback = async {
            match &mut self.listener {
                Some(listener) => listener.answer().await,
                None => std::future::pending().await,
            }
        };
        let more_ignored = async {
            let Some(ignored) = &mut ignored else {
                return std::future::pending().await;
            };
            if ignored.wait_for(|count| *count != told.0).await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep_until(told.1 + REPORT_PAUSE).await;
            *ignored.borrow()
        };
        tokio::select! {
            answer = callback => Turn::Callback(answer),
            Some(typed) = self.typed.recv() => Turn::Typed(typed),
            count = more_ignored => Turn::Ignored(count),
            () = self.deadline.passed() => Turn::TimeUp,
        }
    }

    fn pasted(&self, typed: Typed) -> Option<(usize, Answer)> {
        let (won, reply) = match attempt::pasted(typed.text.expose(), self.attempts) {
            Ok(won) => (Some(won), Ok(())),
            Err(unfit) => (None, Err(not_taken(unfit))),
        };
        // Whoever pasted may be gone; that changes nothing for the answer.
        let _ = typed.reply.send(reply);
        won
    }

    fn timeout(&self) -> Error {
        let ignored = self.listener.as_ref().map_or(0, |listener| *listener.ignored.borrow());
        let hint = match ignored {
            0 => "Start again, and finish the page in the browser or paste its code in time.".to_owned(),
            count => format!(
                "The browser came {count} times with something else than this login's answer: close older tabs and start again."
            ),
        };
        timed_out().with_hint(hint)
    }
}

/// What a login ends with that nobody finished.
pub(super) fn timed_out() -> Error {
    Error::new(Code::LoginTimeout, "Nobody finished the login in time.")
}

fn not_taken(unfit: Unfit) -> Error {
    match unfit {
        Unfit::Answer(Reject::Malformed) => {
            Error::new(Code::InvalidArgument, "This is neither a code nor the address of a callback.")
                .with_hint(
                    "Paste the code that the page shows, or the whole address that the browser ended at.",
                )
        }
        Unfit::Answer(Reject::State) => {
            Error::new(Code::StateMismatch, "This answer belongs to another login attempt.")
                .with_hint("Finish the page that this login opened, and paste what that one shows.")
        }
        Unfit::Answer(Reject::Issuer) => {
            Error::new(Code::StateMismatch, "This answer comes from another provider than the one asked.")
                .with_hint("Finish the page that this login opened, and paste what that one shows.")
        }
        Unfit::Address => {
            Error::new(Code::InvalidArgument, "This is not the address that the login comes back to.")
                .with_hint(
                    "Log in on the page first; then paste the code it shows, or the address it ended at.",
                )
        }
    }
}
