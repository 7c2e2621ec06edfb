//! Browsers that brought a code without `state`: they wait in line until it has been tried.
//!
//! Guarantees: who no longer waits is no longer tried, so that a page which sends its own browser here again
//! and again has one place in line for each of its windows; who a person clicked goes before who nobody
//! clicked; a bounded number wait.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::params::Answer;

/// How many may wait. The listener has that many connections at most.
const PLACES: usize = 128;

/// What became of an answer that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::login) enum Verdict {
    /// It was this login's, or the login ended while it was tried: the page of the end tells how.
    Ended,
    /// It was not; the login goes on.
    NotOurs,
}

/// An answer whose turn has come. Dropped without a word, it counts as the one that the login ended with.
#[derive(Debug)]
pub(in crate::login) struct Trial {
    pub answer: Option<Answer>,
    verdict: Option<oneshot::Sender<Verdict>>,
}

impl Trial {
    /// Tells the browser that the login goes on without it.
    pub fn turn_away(mut self) {
        if let Some(verdict) = self.verdict.take() {
            let _ = verdict.send(Verdict::NotOurs);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(verdict) = self.verdict.take() {
            let _ = verdict.send(Verdict::Ended);
        }
    }
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    was_clicked: bool,
    trial: Trial,
}

#[derive(Debug, Default)]
struct Places {
    last_number: u64,
    is_closed: bool,
    waiting: VecDeque<Waiting>,
}

/// The line.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Arc<(Mutex<Places>, Notify)>);

/// A place in line, given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    line: Line,
    number: u64,
    verdict: oneshot::Receiver<Verdict>,
}

impl Line {
    /// A place at the end; `None` if there is none left, or nothing is waited for any more.
    pub fn join(&self, answer: Answer, was_clicked: bool) -> Option<Place> {
        let (sender, verdict) = oneshot::channel();
        let mut places = self.lock();
        if places.is_closed || places.waiting.len() >= PLACES {
            return None;
        }
        places.last_number += 1;
        let number = places.last_number;
        let trial = Trial { answer: Some(answer), verdict: Some(sender) };
        places.waiting.push_back(Waiting { number, was_clicked, trial });
        drop(places);
        self.0.1.notify_one();
        Some(Place { line: self.clone(), number, verdict })
    }

    /// The next one, once there is one.
    pub async fn next(&self) -> Trial {
        loop {
            if let Some(trial) = self.take() {
                return trial;
            }
            self.0.1.notified().await;
        }
    }

    fn take(&self) -> Option<Trial> {
        let mut places = self.lock();
        let clicked = places.waiting.iter().position(|waiting| waiting.was_clicked);
        places.waiting.remove(clicked.unwrap_or_default()).map(|waiting| waiting.trial)
    }

    /// Sends all away who wait, and all who come.
    pub fn close(&self) {
        let mut places = self.lock();
        places.is_closed = true;
        for waiting in places.waiting.drain(..) {
            waiting.trial.turn_away();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// What became of the answer.
    pub async fn verdict(&mut self) -> Verdict {
        (&mut self.verdict).await.unwrap_or(Verdict::NotOurs)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.lock().waiting.retain(|waiting| waiting.number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn code(text: &str) -> Answer {
        Answer::Code(Secret::new(text))
    }

    async fn next(line: &Line) -> Option<Answer> {
        line.next().await.answer.take()
    }

    #[tokio::test]
    async fn who_was_clicked_goes_first_and_who_left_is_forgotten() {
        let line = Line::default();
        let _first = line.join(code("first"), false).unwrap();
        let gone = line.join(code("gone"), true).unwrap();
        let _clicked = line.join(code("clicked"), true).unwrap();
        drop(gone);
        assert_eq!(next(&line).await, Some(code("clicked")));
        assert_eq!(next(&line).await, Some(code("first")));
        assert!(line.take().is_none());
    }

    #[tokio::test]
    async fn each_hears_what_became_of_it() {
        let line = Line::default();
        let (mut wrong, mut right) =
            (line.join(code("a"), false).unwrap(), line.join(code("b"), false).unwrap());
        let mut late = line.join(code("c"), false).unwrap();
        line.next().await.turn_away();
        drop(line.next().await);
        line.close();
        assert_eq!(wrong.verdict().await, Verdict::NotOurs);
        assert_eq!(right.verdict().await, Verdict::Ended);
        assert_eq!(late.verdict().await, Verdict::NotOurs);
        assert!(line.join(code("d"), true).is_none());
    }

    #[test]
    fn the_line_is_bounded() {
        let line = Line::default();
        let kept: Vec<Place> = (0..PLACES).map(|_| line.join(code("x"), false).unwrap()).collect();
        assert!(line.join(code("x"), false).is_none());
        drop(kept);
        assert!(line.join(code("x"), false).is_some());
    }
}
