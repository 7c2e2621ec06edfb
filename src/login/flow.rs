//! One login from its first event to its last.
//!
//! Guarantees: ends with exactly one `done` or `failed`; until the moment of storing it can be cancelled at
//! any await, and then nothing is stored; the listener is gone when it ends, but for the page that tells of
//! the end.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::browser;
use super::choose;
use super::client;
use super::device;
use super::key;
use super::listener::Listener;
use super::pages::Outcome;
use super::port::Ports;
use super::race::Typed;
use super::registry::{Leave, LoginContext};
use super::save::{self, Saved};
use super::stage::{LoginEvent, Stage};
use super::wait::{Cancel, Deadline};
use crate::credential::Tokens;
use crate::error::{Error, Result};
use crate::login_id::LoginId;
use crate::provider::{Grant, Method, Provider, Redirect, RedirectPorts};

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

/// A login in progress.
pub(super) struct Flow {
    pub context: LoginContext,
    pub provider: Arc<Provider>,
    pub method: Method,
    pub login: LoginId,
    pub browser: bool,
    pub confirmed: bool,
    pub deadline: Deadline,
    pub typed: mpsc::Receiver<Typed>,
    pub teller: Teller,
    pub listener: Option<Listener>,
    /// What to go on with if `method` turns out not to be offered: see [`choose::fallback`].
    pub fallback: Option<Method>,
    /// What is to be told beside the next address.
    pub notice: Option<String>,
    /// The client id that registration brought, if this login uses such a one.
    pub registered: Option<String>,
    /// What the provider said with its refusal, cleaned, for the page alone.
    pub description: Option<String>,
}

impl Flow {
    /// Runs to the end.
    pub async fn run(mut self, cancel: Cancel, leave: Leave) {
        let result = self.sign_in(cancel).await;
        client::settle(&mut self, &result).await;
        self.typed.close();
        // Before the last event: whoever hears of the end may start the next login at once.
        drop(leave);
        let outcome = self.outcome(&result);
        let stage = match result {
            Ok(saved) => {
                self.teller.login = saved.login;
                Stage::Done {
                    identity: saved.identity,
                    kind: saved.kind,
                    expires_at: saved.expires_at,
                    store: saved.store,
                }
            }
            Err(error) => Stage::Failed { error },
        };
        self.teller.tell(stage);
        if let Some(listener) = self.listener.take() {
            listener.close(outcome).await;
        }
    }

    async fn sign_in(&mut self, mut cancel: Cancel) -> Result<Saved> {
        let tokens = cancel.guard(self.obtain()).await?;
        save::save(self, tokens, cancel).await
    }

    async fn obtain(&mut self) -> Result<Tokens> {
        match self.method.grant {
            Grant::AuthorizationCode | Grant::MintKey => browser::obtain(self).await,
            Grant::DeviceCode => match device::begin(self).await {
                Ok(code) => device::obtain(self, code).await,
                Err(error) => {
                    self.fall_back(error)?;
                    browser::obtain(self).await
                }
            },
            Grant::ApiKey => key::obtain(self).await,
        }
    }

    /// Goes over to the method that works without device codes, and says why.
    ///
    /// # Errors
    /// `error` itself, if there is no such method or it would fail for the same reason.
    fn fall_back(&mut self, error: Error) -> Result<()> {
        let Some(method) = self.fallback.take().filter(|_| choose::is_not_offered(&error)) else {
            return Err(error);
        };
        self.notice = Some(error.message().to_owned());
        self.teller.method.clone_from(&method.id);
        self.method = method;
        self.registered = None;
        Ok(())
    }

    /// The ports that the provider takes and the person prefers.
    pub fn ports(&self, redirect: &Redirect) -> Ports {
        match &redirect.ports {
            RedirectPorts::Any => Ports::Any { preferred: self.context.config.callback.port },
            RedirectPorts::Fixed(list) => Ports::Fixed(list.clone()),
        }
    }

    fn outcome(&self, result: &Result<Saved, Error>) -> Outcome {
        match result {
            Ok(saved) => Outcome::Done { identity: saved.identity.clone(), store: saved.store.clone() },
            Err(error) => Outcome::Failed { error: error.clone(), description: self.description.clone() },
        }
    }
}
