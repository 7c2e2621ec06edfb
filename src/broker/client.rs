//! What this program is to a provider at this moment: a client secret that was changed counts at once.

use std::sync::Arc;

use super::Broker;
use super::obtained::told;
use crate::command;
use crate::credential::Tokens;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::oauth::{self, Client, Failure, Revocation, Wire};
use crate::provider::{ClientSecret, Method, Program, Provider};
use crate::secret::Secret;

impl Broker {
    /// The client that these tokens were given to.
    ///
    /// # Errors
    /// `Configuration` if the client secret that the settings name is not there, or cannot be read now.
    pub(in crate::broker) async fn client(
        &self,
        login: &LoginId,
        provider: &Arc<Provider>,
        method: &Method,
        tokens: &Tokens,
    ) -> Result<Client, Failure> {
        let given = match &provider.client_secret {
            Some(ClientSecret::Store) => self.stored_secret(provider).await,
            Some(ClientSecret::Command(program)) => self.printed(login, provider, program).await.map(Some),
            _ => Ok(None),
        };
        let given = given.map_err(Failure::Configuration)?;
        let (http, clock) = (self.0.http.clone(), self.0.clock.clone());
        Client::of_login(Wire { provider: Arc::clone(provider), http, clock }, method, given, tokens)
    }

    /// Takes tokens back at the provider.
    ///
    /// # Errors
    /// A [`Failure`] if the provider did not.
    pub(in crate::broker) async fn revoke_tokens(
        &self,
        login: &LoginId,
        provider: &Arc<Provider>,
        method: &Method,
        tokens: &Tokens,
    ) -> Result<Revocation, Failure> {
        match oauth::can_revoke(method, tokens) {
            true => self.client(login, provider, method, tokens).await?.revoke(tokens).await,
            false => Ok(Revocation::Unsupported { page: provider.key_page(tokens) }),
        }
    }

    /// The client secret that a program prints, run at each use: like a credential's, it may ask the person.
    async fn printed(&self, login: &LoginId, provider: &Provider, program: &Program) -> Result<Secret> {
        let running = told(self, login, program, command::run(program, &provider.id));
        tokio::select! {
            printed = running => printed,
            () = self.0.shared.obtained.cancels.heard() => Err(command::cancelled(program)),
        }
    }

    async fn stored_secret(&self, provider: &Provider) -> Result<Option<Secret>> {
        let Some(login) = provider.client_login() else { return Ok(None) };
        let stored = self.blocking(move |inner| inner.store.read(&login)).await??;
        Ok(stored.map(|stored| stored.tokens.access_token))
    }
}
