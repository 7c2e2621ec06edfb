//! What a broker tells those who listen.

use super::status;
use super::{Broker, Look, Passed};
use crate::error::Error;
use crate::login_id::LoginId;
use crate::protocol::{Changed, Credential, Level, Notice, Waiting};

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A newer credential of a login that this process has handed out.
    Credential(Box<Credential>),
    /// The state of every login, after any change by any process.
    Changed(Changed),
    /// Something that the person should be told, once.
    Notice(Notice),
    /// A command is waited for, or no longer.
    Waiting(Waiting),
}

impl Broker {
    /// This process has stored a login: nothing of the one before counts any more.
    pub async fn login_changed(&self, login: &LoginId) {
        self.forget(login);
        // Its secret was in our hands a moment ago.
        let look = Look { revision: 0, outcome: Ok("login".to_owned()) };
        self.cache().note_look(login, self.0.shared.order.next_look(), look);
        self.0.shared.backoff.clear(login);
        self.tell_all().await;
    }

    /// Tells the state of all logins to whoever listens.
    pub async fn tell_all(&self) {
        if self.0.events.receiver_count() == 0 {
            return;
        }
        // One after the other: of two states the one that was read later is told later.
        let _turn = self.0.telling.lock().await;
        let seq = self.0.shared.order.next_picture();
        match self.blocking(status::known).await {
            Ok(Ok(logins)) => self.tell(Event::Changed(Changed { logins, seq })),
            Ok(Err(error)) | Err(error) => {
                self.tell_once(error.message().to_owned(), Level::Error, error, None)
            }
        }
    }

    /// A login was passed over for another source: told once for each refusal.
    pub(super) fn tell_source_changed(&self, credential: &Credential, passed: &Passed) {
        let login = &credential.login;
        let message = format!("{} {} is used instead.", passed.error.message(), spell(&credential.source));
        let hint = format!("Log in again with `:ConvLogin {login}` to use the login.");
        let error = Error::new(passed.error.code(), message).with_hint(hint);
        self.tell_once(format!("{login} {}", passed.fingerprint), Level::Warn, error, Some(login));
    }

    fn tell_once(&self, what: String, level: Level, error: Error, login: Option<&LoginId>) {
        if self.cache().tell_once(what) {
            self.tell(Event::Notice(Notice { level, error, login: login.cloned() }));
        }
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody listens on the command line: no fault.
        let _ = self.0.events.send(event);
    }
}

fn spell(source: &str) -> String {
    match source.strip_prefix("env:") {
        Some(variable) => format!("`{variable}` of the environment"),
        None if source == "app" => "The Convocations app's key".to_owned(),
        None if source == "workload" => "This machine's own identity".to_owned(),
        None if source == "command" => "What the command gives".to_owned(),
        None => "The stored login".to_owned(),
    }
}
