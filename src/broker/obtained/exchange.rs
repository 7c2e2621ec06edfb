//! One exchange of this machine's identity token for an access token, which lives in memory alone: the next
//! process makes its own.

use std::sync::Arc;
use std::time::Duration;

use super::waiting::told;
use crate::broker::Broker;
use crate::broker::refresh::Goal;
use crate::broker::sources::{not_logged_in, of_workload};
use crate::credential::Tokens;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::oauth::{Failure, Wire};
use crate::protocol::Credential;
use crate::provider::{Provider, Workload};
use crate::workload;

/// Pause before something that failed is tried once more inside a call.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Longest wait that a provider may ask for and still be waited for inside the call.
const PATIENCE: Duration = Duration::from_secs(2);

impl Broker {
    /// The whole of it; runs in a task of its own.
    pub(super) async fn exchange_once(
        &self,
        login: &LoginId,
        provider: &Arc<Provider>,
        goal: &Goal,
    ) -> Result<Credential> {
        let Some(described) = &provider.workload else { return Err(not_logged_in(provider, login)) };
        let (answers, now) = (&self.0.shared.obtained.answers, self.0.clock.now());
        let old = answers.get(login).filter(|tokens| tokens.origins == [described.binding()]);
        if let Some(tokens) = old.as_ref().filter(|tokens| goal.is_met(tokens, now)) {
            return Ok(of_workload(provider, login, described, tokens));
        }
        let old = old.filter(|tokens| goal.may_use_old(tokens, now));
        let result = match self.0.shared.backoff.current_error(login, now) {
            Some(error) => Err(error),
            None => {
                let result = self.exchange(login, provider, described).await;
                self.0.shared.backoff.note(login, &result, old.as_ref().and_then(|tokens| tokens.expires_at));
                result.map_err(Failure::into_error)
            }
        };
        match (result, old) {
            (Ok(tokens), _) => {
                answers.put(login, &tokens);
                Ok(of_workload(provider, login, described, &tokens))
            }
            // While it lives, the old one is as good as it was (rule 4).
            (Err(_), Some(old)) => Ok(of_workload(provider, login, described, &old)),
            (Err(error), None) => Err(error),
        }
    }

    /// One passing failure is hidden by a second try; each shows the identity token of that moment.
    async fn exchange(
        &self,
        login: &LoginId,
        provider: &Arc<Provider>,
        described: &Workload,
    ) -> Result<Tokens, Failure> {
        let (http, clock) = (self.0.http.clone(), self.0.clock.clone());
        let wire = Wire { provider: Arc::clone(provider), http, clock };
        let once = async || {
            let assertion = workload::assertion(&self.0.http, described, login.as_str());
            let assertion = match workload::program(described) {
                Some(program) => told(self, login, program, assertion).await?,
                None => assertion.await?,
            };
            wire.exchange_assertion(described, workload::params(described), &assertion).await
        };
        tracing::debug!(%login, "shows the identity token of this machine");
        let mut result = once().await;
        if let Err(Failure::Transient { retry_after, .. }) = &result
            && retry_after.unwrap_or(RETRY_PAUSE) <= PATIENCE
        {
            tokio::time::sleep(retry_after.unwrap_or(RETRY_PAUSE)).await;
            result = once().await;
        }
        match &result {
            Ok(tokens) => {
                let (fingerprint, expires_at) = (tokens.access_token.fingerprint(), tokens.expires_at);
                tracing::debug!(%login, fingerprint, expires_at, "exchanged");
            }
            Err(failure) => {
                let error = failure.error();
                tracing::warn!(%login, error = %error.code(), "not exchanged: {error}");
            }
        }
        result
    }
}
