//! The token endpoint: a code becomes tokens (RFC 6749, 4.1.3), a refresh token becomes newer ones (section
//! 6).
//!
//! Guarantees: what a reply leaves out is kept from before (rule 7); a reply of odd but legal form is taken;
//! the parameters travel in the body only.

use std::time::Duration;

use super::client::Client;
use super::client_identity::Params;
use super::failure::{self, Failure};
use super::pkce::Pkce;
use super::ready::{Ready, nothing_to_refresh_with};
use super::token_answer::{minted, tokens};
use super::{identity, jwt, origin, second_step};
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::http::Reply;
use crate::provider::{CallbackBrings, Grant, Provider, SecondStep};
use crate::secret::Secret;

/// RFC 8628, 3.4.
pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long to wait before a second step is tried again.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];

/// What an exchange needs beside the method.
#[derive(Debug, Clone)]
pub struct CodeExchange {
    /// The authorization code.
    pub code: Secret,
    /// The verifier of the request's PKCE pair.
    pub code_verifier: Secret,
    /// Exactly the `redirect_uri` of the authorize URL; absent where it had none.
    pub redirect_uri: Option<String>,
    /// The request's state, for providers that want it here too.
    pub state: Option<Secret>,
    /// The request's nonce, which the id token must repeat.
    pub nonce: Option<Secret>,
}

impl Client {
    /// Turns a code into tokens, and by the method's second step into what an API call carries.
    ///
    /// # Errors
    /// A [`Failure`]. A code is spent by any answer.
    pub async fn exchange(&self, exchange: &CodeExchange) -> Result<Tokens, Failure> {
        let tokens = self.first_tokens(exchange).await?;
        match self.ready.described.grant {
            Grant::MintKey => Ok(tokens),
            _ => self.complete(tokens).await,
        }
    }

    /// Turns a code into what the token endpoint gives for it.
    pub(super) async fn first_tokens(&self, exchange: &CodeExchange) -> Result<Tokens, Failure> {
        let asked_at = self.now();
        let method = &self.ready.described;
        if method.callback == CallbackBrings::Key {
            let key = Tokens::api_key(exchange.code.clone(), asked_at);
            return Ok(with_end(key, method.key_lifetime, asked_at));
        }
        let reply = self.ask_for_tokens(&self.exchange_params(exchange)?).await?;
        if method.grant == Grant::MintKey {
            return Ok(with_end(minted(&reply, self.provider(), asked_at)?, method.key_lifetime, asked_at));
        }
        let tokens = self.read_tokens(&reply, asked_at)?;
        check_nonce(&tokens, exchange.nonce.as_ref(), self.provider())?;
        Ok(tokens)
    }

    /// Lifetimes count from `asked_at`: an answer may have been long on its way.
    fn read_tokens(&self, reply: &Reply, asked_at: i64) -> Result<Tokens, Failure> {
        let name = &self.provider().name;
        tokens(&failure::read(reply, name)?, name, asked_at)
    }

    fn exchange_params<'a>(&'a self, exchange: &CodeExchange) -> Result<Params<'a>, Failure> {
        let method = &self.ready.described;
        let mut params: Params<'a> = vec![
            ("code", exchange.code.expose().to_owned()),
            ("code_verifier", exchange.code_verifier.expose().to_owned()),
        ];
        if !method.speaks_rfc6749() {
            params.push(("code_challenge_method", "S256".to_owned()));
            return Ok(params);
        }
        params.push(("grant_type", "authorization_code".to_owned()));
        params.extend(exchange.redirect_uri.clone().map(|uri| ("redirect_uri", uri)));
        self.add_client_and_resource(&mut params)?;
        if method.state_in_token_request {
            params.extend(exchange.state.as_ref().map(|state| ("state", state.expose().to_owned())));
        }
        Ok(params)
    }

    /// Identity and second step: what follows once a login's first tokens are there. What they were made of
    /// is spent, so a second step that fails in passing is tried again here.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn complete(&self, mut tokens: Tokens) -> Result<Tokens, Failure> {
        tokens.identity = identity::find(self, &tokens).await;
        tokens.binding = self.ready.binding(self.provider());
        if tokens.scopes.is_empty() {
            // RFC 6749, 5.1: what is left out is as it was asked for.
            tokens.scopes.clone_from(&self.ready.described.scopes);
        }
        tokens.origins = origin::of(&self.ready);
        let Some(step) = &self.ready.second_step else { return Ok(tokens) };
        for pause in PAUSES {
            match second_step::run(self, step, tokens.clone()).await {
                Err(Failure::Transient { sent, .. }) if !sent || step.step == SecondStep::CopilotToken => {
                    tokio::time::sleep(pause).await;
                }
                result => return result,
            }
        }
        second_step::run(self, step, tokens).await
    }

    /// Asks for tokens for the program itself (RFC 6749, 4.4).
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn client_credentials(&self) -> Result<Tokens, Failure> {
        let scopes = &self.ready.described.scopes;
        let mut params: Params<'_> = vec![("grant_type", "client_credentials".to_owned())];
        if !scopes.is_empty() {
            params.push(("scope", scopes.join(" ")));
        }
        self.add_client_and_resource(&mut params)?;
        let asked_at = self.now();
        let mut tokens = self.read_tokens(&self.ask_for_tokens(&params).await?, asked_at)?;
        // RFC 6749, 4.4.3: there is to be none; the client's own proof is as good.
        tokens.refresh_token = None;
        self.complete(tokens).await
    }

    /// Spends the refresh token, or repeats the second step from what it was made of.
    ///
    /// # Errors
    /// A [`Failure`]; `Refused` if there is nothing to refresh with.
    pub async fn refresh(&self, old: &Tokens) -> Result<Tokens, Failure> {
        if self.ready.described.grant == Grant::ClientCredentials {
            return Ok(keep_what_is_left_out(self.client_credentials().await?, old));
        }
        if let (Some(step), Some(base)) = (&self.ready.second_step, &old.base_token) {
            origin::check(old, &step.url, self.provider())?;
            let mut base_tokens = bound_to(old.clone(), &self.ready);
            base_tokens.access_token = base.clone();
            return second_step::run(self, step, base_tokens).await;
        }
        let refresh_token =
            old.refresh_token.as_ref().ok_or_else(|| nothing_to_refresh_with(self.provider()))?;
        let new = self.spend(refresh_token, old).await?;
        Ok(bound_to(keep_what_is_left_out(new, old), &self.ready))
    }

    async fn spend(&self, refresh_token: &Secret, old: &Tokens) -> Result<Tokens, Failure> {
        let mut params: Params<'_> = vec![
            ("grant_type", "refresh_token".to_owned()),
            ("refresh_token", refresh_token.expose().to_owned()),
        ];
        self.add_client_and_resource(&mut params)?;
        let (url, encoding) = (&self.ready.token_url, self.ready.described.refresh_encoding);
        origin::check(old, url, self.provider())?;
        let asked_at = self.now();
        let reply = self.post(url, encoding, &params).await?;
        let name = &self.provider().name;
        let body = failure::read(&reply, name).map_err(|failure| {
            let registered = self.ready.client.is_registered.then_some(self.provider().id.as_str());
            of_refresh(failure, registered)
        })?;
        tokens(&body, name, asked_at)
    }

    /// Shows the token endpoint a code that nobody gave: what it complains of tells whether it knows the
    /// client.
    pub(super) async fn show_no_code(&self, redirect_uri: Option<&str>) -> Result<(), Failure> {
        let none = Pkce::new();
        let (code, verifier) = (none.challenge, none.verifier.expose().to_owned());
        let mut params: Params<'_> = match self.ready.described.grant {
            Grant::DeviceCode => vec![("grant_type", DEVICE_GRANT.to_owned()), ("device_code", code)],
            _ => vec![
                ("grant_type", "authorization_code".to_owned()),
                ("code", code),
                ("code_verifier", verifier),
            ],
        };
        let redirect_uri = redirect_uri.filter(|_| self.ready.described.grant != Grant::DeviceCode);
        params.extend(redirect_uri.map(|uri| ("redirect_uri", uri.to_owned())));
        self.add_client_and_resource(&mut params)?;
        let reply = self.ask_for_tokens(&params).await?;
        failure::read(&reply, &self.provider().name).map(drop)
    }
}

/// OpenID Connect Core, 3.1.3.7: an id token that was asked for with a nonce repeats it.
fn check_nonce(tokens: &Tokens, nonce: Option<&Secret>, provider: &Provider) -> Result<(), Failure> {
    let (Some(id_token), Some(nonce)) = (&tokens.id_token, nonce) else { return Ok(()) };
    let claims = jwt::claims(id_token.expose());
    let repeated = claims.as_ref().and_then(|claims| claims.get("nonce")?.as_str()).map(Secret::new);
    if repeated.as_ref() == Some(nonce) {
        return Ok(());
    }
    let message = format!("The identity that {} names was made for another login (`nonce`).", provider.name);
    Err(Failure::Refused(
        Error::new(Code::StateMismatch, message).with_hint("Start the login again; nothing was stored."),
    ))
}

/// What a failure means for a refresh, of a client that registered itself with this provider or not. A client
/// id that registration brought cannot be corrected in the settings: logging in again registers again. What
/// else a failure says to do stands.
fn of_refresh(failure: Failure, registered: Option<&str>) -> Failure {
    match (failure, registered) {
        (Failure::UnknownClient(error), Some(provider)) => Failure::UnknownClient(error.with_hint(format!(
            "The server has forgotten this program; log in again with `:ConvLogin {provider}`, which \
                 registers it again."
        ))),
        // A rule of theirs about who may come from where; it says nothing about the token.
        (Failure::Refused(error), _) if error.code() == Code::LoginDenied => Failure::Configuration(error),
        (failure, _) => failure,
    }
}

/// Rule 7: a refresh says what changed.
fn keep_what_is_left_out(mut new: Tokens, old: &Tokens) -> Tokens {
    new.refresh_token = new.refresh_token.or_else(|| old.refresh_token.clone());
    new.id_token = new.id_token.or_else(|| old.id_token.clone());
    new.identity = new.identity.or_else(|| old.identity.clone());
    // What the login was tied to, it stays tied to: a host that was chosen is told by no answer.
    new.organization = old.organization.clone().or(new.organization);
    new.binding = new.binding.or_else(|| old.binding.clone());
    new.origins.clone_from(&old.origins);
    new.base_url = new.base_url.or_else(|| old.base_url.clone());
    if new.scopes.is_empty() {
        new.scopes.clone_from(&old.scopes);
    }
    for (name, value) in &old.extra {
        new.extra.entry(name.clone()).or_insert_with(|| value.clone());
    }
    new
}

/// Binds a login that is older than that to the servers it has just worked with.
fn bound_to(mut tokens: Tokens, ready: &Ready) -> Tokens {
    if tokens.origins.is_empty() {
        tokens.origins = origin::of(ready);
    }
    tokens
}

/// A key whose end is known although the answer did not tell it.
fn with_end(key: Tokens, lifetime: Option<i64>, asked_at: i64) -> Tokens {
    let end = lifetime.map(|seconds| asked_at.saturating_add(seconds));
    Tokens { expires_at: key.expires_at.or(end), ..key }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Tokens {
        tokens(&body, "P", 1000).unwrap()
    }

    #[test]
    fn only_a_forgotten_client_is_told_to_register_again() {
        let hint = |body: Value, registered: Option<&str>| {
            let body = serde_json::to_vec(&body).unwrap();
            let (status, headers) = (reqwest::StatusCode::BAD_REQUEST, reqwest::header::HeaderMap::new());
            let reply = Reply { status, retry_after: None, date: None, headers, body };
            let failure = of_refresh(failure::read(&reply, "P").unwrap_err(), registered);
            failure.into_error().hint().unwrap().to_owned()
        };
        for error in ["invalid_client", "unauthorized_client"] {
            let body = json!({ "error": error });
            assert!(hint(body.clone(), Some("corp")).contains("`:ConvLogin corp`"), "{error}");
            assert!(!hint(body, None).contains("forgotten"), "{error}");
        }
        for error in ["invalid_grant", "invalid_scope", "access_denied", "server_error"] {
            let body = json!({ "error": error });
            assert_eq!(hint(body.clone(), Some("corp")), hint(body, None), "{error}");
        }
    }

    #[test]
    fn a_refresh_keeps_what_it_does_not_mention() {
        let mut old = read(json!({"access_token": "a", "refresh_token": "r", "id_token": "i", "scope": "s"}));
        old.identity = Some("me".to_owned());
        old.extra.insert("account_id".to_owned(), "7".to_owned());
        let new = keep_what_is_left_out(read(json!({"access_token": "b", "expires_in": 1})), &old);
        assert_eq!(new.access_token.expose(), "b");
        assert_eq!(new.refresh_token.as_ref().unwrap().expose(), "r");
        assert_eq!(
            (new.identity.as_deref(), new.scopes.len(), new.extra["account_id"].as_str()),
            (Some("me"), 1, "7")
        );
        let rotated = keep_what_is_left_out(read(json!({"access_token": "b", "refresh_token": "r2"})), &old);
        assert_eq!(rotated.refresh_token.unwrap().expose(), "r2");
    }
}
