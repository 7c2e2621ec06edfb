//! The client secret of a provider of one's own, as it is at this moment: one that was changed counts at
//! once.

use super::Broker;
use crate::credential::Tokens;
use crate::error::Result;
use crate::oauth::{self, Failure, Revocation};
use crate::provider::{ClientSecret, Method, Provider};
use crate::secret::Secret;

impl Broker {
    /// The method with the client secret that the settings name, if they name one.
    ///
    /// # Errors
    /// `Configuration` if it is not there, or cannot be read now.
    pub(in crate::broker) async fn with_client_secret(
        &self,
        provider: &Provider,
        method: &Method,
    ) -> Result<Method, Failure> {
        let stored = match provider.client_secret {
            Some(ClientSecret::Store) => {
                self.stored_secret(provider).await.map_err(Failure::Configuration)?
            }
            _ => None,
        };
        oauth::with_client_secret(provider, method, stored)
    }

    /// Takes tokens back at the provider.
    ///
    /// # Errors
    /// A [`Failure`] if the provider did not.
    pub(in crate::broker) async fn revoke_tokens(
        &self,
        provider: &Provider,
        method: &Method,
        tokens: &Tokens,
    ) -> Result<Revocation, Failure> {
        let method = self.with_client_secret(provider, method).await?;
        oauth::revoke(&self.0.http, provider, &method, tokens).await
    }

    async fn stored_secret(&self, provider: &Provider) -> Result<Option<Secret>> {
        let Some(login) = provider.client_login() else { return Ok(None) };
        let stored = self.blocking(move |inner| inner.store.read(&login)).await??;
        Ok(stored.map(|stored| stored.tokens.access_token))
    }
}
