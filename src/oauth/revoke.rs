//! Logout at the provider (RFC 7009, and OpenAI's JSON relative): best effort, with a limit of its own.

use std::time::Duration;

use reqwest::StatusCode;
use tokio::time::Instant;
use url::Url;

use super::client::Client;
use super::failure::{self, Failure};
use super::origin;
use super::ready::revoke_url;
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::provider::{Encoding, Method, Provider};
use crate::secret::Secret;

/// Longest time that a logout waits for the provider (openai/codex uses the same).
const TIMEOUT: Duration = Duration::from_secs(10);

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The provider took the tokens back.
    Revoked,
    /// The provider has no address for it; with the page where the person can do it, if there is one.
    Unsupported { page: Option<String> },
}

/// Whether the provider has an address at which these tokens are revoked.
pub fn can_revoke(method: &Method, tokens: &Tokens) -> bool {
    revoke_url(method, tokens.binding.as_ref()).is_some()
}

impl Client {
    /// Revokes the refresh token, then the access token (RFC 7009, 2.1).
    ///
    /// # Errors
    /// A [`Failure`] if the provider did not revoke them; the local copy is the caller's to delete in any
    /// case.
    pub async fn revoke(&self, tokens: &Tokens) -> Result<Revocation, Failure> {
        let provider = self.provider();
        let Some(url) = &self.ready.revoke_url else {
            return Ok(Revocation::Unsupported { page: provider.key_page(tokens) });
        };
        origin::check(tokens, url, provider)?;
        let end = Instant::now() + TIMEOUT;
        let in_time = async |token: &Secret, hint: &str| {
            let slow = |_| Err(Failure::answered(slow(provider), None));
            tokio::time::timeout_at(end, self.revoke_one(url, token, hint)).await.unwrap_or_else(slow)
        };
        let access = &tokens.access_token;
        match &tokens.refresh_token {
            Some(refresh) => {
                in_time(refresh, "refresh_token").await?;
                // Its access tokens went with it where the server follows the RFC's advice; where it does
                // not, this does it. Nothing depends on it: without the refresh token the login has ended.
                let _ = in_time(access, "access_token").await;
            }
            None => in_time(access, "access_token").await?,
        }
        Ok(Revocation::Revoked)
    }

    async fn revoke_one(&self, url: &Url, secret: &Secret, hint: &str) -> Result<(), Failure> {
        let (name, encoding) = (&self.provider().name, self.ready.described.revoke_encoding);
        let mut params = vec![("token", secret.expose().to_owned()), ("token_type_hint", hint.to_owned())];
        // OpenAI takes the client id with the refresh token only; RFC 7009 asks public clients for it always.
        if hint == "refresh_token" || encoding == Encoding::Form {
            self.add_client(&mut params)?;
        }
        let reply = self.post(url, encoding, &params).await?;
        let is_done = reply.status == StatusCode::OK || reply.status == StatusCode::NO_CONTENT;
        match reply.body.trim_ascii_start().first() {
            // What a server says besides 200 is its own affair (RFC 7009, 2.2), but no page and no error is a
            // yes.
            Some(b'<') if is_done => Err(failure::lacking(name, "confirmation")),
            Some(b'{') if is_done => failure::read(&reply, name).map(drop),
            _ if is_done => Ok(()),
            _ => Err(match failure::read(&reply, name) {
                Err(failure) => failure,
                Ok(_) => failure::lacking(name, "confirmation"),
            }),
        }
    }
}

fn slow(provider: &Provider) -> Error {
    Error::new(Code::Timeout, format!("{} did not answer the revocation in time.", provider.name))
        .with_hint("You may be able to revoke the login on its page in the browser.")
}
