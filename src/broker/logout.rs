//! Logout: revoked at the provider where that is possible, deleted here in any case, and the truth told about
//! both.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::sources::env_value;
use super::{Broker, Inner};
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::Revocation;
use crate::protocol::{LogoutResult, Revoked};
use crate::provider::{Grant, Provider, RevocationEnds, Source};
use crate::store::{self, LoginLock};
use crate::workload;

/// Longest wait for a refresh under way, whose newer tokens are the ones to revoke.
const LOCK_WAIT: Duration = Duration::from_secs(10);

impl Broker {
    /// Forgets a login everywhere.
    ///
    /// # Errors
    /// `not_logged_in` if nothing is stored; `invalid_argument` if it is only lent here; the store's errors.
    /// That the provider cannot be reached is none.
    pub async fn logout(&self, login: &LoginId) -> Result<LogoutResult> {
        self.check_kept_here(login).await?;
        let lock = self.lock_if_soon(login).await;
        if lock.is_some() {
            // The newest tokens are the ones to revoke. Those that still cannot be stored are given back
            // later.
            let _ = self.write_pending(login).await;
        }
        let name = login.clone();
        let stored = self.blocking(move |inner| inner.store.read(&name)).await?;
        let provider = self.provider_of(login).await.ok();
        let (revoked, page) = match (&provider, &stored) {
            (Some(provider), Ok(Some(stored))) => {
                self.revoke(login, provider, &stored.entry.method, &stored.tokens).await
            }
            _ => (Revoked::No, None),
        };
        let name = login.clone();
        let removed = self.blocking(move |inner| inner.store.remove(&name));
        let removed = removed.await??;
        tracing::info!(%login, revoked = ?revoked, was_stored = removed.is_some(), "logged out");
        self.forget_answer(login, provider.as_deref()).await;
        drop(lock);
        self.forget(login);
        self.0.shared.backoff.clear(login);
        self.tell_all().await;
        let Some(removed) = removed else {
            let name = login.clone();
            return Err(self.blocking(move |inner| nothing_stored(inner, &name)).await?);
        };
        let may_end_others =
            provider.is_some_and(|provider| provider.revocation_ends == RevocationEnds::AllLogins);
        let mut message = sentence(login, revoked, page.is_some());
        if revoked == Revoked::Yes && may_end_others {
            message.push_str(
                " That may have ended your other logins there too, those of other machines among them.",
            );
        }
        if let Some(leftover) = removed.leftover {
            message.push_str(&format!(
                " {} Its item is still there; a later login or logout removes it.",
                leftover.message()
            ));
        }
        Ok(LogoutResult { login: login.clone(), revoked, page, message })
    }

    /// What a command gave is forgotten with the login. That it cannot be is no reason to keep the login: it
    /// has an end.
    async fn forget_answer(&self, login: &LoginId, provider: Option<&Provider>) {
        self.0.shared.obtained.answers.forget(login);
        let Some(name) = provider.and_then(Provider::answer_login) else { return };
        if login.account().is_none() {
            let _ = self.blocking(move |inner| inner.store.remove(&name)).await;
        }
    }

    /// The login's lock, if it can be had soon: a refresh that hangs must not keep anybody logged in.
    async fn lock_if_soon(&self, login: &LoginId) -> Option<LoginLock> {
        let end = Instant::now() + LOCK_WAIT;
        while Instant::now() < end {
            let name = login.clone();
            match self.blocking(move |inner| inner.store.try_lock_login(&name)).await {
                Ok(Ok(Some(lock))) => return Some(lock),
                Ok(Ok(None)) => tokio::time::sleep(store::pause()).await,
                _ => return None,
            }
        }
        None
    }

    async fn revoke(
        &self,
        login: &LoginId,
        provider: &Arc<Provider>,
        method: &str,
        tokens: &Tokens,
    ) -> (Revoked, Option<String>) {
        let page = provider.key_page(tokens);
        let Some(method) = provider.method(method) else { return (Revoked::Unsupported, page) };
        // A key that the person brought along is the person's to keep.
        if method.grant == Grant::ApiKey {
            return (Revoked::Unsupported, page);
        }
        match self.revoke_tokens(login, provider, method, tokens).await {
            Ok(Revocation::Revoked) => (Revoked::Yes, None),
            Ok(Revocation::Unsupported { page }) => (Revoked::Unsupported, page),
            Err(_) => (Revoked::No, page),
        }
    }
}

fn sentence(login: &LoginId, revoked: Revoked, page: bool) -> String {
    let there = match (revoked, page) {
        (Revoked::Yes, _) => "The provider revoked its tokens.",
        (Revoked::No, _) => {
            "The provider did not confirm that it revoked its tokens; they work until they expire."
        }
        (Revoked::Unsupported, true) => "Only you can revoke it, on the provider's page.",
        (Revoked::Unsupported, false) => "The provider has no way to revoke it.",
    };
    format!("Logged out of {login}. {there}")
}

/// Says where what is used comes from instead, and how that ends.
fn nothing_stored(inner: &Inner, login: &LoginId) -> Error {
    let provider = inner.config.provider(login.provider()).ok();
    let used = provider.as_ref().and_then(|provider| {
        provider.sources_of(login).find_map(|source| match source {
            Source::Env { var, .. } if env_value(source).is_some() => {
                Some(format!("The credential in use comes from `{var}`; unset that."))
            }
            Source::Command => Some(
                "The credential in use comes from its command; take \"command\" out of its `sources`."
                    .to_owned(),
            ),
            Source::Workload if has_identity(provider) => {
                Some("The credential in use comes from this machine's own identity.".to_owned())
            }
            // One that cannot be read now is there all the same.
            Source::App if !matches!(inner.store.app_key(inner.config.app_key_reference()), Ok(None)) => {
                Some("The credential in use is the key of the Convocations app; remove it there.".to_owned())
            }
            _ => None,
        })
    });
    Error::new(Code::NotLoggedIn, format!("There is no stored login `{login}`."))
        .with_hint(used.unwrap_or_else(|| "`:ConvStatus` lists the logins.".to_owned()))
}

fn has_identity(provider: &Provider) -> bool {
    provider.workload.as_ref().is_some_and(|described| matches!(workload::is_here(described), Ok(true)))
}
