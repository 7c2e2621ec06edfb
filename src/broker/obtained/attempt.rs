//! One run of a login's command.
//!
//! The order is that of a refresh: take the login's lock, look again, share the failure that one has waited
//! behind, run, keep, hand out. Where there can be no lock (a container whose files are read only), it is run
//! without.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::answers::{answer, keep};
use super::waiting::{cancelled, told};
use crate::broker::Broker;
use crate::broker::events::Event;
use crate::broker::refresh::{FailureRecord, Goal, record_time};
use crate::broker::sources::not_logged_in;
use crate::command;
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::Failure;
use crate::protocol::{Credential, Level, Notice};
use crate::provider::{CommandSource, Provider, Source};
use crate::secret::Secret;
use crate::store::{self, LoginLock, Stamp};
use crate::workload;

/// Longest wait behind other processes, each of which may ask the person something.
const QUEUE: Duration = Duration::from_secs(300);

/// Tells the commands under way that nobody waits any more.
#[derive(Debug)]
pub struct Cancels(watch::Sender<()>);

impl Default for Cancels {
    fn default() -> Self {
        Self(watch::channel(()).0)
    }
}

impl Cancels {
    /// To all that are under way; those that begin later do not hear it.
    pub fn all(&self) {
        self.0.send_replace(());
    }

    /// Waits for it.
    pub(in crate::broker) async fn heard(&self) {
        if self.0.subscribe().changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// One run under way.
struct Run<'a> {
    broker: &'a Broker,
    login: &'a LoginId,
    goal: &'a Goal,
    provider: &'a Provider,
    source: &'a CommandSource,
    /// When it was wanted, Unix milliseconds.
    since: u64,
}

impl Broker {
    /// The whole of it; runs in a task of its own.
    pub(super) async fn obtain_once(
        &self,
        login: &LoginId,
        source: &Source,
        goal: &Goal,
    ) -> Result<Credential> {
        let provider = self.0.config.provider(login.provider())?;
        if *source == Source::Workload {
            let exchange = self.exchange_once(login, &provider, goal);
            let Some(program) = provider.workload.as_ref().and_then(workload::program) else {
                return exchange.await;
            };
            return tokio::select! {
                exchanged = exchange => exchanged,
                () = self.0.shared.obtained.cancels.heard() => Err(cancelled(self, login, program)),
            };
        }
        let Some(source) = &provider.command else { return Err(not_logged_in(&provider, login)) };
        command::check_no_circle(login.as_str())?;
        if let Some(error) = self.0.shared.backoff.current_error(login, self.0.clock.now()) {
            return Err(error);
        }
        let run = Run { broker: self, login, goal, provider: &provider, source, since: record_time() };
        let tokens = tokio::select! {
            tokens = run.in_turn() => tokens,
            () = self.0.shared.obtained.cancels.heard() => Err(cancelled(self, login, &source.program)),
        }?;
        Ok(provider.credential(login, &Source::Command.name(), source.kind, &tokens, 0))
    }
}

impl Run<'_> {
    async fn in_turn(&self) -> Result<Tokens> {
        let mut lock = match self.wait_for_lock().await? {
            Wait::Met(tokens) => return Ok(*tokens),
            Wait::Locked(lock) => lock,
        };
        if let Some(tokens) = self.met().await? {
            return Ok(tokens);
        }
        let record = lock.as_mut().and_then(FailureRecord::read);
        if let Some(failure) = record.as_ref().and_then(|record| record.shared(self.since)) {
            return Err(failure.into_error());
        }
        let result = self.run().await;
        let outcome = result.clone().map_err(failure);
        if let Some(lock) = &mut lock {
            FailureRecord::record(lock, record.as_ref(), &outcome, &nothing());
        }
        self.broker.0.shared.backoff.note(self.login, &outcome, None);
        let tokens = result?;
        self.keep(&tokens).await;
        Ok(tokens)
    }

    async fn wait_for_lock(&self) -> Result<Wait> {
        let inner = &self.broker.0;
        let end = Instant::now() + QUEUE;
        let mut seen: Option<Stamp> = None;
        while Instant::now() < end {
            let name = self.login.clone();
            match self.broker.blocking(move |inner| inner.store.try_lock_login(&name)).await? {
                Ok(Some(lock)) => return Ok(Wait::Locked(Some(lock))),
                Ok(None) if seen.is_none() => tracing::debug!(login = %self.login, "waits for the lock"),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(login = %self.login, error = %error.code(), "runs without a lock: {error}");
                    return Ok(Wait::Locked(None));
                }
            }
            // What another process has put into the store is there before it gives its lock back.
            let stamp = inner.store.stamp();
            if seen.replace(stamp) != Some(stamp)
                && let Some(tokens) = self.met().await?
            {
                return Ok(Wait::Met(Box::new(tokens)));
            }
            tokio::time::sleep(store::pause()).await;
        }
        let name = self.source.program.name();
        Err(Error::new(Code::Busy, format!("Other processes have been asking `{name}` for too long."))
            .with_hint(format!(
                "`cache = \"store\"` of `{}` lets them share an answer.",
                self.source.program.setting
            )))
    }

    /// The answer that is there, if it is as good as a new one.
    async fn met(&self) -> Result<Option<Tokens>> {
        let (provider, source, login) = (self.provider.clone(), self.source.clone(), self.login.clone());
        let there = self.broker.blocking(move |inner| {
            answer(&inner.shared.obtained.answers, &inner.store, &provider, &source, &login)
        });
        let now = self.broker.0.clock.now();
        let there = there.await?.filter(|tokens| self.goal.is_met(tokens, now) && tokens.is_fresh(now, 0));
        if there.is_some() {
            tracing::debug!(login = %self.login, "another process has asked the command");
        }
        Ok(there)
    }

    async fn run(&self) -> Result<Tokens> {
        let program = &self.source.program;
        let begun = Instant::now();
        let running = command::run(program, self.login.as_str());
        let printed = told(self.broker, self.login, program, running).await;
        let ms = begun.elapsed().as_millis();
        let now = self.broker.0.clock.now();
        let tokens = printed.and_then(|printed| command::credential(self.source, &printed, now));
        match &tokens {
            Ok(tokens) => {
                let (fingerprint, expires_at) = (tokens.access_token.fingerprint(), tokens.expires_at);
                tracing::debug!(login = %self.login, fingerprint, expires_at, ms, "a command gave a credential");
            }
            Err(error) => {
                tracing::warn!(login = %self.login, error = %error.code(), ms, "a command gave none: {error}");
            }
        }
        tokens
    }

    /// Keeps it here, and in the store if the settings want that. One that cannot be stored is as good, and
    /// is told.
    async fn keep(&self, tokens: &Tokens) {
        let (provider, source, new) = (self.provider.clone(), self.source.clone(), tokens.clone());
        let kept = self.broker.blocking(move |inner| keep(&inner.store, &provider, &source, &new)).await;
        if let Err(error) = kept.and_then(|kept| kept) {
            let message = format!(
                "{} The answer of `{}` is kept in memory.",
                error.message(),
                self.source.program.name()
            );
            let error = Error::new(error.code(), message).with_hint("Other processes have to run it again.");
            let login = Some(self.login.clone());
            self.broker.tell(Event::Notice(Notice { level: Level::Warn, error, login }));
        }
        self.broker.0.shared.obtained.answers.put(self.login, tokens);
    }
}

/// How the wait for a login's lock ended.
enum Wait {
    Met(Box<Tokens>),
    Locked(Option<LoginLock>),
}

/// A command has no grant that it could end: whatever failed may work the next time.
fn failure(error: Error) -> Failure {
    Failure::answered(error, None)
}

/// In place of the tokens that a refresh would spend.
fn nothing() -> Tokens {
    Tokens::api_key(Secret::new(""), 0)
}
