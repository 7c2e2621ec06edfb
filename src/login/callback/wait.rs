//! The wait for an answer: the browser's callback, a pasted text and the time limit against each other.
//!
//! Guarantees: a wrong paste is told to the one who pasted and ends nothing; stray callbacks are reported, at
//! most twice a second however many there are; answers that have to be tried come one at a time, at most one
//! a second, and hold up no answer that needs no trial.

use std::time::Duration;

use tokio::time::Instant;

use super::line::Trial;
use super::params::{Answer, CallbackRejection, Checked};
use super::server::{Ignored, Listener};
use crate::error::{Code, Error, Result};
use crate::login::authorization_request::{self, AuthorizationRequest};
use crate::login::conversation::{Conversation, Typed, timed_out};
use crate::login::events::{Input, Stage};
use crate::provider::CodeForm;

/// Least time between two reports of stray callbacks.
const REPORT_PAUSE: Duration = Duration::from_millis(500);
/// Least time between the beginnings of two trials: anybody can send codes here, and each asks the provider
/// once.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);

/// An answer, and which request it belongs to.
#[derive(Debug)]
pub(in crate::login) struct Arrival {
    pub index: usize,
    pub answer: Answer,
    pub came: Came,
}

/// How an answer came: what it may do to the login.
#[derive(Debug)]
pub(in crate::login) enum Came {
    /// It is this login's for sure.
    Ours,
    /// A person pasted it, without `state`.
    Pasted,
    /// It stood in a callback without `state`: anybody may have sent it.
    Unproven(Trial),
}

/// What all the waiting is done with.
pub(in crate::login) struct CallbackWait<'a> {
    requests: &'a [AuthorizationRequest],
    form: &'a CodeForm,
    provider: &'a str,
    listener: Option<&'a mut Listener>,
    talk: &'a mut Conversation,
    last_report: Report,
    next_trial: Instant,
    is_half_told: bool,
    is_tried: bool,
}

/// What the person was told last of callbacks that were ignored.
#[derive(Clone, Copy)]
struct Report {
    ignored: Ignored,
    at: Instant,
}

enum Wakeup {
    Callback(Answer),
    Trial(Trial),
    Typed(Typed),
    Ignored(Ignored),
    HalfTime,
    TimeUp,
}

impl<'a> CallbackWait<'a> {
    /// A wait that has not begun.
    pub fn new(
        requests: &'a [AuthorizationRequest],
        form: &'a CodeForm,
        provider: &'a str,
        listener: Option<&'a mut Listener>,
        talk: &'a mut Conversation,
    ) -> Self {
        let now = Instant::now();
        let last_report = Report { ignored: Ignored::default(), at: now };
        Self {
            requests,
            form,
            provider,
            listener,
            talk,
            last_report,
            next_trial: now,
            is_half_told: false,
            is_tried: false,
        }
    }

    /// The next answer of possible form.
    ///
    /// # Errors
    /// `login_timeout`.
    pub async fn next(&mut self) -> Result<Arrival> {
        loop {
            match self.wakeup().await {
                // The loopback's request is always the first one.
                Wakeup::Callback(answer) => return Ok(Arrival { index: 0, answer, came: Came::Ours }),
                Wakeup::Trial(mut trial) => {
                    self.next_trial = Instant::now() + TRIAL_PAUSE;
                    if let Some(answer) = trial.answer.take() {
                        return Ok(Arrival { index: 0, answer, came: Came::Unproven(trial) });
                    }
                }
                Wakeup::Typed(typed) => {
                    if let Some(arrival) = self.pasted(typed) {
                        return Ok(arrival);
                    }
                }
                Wakeup::Ignored(ignored) => {
                    self.last_report = Report { ignored, at: Instant::now() };
                    let why = ignored.why.and_then(|why| self.was_ignored(why));
                    self.report(why);
                }
                Wakeup::HalfTime => {
                    self.is_half_told = true;
                    let hint = self.nothing_came();
                    self.report(hint);
                }
                Wakeup::TimeUp => return Err(self.timeout()),
            }
        }
    }

    /// No other answer can come any more.
    pub fn close(&mut self) {
        if let Some(listener) = &self.listener {
            listener.refuse_more();
        }
        self.talk.typed.close();
    }

    /// Goes on after an answer that was not this login's.
    pub fn go_on(&mut self, came: Came, error: Error) {
        self.is_tried = true;
        if let (Came::Unproven(trial), Some(listener)) = (came, &self.listener) {
            listener.is_not_ours(trial);
        }
        self.waiting(None, Some(error));
    }

    /// Tells that the login waits, and what the person should know meanwhile.
    pub fn report(&self, notice: Option<String>) {
        self.waiting(notice, None);
    }

    fn waiting(&self, notice: Option<String>, error: Option<Error>) {
        let ignored = self.last_report.ignored.count;
        let (expires_at, label, page) = (self.talk.deadline.expires_at, None, None);
        self.talk.tell(Stage::Waiting {
            input: Input::Code,
            label,
            page,
            expires_at,
            ignored,
            notice,
            error,
        });
    }

    /// Tells that the provider is being asked.
    pub fn report_exchange(&self) {
        self.talk.tell(Stage::Exchanging);
    }

    async fn wakeup(&mut self) -> Wakeup {
        let (last, next_trial) = (self.last_report, self.next_trial);
        let mut ignored = self.listener.as_ref().map(|listener| listener.ignored.clone());
        let more_ignored = async {
            let Some(ignored) = &mut ignored else { return std::future::pending().await };
            if ignored.wait_for(|ignored| *ignored != last.ignored).await.is_err() {
                return std::future::pending().await;
            }
            tokio::time::sleep_until(last.at + REPORT_PAUSE).await;
            *ignored.borrow()
        };
        let callback = async {
            let Some(listener) = &mut self.listener else { return std::future::pending().await };
            let (answer, trials) = listener.split();
            let trial = async {
                tokio::time::sleep_until(next_trial).await;
                trials.next().await
            };
            tokio::select! {
                biased;
                answer = answer => Wakeup::Callback(answer),
                trial = trial => Wakeup::Trial(trial),
            }
        };
        let deadline = &self.talk.deadline;
        let half_time = async {
            match self.is_half_told {
                true => std::future::pending().await,
                false => deadline.half().await,
            }
        };
        tokio::select! {
            wakeup = callback => wakeup,
            Some(typed) = self.talk.typed.recv() => Wakeup::Typed(typed),
            ignored = more_ignored => Wakeup::Ignored(ignored),
            () = half_time => Wakeup::HalfTime,
            () = deadline.passed() => Wakeup::TimeUp,
        }
    }

    fn pasted(&self, typed: Typed) -> Option<Arrival> {
        match authorization_request::pasted(typed.text.expose(), self.requests, self.form) {
            Ok((index, Checked { answer, is_ours })) => {
                tracing::info!(is_ours, "an answer was pasted");
                typed.answer(Ok(()));
                Some(Arrival { index, answer, came: if is_ours { Came::Ours } else { Came::Pasted } })
            }
            Err(why) => {
                tracing::info!(?why, "a pasted text was not taken");
                typed.answer(Err(self.not_taken(why)));
                None
            }
        }
    }

    /// What a callback that was ignored tells the person, if anything.
    fn was_ignored(&self, why: CallbackRejection) -> Option<String> {
        let provider = self.provider;
        Some(match why {
            CallbackRejection::State => {
                "An answer of another login came back and was ignored: finish the newest tab of the browser."
                    .to_owned()
            }
            CallbackRejection::OtherIssuer => {
                format!("An answer came back that names another issuer than {provider}, and was ignored.")
            }
            CallbackRejection::NoIssuer => format!(
                "An answer came back without the issuer (`iss`) that {provider} promises to name, and was ignored."
            ),
            _ => return None,
        })
    }

    /// What may be the matter where nothing has come to the listener.
    fn nothing_came(&self) -> Option<String> {
        let listener = self.listener.as_ref()?;
        let (port, came) = (listener.port, self.is_tried || listener.ignored.borrow().why.is_some());
        (!came).then(|| {
            format!(
                "Nothing has come back from the browser. If its page did not open, a web app that once ran on port \
                 {port} may have taken the answer (its service worker): paste the address that the browser ended at, \
                 or set `callback.port` to another port. `:help conv-troubles` has more."
            )
        })
    }

    fn timeout(&self) -> Error {
        let ignored = self.listener.as_ref().map_or(0, |listener| listener.ignored.borrow().count);
        let hint = match (ignored, self.nothing_came()) {
            (_, Some(hint)) => format!("Start again. {hint}"),
            (0, None) => {
                "Start again, and finish the page in the browser or paste its code in time.".to_owned()
            }
            (count, _) => format!(
                "The browser came {count} times with something else than this login's answer: close older tabs and start again."
            ),
        };
        timed_out().with_hint(hint)
    }

    fn not_taken(&self, why: CallbackRejection) -> Error {
        let finish = "Finish the page that this login opened, and paste what that one shows.";
        let (code, message, hint) = match why {
            CallbackRejection::Malformed => (
                Code::InvalidArgument,
                "This is neither a code nor the address of a callback.",
                "Paste the code that the page shows, or the whole address that the browser ended at.",
            ),
            CallbackRejection::Key => (
                Code::InvalidArgument,
                "This is an API key, and no code; it was sent nowhere.",
                "Paste the code that the page shows. A key is stored by the method `api-key`.",
            ),
            CallbackRejection::State => {
                (Code::StateMismatch, "This answer belongs to another login attempt.", finish)
            }
            CallbackRejection::OtherIssuer | CallbackRejection::NoIssuer => {
                (Code::StateMismatch, "This answer does not come from the provider that was asked.", finish)
            }
            CallbackRejection::Address => (
                Code::InvalidArgument,
                "This is not the address that the login comes back to.",
                "Log in on the page first; then paste the code it shows, or the address it ended at.",
            ),
        };
        Error::new(code, message).with_hint(hint)
    }
}
