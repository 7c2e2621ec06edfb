//! The logins of one process: started, fed with what the person types, cancelled.
//!
//! Guarantees: at most one login of a provider at a time; logins of different providers do not disturb each
//! other; dropping the last handle cancels all that run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{mpsc, oneshot, watch};

use super::attempt::Attempt;
use super::cancel::{CancelToken, Deadline};
use super::conversation::{Conversation, Teller, Typed};
use super::events::{LoginEvent, LoginRequest};
use super::flow::Flow;
use super::method_selection;
use super::organization;
use super::registered_client;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::StepUp;
use crate::provider::is_no_login;
use crate::secret::Secret;
use crate::services::Services;
use crate::tasks;

/// The logins of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Logins(Arc<Mutex<Running>>);

#[derive(Debug, Default)]
struct Running {
    last_id: u64,
    logins: BTreeMap<u64, Handle>,
}

#[derive(Debug)]
struct Handle {
    provider: String,
    typed: mpsc::Sender<Typed>,
    /// Its end, too, is a cancel.
    cancel: watch::Sender<bool>,
}

/// Removes a login from the list.
#[derive(Debug, Clone)]
struct Leave {
    running: Weak<Mutex<Running>>,
    id: u64,
}

impl Logins {
    /// Begins a login on the current runtime and returns its number. Everything else comes through `events`,
    /// up to one `done` or `failed`; the channel closes when the browser has its page too.
    ///
    /// # Errors
    /// `unknown_login`, `invalid_argument` (method, notice), `busy`, or what the store's index says.
    pub fn start(
        &self,
        services: &Services,
        request: LoginRequest,
        events: mpsc::UnboundedSender<LoginEvent>,
    ) -> Result<u64> {
        let organization =
            request.organization.clone().or_else(|| organization::of_stored(services, &request.login));
        let wanted = organization.as_deref();
        let provider = organization::provider(&services.config, request.login.provider(), wanted)?;
        if is_no_login(&request.login) {
            return Err(registered_client::no_login(&request.login, &provider));
        }
        let method = method_selection::method(&provider, request.method.as_deref(), request.browser)?.clone();
        let method = organization::asking(&provider, method, wanted)?;
        if method.notice.is_some() && !request.confirmed {
            let known = services.store.index_for_login()?.confirmed_notices;
            if !known.contains(&provider.notice_name(&method)) {
                return Err(method_selection::unconfirmed(&provider, &method));
            }
        }
        let step_up =
            request.challenge.as_deref().map(|challenge| step_up(services, &request.login, challenge));
        let step_up = step_up.transpose()?;
        let (typed, receiver) = mpsc::channel(1);
        let (cancel, cancelled) = CancelToken::new();
        let id = self.enter(Handle { provider: provider.id.clone(), typed, cancel })?;
        let leave = Leave { running: Arc::downgrade(&self.0), id };
        let teller = Teller { id, login: request.login.clone(), method: method.id.clone(), events };
        let deadline = Deadline::after(services.config.callback.timeout, &services.clock);
        let attempt = Attempt {
            services: services.clone(),
            fallback: method_selection::fallback(&provider, &method, request.browser).cloned(),
            notice: step_up.as_ref().map(|step_up| method_selection::why_again(&provider, step_up)),
            step_up,
            provider,
            method,
            login: request.login,
            browser: request.browser,
            place: request.place,
            confirmed: request.confirmed,
            organization,
            registered: None,
        };
        let talk = Conversation { teller, typed: receiver, deadline };
        let flow = Flow { attempt, talk, listener: None };
        tasks::spawn(flow.run(cancelled, leave));
        Ok(id)
    }

    /// Hands over what the person typed or pasted. An error leaves the login waiting.
    ///
    /// # Errors
    /// `invalid_argument` or `state_mismatch` about the text; `invalid_argument` if no such login waits for
    /// one.
    pub async fn input(&self, id: u64, text: Secret) -> Result<()> {
        let typed = {
            let running = self.lock();
            let login = running.logins.get(&id).ok_or_else(|| no_login(id <= running.last_id))?;
            login.typed.clone()
        };
        let (reply, answer) = oneshot::channel();
        typed.send(Typed { text, reply }).await.map_err(|_| has_its_answer())?;
        answer.await.map_err(|_| has_its_answer())?
    }

    /// Cancels a login; one that has ended already is none to cancel, and no fault.
    pub fn cancel(&self, id: u64) {
        if let Some(login) = self.lock().logins.get(&id) {
            login.cancel.send_replace(true);
        }
    }

    /// Cancels all.
    pub fn cancel_all(&self) {
        for login in self.lock().logins.values() {
            login.cancel.send_replace(true);
        }
    }

    /// The numbers of those that run.
    pub fn running(&self) -> Vec<u64> {
        self.lock().logins.keys().copied().collect()
    }

    fn enter(&self, handle: Handle) -> Result<u64> {
        let mut running = self.lock();
        if running.logins.values().any(|login| login.provider == handle.provider) {
            return Err(busy(&handle.provider));
        }
        running.last_id += 1;
        let id = running.last_id;
        running.logins.insert(id, handle);
        Ok(id)
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(running) = self.running.upgrade() {
            running.lock().unwrap_or_else(PoisonError::into_inner).logins.remove(&self.id);
        }
    }
}

/// What an API asks for beyond what the login has been granted.
fn step_up(services: &Services, login: &LoginId, challenge: &str) -> Result<StepUp> {
    let index = services.store.index_for_login()?;
    let granted = index.logins.get(login).map(|entry| entry.scopes.clone()).unwrap_or_default();
    let step_up = StepUp::of(challenge, granted).ok_or_else(method_selection::no_challenge)?;
    // MCP, authorization: whoever asks again and again for what was granted is not asked back for ever.
    if step_up.missing().is_empty() {
        return Err(method_selection::nothing_missing(login));
    }
    Ok(step_up)
}

fn busy(provider: &str) -> Error {
    Error::new(Code::Busy, format!("A login to {provider} is under way already."))
        .with_hint("Finish it or cancel it first.")
}

fn no_login(has_been: bool) -> Error {
    let message = match has_been {
        true => "This login has ended already, and nothing was sent.",
        false => "No login waits for a text.",
    };
    Error::new(Code::InvalidArgument, message).with_hint("Start one with `:ConvLogin`.")
}

fn has_its_answer() -> Error {
    Error::new(Code::InvalidArgument, "This login has its answer already.")
        .with_hint("How it ends is told in a moment.")
}
