//! What a login tells and hears while it runs.
//!
//! Guarantees: nothing that is told waits for anybody; what was typed gets an answer.

use tokio::sync::{mpsc, oneshot};

use super::cancel::Deadline;
use super::events::{LoginEvent, Stage};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::secret::Secret;

/// Sends events.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub id: u64,
    pub login: LoginId,
    pub method: String,
    pub events: mpsc::UnboundedSender<LoginEvent>,
}

impl Teller {
    /// Sends an event; that nobody listens any more shows as a cancel, not here.
    pub fn tell(&self, stage: Stage) {
        let (login, method) = (self.login.clone(), self.method.clone());
        let _ = self.events.send(LoginEvent { id: self.id, login, method, stage });
    }
}

/// A text that a person typed or pasted, with the way to tell them what became of it.
#[derive(Debug)]
pub(super) struct Typed {
    pub text: Secret,
    pub reply: oneshot::Sender<Result<()>>,
}

impl Typed {
    /// Says what became of it. Whoever typed may be gone; that changes nothing for the text.
    pub fn answer(self, answer: Result<()>) {
        let _ = self.reply.send(answer);
    }
}

/// One login's talk with its person.
pub(super) struct Conversation {
    pub teller: Teller,
    pub typed: mpsc::Receiver<Typed>,
    pub deadline: Deadline,
}

impl Conversation {
    /// Sends an event.
    pub fn tell(&self, stage: Stage) {
        self.teller.tell(stage);
    }
}

/// What a login ends with that nobody finished.
pub(super) fn timed_out() -> Error {
    Error::new(Code::LoginTimeout, "Nobody finished the login in time.")
}
