//! A program that takes its time: the person is told that it is waited for, and can end it.

use std::time::Duration;

use crate::broker::Broker;
use crate::broker::events::Event;
use crate::command;
use crate::error::Error;
use crate::login_id::LoginId;
use crate::oauth::Failure;
use crate::protocol::Waiting;
use crate::provider::Program;

/// After so long a person wonders what is waited for.
const WONDER: Duration = Duration::from_millis(700);
/// How long a command that was cancelled is not run again by those who merely repeat their call.
const AFTER_CANCEL: Duration = Duration::from_secs(5);

/// Waits for what a program is at, and says so if that takes long.
pub(in crate::broker) async fn told<T>(
    broker: &Broker,
    login: &LoginId,
    program: &Program,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(WONDER) => {}
    }
    let _told = Told::begin(broker, login, program);
    work.await
}

/// Nobody waits for the program any more.
pub(super) fn cancelled(broker: &Broker, login: &LoginId, program: &Program) -> Error {
    let error = command::cancelled(program);
    tracing::info!(%login, "a command was cancelled");
    let outcome = Err(Failure::answered(error.clone(), Some(AFTER_CANCEL)));
    broker.0.shared.backoff.note(login, &outcome, None);
    error
}

/// That a program is waited for was said; dropped, that it is over.
struct Told<'a> {
    broker: &'a Broker,
    login: &'a LoginId,
    program: &'a Program,
}

impl<'a> Told<'a> {
    fn begin(broker: &'a Broker, login: &'a LoginId, program: &'a Program) -> Self {
        let told = Self { broker, login, program };
        told.tell(false);
        told
    }

    fn tell(&self, done: bool) {
        let (program, seconds) = (self.program.name(), self.program.timeout.as_secs());
        self.broker.tell(Event::Waiting(Waiting { login: self.login.clone(), program, seconds, done }));
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.tell(true);
    }
}
