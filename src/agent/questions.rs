//! What the person at home is asked before a login is used, where the grant says so.
//!
//! Guarantees: no answer in time is no; requests of one program for one login wait for one question; a
//! request that leaves takes its question along; no answer counts in a question's first moment, when it may
//! have been meant for something else. Knows no terminal and no editor: these show what is [open] and
//! [answer] it.
//!
//! [open]: Questions::open
//! [answer]: Questions::answer

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::grant::Grant;
use super::program::Program;
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{GrantAnswer, GrantPower, GrantQuestion};

/// Time in which a question is answered, or it is no.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Time from a question's begin in which it takes no answer: somebody may be typing something else.
const BLIND: Duration = Duration::from_secs(1);

/// The questions of one process. Cheap to clone.
#[derive(Clone)]
pub struct Questions(Arc<Inner>);

struct Inner {
    patience: Duration,
    blind: Duration,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    last: u64,
    open: Vec<Open>,
    allowed: Vec<Subject>,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    grant: String,
    login: LoginId,
    power: GrantPower,
}

struct Open {
    question: GrantQuestion,
    subject: Subject,
    program: String,
    began: Instant,
    verdict: watch::Sender<Option<GrantAnswer>>,
}

impl Questions {
    /// None yet. Each waits for an answer this long.
    pub fn new(patience: Duration) -> Self {
        Self::with_times(patience, BLIND)
    }

    /// The same with another first moment in which no answer counts.
    pub fn with_times(patience: Duration, blind: Duration) -> Self {
        Self(Arc::new(Inner { patience, blind, state: Mutex::default(), changed: watch::Sender::new(0) }))
    }

    /// Asks, and returns once a use is allowed.
    ///
    /// # Errors
    /// `login_denied` if the person says no, or nothing in time.
    pub(super) async fn ask(
        &self,
        grant: &Grant,
        login: &LoginId,
        power: GrantPower,
        program: &Program,
        clock: &Clock,
    ) -> Result<()> {
        let subject = Subject { grant: grant.id().to_owned(), login: login.clone(), power };
        let Some((waiting, mut verdict, deadline)) = self.join(subject, &grant.terms().label, program, clock)
        else {
            return Ok(());
        };
        let answered = tokio::time::timeout_at(deadline, verdict.wait_for(Option::is_some)).await;
        let answer = match answered {
            Ok(Ok(answer)) => answer.unwrap_or(GrantAnswer::No),
            Ok(Err(_)) => GrantAnswer::No,
            Err(_) => return Err(self.unanswered(waiting)),
        };
        match answer {
            GrantAnswer::Once | GrantAnswer::Grant => Ok(()),
            GrantAnswer::No => Err(Error::new(Code::LoginDenied, "The person at home refused it.")
                .with_hint("Ask them, then try again.")),
        }
    }

    /// Waits for the question there is, or asks one; `None` if this is allowed already.
    fn join(
        &self,
        subject: Subject,
        label: &str,
        program: &Program,
        clock: &Clock,
    ) -> Option<(Waiting, watch::Receiver<Option<GrantAnswer>>, Instant)> {
        let mut state = self.state();
        if state.allowed.contains(&subject) {
            return None;
        }
        let joined =
            state.open.iter_mut().find(|open| open.subject == subject && open.program == program.name);
        let (id, verdict, began) = match joined {
            Some(open) => {
                open.question.waiting += 1;
                (open.question.id, open.verdict.subscribe(), open.began)
            }
            None => {
                state.last += 1;
                let (verdict, heard) = watch::channel(None);
                let (id, began) = (state.last, Instant::now());
                let patience = i64::try_from(self.0.patience.as_secs()).unwrap_or(i64::MAX);
                let question = GrantQuestion {
                    id,
                    grant: subject.grant.clone(),
                    label: label.to_owned(),
                    login: subject.login.clone(),
                    power: subject.power,
                    program: program.shown(),
                    waiting: 1,
                    ends: clock.now().saturating_add(patience),
                };
                let (grant, login) = (&question.grant, &question.login);
                tracing::info!(grant, %login, program = question.program, "agent: asked");
                state.open.push(Open { question, subject, program: program.name.clone(), began, verdict });
                (id, heard, began)
            }
        };
        drop(state);
        self.tell();
        Some((Waiting { questions: self.clone(), id }, verdict, began + self.0.patience))
    }

    /// What is asked now, the oldest first.
    pub fn open(&self) -> Vec<GrantQuestion> {
        self.state().open.iter().map(|open| open.question.clone()).collect()
    }

    /// A signal whenever what is asked has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Answers a question; `false` if it is no longer asked, or too new to have been read.
    pub fn answer(&self, id: u64, answer: GrantAnswer) -> bool {
        let mut state = self.state();
        let Some(at) = state.open.iter().position(|open| open.question.id == id) else { return false };
        if state.open[at].began.elapsed() < self.0.blind {
            return false;
        }
        let subject = state.open[at].subject.clone();
        tracing::info!(grant = subject.grant, login = %subject.login, ?answer, "agent: answered");
        if answer == GrantAnswer::Grant {
            // Other programs wait for the same.
            state.open.retain(|open| open.subject != subject || !open.give(answer));
            state.allowed.push(subject);
        } else {
            state.open.remove(at).give(answer);
        }
        drop(state);
        self.tell();
        true
    }

    /// Takes back what a grant asks that is over, and what was allowed for it.
    pub fn withdraw(&self, grant: &str) {
        let mut state = self.state();
        state.allowed.retain(|subject| subject.grant != grant);
        state.open.retain(|open| open.subject.grant != grant || !open.give(GrantAnswer::No));
        drop(state);
        self.tell();
    }

    fn unanswered(&self, waiting: Waiting) -> Error {
        drop(waiting);
        let seconds = self.0.patience.as_secs();
        Error::new(Code::LoginDenied, format!("Nobody at home answered within {seconds} s.")).with_hint(
            "Answer where the grant was made, or by `convocations grants watch` there; then try again.",
        )
    }

    fn leave(&self, id: u64) {
        let mut state = self.state();
        let Some(at) = state.open.iter().position(|open| open.question.id == id) else { return };
        let left = &mut state.open[at].question.waiting;
        *left -= 1;
        if *left == 0 {
            state.open.remove(at);
        }
        drop(state);
        self.tell();
    }

    fn tell(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Tells those who wait; `true`, for whoever removes it then.
    fn give(&self, answer: GrantAnswer) -> bool {
        self.verdict.send_replace(Some(answer));
        true
    }
}

/// One request that waits; it leaves when dropped.
struct Waiting {
    questions: Questions,
    id: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.questions.leave(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::agent::Terms;
    use crate::tasks;

    const LONG: Duration = Duration::from_secs(20);

    fn grant() -> Grant {
        let terms = Terms {
            label: "work@host".to_owned(),
            logins: BTreeSet::from(["up".parse().unwrap()]),
            power: GrantPower::Token,
            lasting: false,
            ends: None,
            confirm: true,
        };
        Grant::new(terms, "unix:/run/x", Clock::manual(1000))
    }

    /// Asks in the background, as a request of `program` does.
    fn ask(questions: &Questions, grant: &Grant, program: &str) -> tokio::task::JoinHandle<Result<()>> {
        let (questions, grant) = (questions.clone(), grant.clone());
        let program = Program { name: program.to_owned(), pid: Some(7) };
        tasks::spawn(async move {
            let login = "up".parse().unwrap();
            questions.ask(&grant, &login, GrantPower::Use, &program, &Clock::manual(1000)).await
        })
    }

    /// What is asked once `is_right`.
    async fn until(questions: &Questions, is_right: impl Fn(&[GrantQuestion]) -> bool) -> Vec<GrantQuestion> {
        let mut changes = questions.changes();
        let found = async {
            loop {
                changes.mark_unchanged();
                let open = questions.open();
                if is_right(&open) {
                    return open;
                }
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(LONG, found).await.expect("what is asked")
    }

    async fn one(questions: &Questions) -> GrantQuestion {
        until(questions, |open| open.len() == 1).await.remove(0)
    }

    #[tokio::test]
    async fn once_is_once_and_for_this_grant_is_from_now_on() {
        let (questions, grant) = (Questions::with_times(LONG, Duration::ZERO), grant());
        let asked = ask(&questions, &grant, "ssh");
        let question = one(&questions).await;
        assert_eq!(
            (question.program.as_str(), question.label.as_str(), question.ends),
            ("ssh (7)", "work@host", 1020)
        );
        assert!(questions.answer(question.id, GrantAnswer::Once));
        asked.await.unwrap().unwrap();
        assert!(!questions.answer(question.id, GrantAnswer::Once), "it is no longer asked");

        let (asked, other) = (ask(&questions, &grant, "ssh"), ask(&questions, &grant, "curl"));
        let open = until(&questions, |open| open.len() == 2).await;
        assert!(questions.answer(open[1].id, GrantAnswer::Grant));
        asked.await.unwrap().unwrap();
        other.await.unwrap().unwrap();
        ask(&questions, &grant, "python3").await.unwrap().unwrap();
        assert_eq!(questions.open(), []);

        // Another grant for the same is another matter.
        let asked = ask(&questions, &self::grant(), "ssh");
        let question = one(&questions).await;
        assert!(questions.answer(question.id, GrantAnswer::No));
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::LoginDenied);
    }

    #[tokio::test]
    async fn no_answer_in_time_is_no() {
        let (questions, grant) = (Questions::with_times(Duration::from_millis(50), Duration::ZERO), grant());
        let error = ask(&questions, &grant, "ssh").await.unwrap().unwrap_err();
        assert_eq!(error.code(), Code::LoginDenied);
        assert!(error.message().contains("Nobody"), "{error}");
        assert_eq!(questions.open(), []);
    }

    #[tokio::test]
    async fn many_at_once_are_one_question_and_one_answer() {
        let (questions, grant) = (Questions::with_times(LONG, Duration::ZERO), grant());
        let asked: Vec<_> = (0..64).map(|_| ask(&questions, &grant, "ssh")).collect();
        let open = until(&questions, |open| open.iter().any(|question| question.waiting == 64)).await;
        assert_eq!(open.len(), 1);
        assert!(questions.answer(open[0].id, GrantAnswer::Once));
        for asked in asked {
            asked.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_request_that_leaves_takes_its_question_along() {
        let (questions, grant) = (Questions::with_times(LONG, Duration::ZERO), grant());
        let (leaving, staying) = (ask(&questions, &grant, "ssh"), ask(&questions, &grant, "ssh"));
        until(&questions, |open| open.iter().any(|question| question.waiting == 2)).await;
        leaving.abort();
        until(&questions, |open| open.iter().any(|question| question.waiting == 1)).await;
        staying.abort();
        until(&questions, <[GrantQuestion]>::is_empty).await;
    }

    #[tokio::test]
    async fn nothing_is_answered_blind() {
        let (questions, grant) = (Questions::with_times(LONG, LONG), grant());
        let asked = ask(&questions, &grant, "ssh");
        let question = one(&questions).await;
        for answer in [GrantAnswer::Grant, GrantAnswer::Once, GrantAnswer::No] {
            assert!(!questions.answer(question.id, answer));
        }
        assert_eq!(one(&questions).await, question);
        asked.abort();
    }

    #[tokio::test]
    async fn with_a_grant_go_its_questions_and_what_was_allowed() {
        let (questions, grant) = (Questions::with_times(LONG, Duration::ZERO), grant());
        let asked = ask(&questions, &grant, "ssh");
        assert!(questions.answer(one(&questions).await.id, GrantAnswer::Grant));
        asked.await.unwrap().unwrap();
        questions.withdraw(grant.id());
        let asked = ask(&questions, &grant, "ssh");
        one(&questions).await;
        questions.withdraw(grant.id());
        assert_eq!(asked.await.unwrap().unwrap_err().code(), Code::LoginDenied);
    }
}
