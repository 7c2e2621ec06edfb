//! One login from its first event to its last.
//!
//! Guarantees: ends with exactly one `done` or `failed`; begins only if its result can be stored (rule 21);
//! until the moment of storing it can be cancelled at any await, and then nothing is stored; the listener is
//! gone when it ends, but for the page that tells of the end.

use super::attempt::Attempt;
use super::callback::pages::Outcome;
use super::callback::server::Listener;
use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::events::Stage;
use super::method_selection;
use super::methods::{browser, device, key, machine};
use super::organization;
use super::registered_client;
use super::save::{self, Saved};
use crate::credential::Tokens;
use crate::error::{Error, Result};
use crate::provider::Grant;

/// A login in progress.
pub(super) struct Flow {
    pub attempt: Attempt,
    pub talk: Conversation,
    pub listener: Option<Listener>,
}

impl Flow {
    /// Runs to the end. `running` is what stands for it among the logins that run: its drop takes it off the
    /// list.
    pub async fn run<R>(mut self, cancel: CancelToken, running: R) {
        let result = self.sign_in(cancel).await;
        registered_client::settle(&mut self.attempt, &result).await;
        self.talk.typed.close();
        // Before the last event: whoever hears of the end may start the next login at once.
        drop(running);
        let outcome = self.outcome(&result);
        log(&self.attempt, &result);
        let stage = match result {
            Ok(saved) => {
                self.talk.teller.login = saved.login;
                Stage::Done {
                    identity: saved.identity,
                    kind: saved.kind,
                    expires_at: saved.expires_at,
                    store: saved.store,
                    replaced: saved.replaced,
                    notices: saved.notices,
                }
            }
            Err(error) => Stage::Failed { error },
        };
        self.talk.tell(stage);
        if let Some(listener) = self.listener.take() {
            listener.close(outcome).await;
        }
    }

    async fn sign_in(&mut self, mut cancel: CancelToken) -> Result<Saved> {
        cancel.guard(save::check_writable(&self.attempt)).await?;
        let tokens = cancel.guard(self.obtain()).await?;
        let tokens = match organization::settled(&self.attempt, tokens) {
            Ok(tokens) => tokens,
            Err((error, tokens)) => return Err(save::given_up(&self.attempt, error, &tokens).await),
        };
        save::save(&self.attempt, tokens, cancel).await
    }

    async fn obtain(&mut self) -> Result<Tokens> {
        let Self { attempt, talk, listener } = self;
        match attempt.method.grant {
            Grant::AuthorizationCode | Grant::MintKey => browser::obtain(attempt, talk, listener).await,
            Grant::DeviceCode => match device::begin(attempt).await {
                Ok(asked) => device::obtain(attempt, talk, asked).await,
                Err(error) => {
                    self.fall_back(error)?;
                    browser::obtain(&mut self.attempt, &mut self.talk, &mut self.listener).await
                }
            },
            Grant::ClientCredentials => machine::obtain(attempt, talk).await,
            Grant::ApiKey => key::obtain(attempt, talk).await,
        }
    }

    /// Goes over to the method that works without device codes, and says why.
    ///
    /// # Errors
    /// `error` itself, if there is no such method or it would fail for the same reason.
    fn fall_back(&mut self, error: Error) -> Result<()> {
        let attempt = &mut self.attempt;
        let Some(method) = attempt.fallback.take().filter(|_| method_selection::is_not_offered(&error))
        else {
            return Err(error);
        };
        attempt.notice = Some(error.message().to_owned());
        self.talk.teller.method.clone_from(&method.id);
        attempt.method = method;
        attempt.registered = None;
        Ok(())
    }

    fn outcome(&self, result: &Result<Saved, Error>) -> Outcome {
        match result {
            Ok(saved) => Outcome::Done { identity: saved.identity.clone(), store: saved.store },
            Err(error) => {
                let quote = self.listener.as_ref().and_then(|listener| listener.quote.clone());
                Outcome::Failed { error: error.clone(), description: quote }
            }
        }
    }
}

fn log(attempt: &Attempt, result: &Result<Saved>) {
    match result {
        Ok(saved) => tracing::info!(login = %saved.login, store = saved.store.as_str(), "logged in"),
        Err(error) => {
            tracing::info!(login = %attempt.login, error = %error.code(), "the login ended without one: {error}");
        }
    }
}
