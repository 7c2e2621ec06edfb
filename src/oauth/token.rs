//! The token endpoint: a code becomes tokens (RFC 6749, 4.1.3), a refresh token becomes newer ones (section
//! 6).
//!
//! Guarantees: what a reply leaves out is kept from before (rule 7); a reply of odd but legal form is taken;
//! the parameters travel in the body only.

use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

use super::failure::{self, Failure};
use super::token_answer::{minted, tokens};
use super::{client, identity, jwt, origin, second_step};
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::http::{Http, Reply};
use crate::paths::SETTINGS_FILE;
use crate::provider::{Encoding, Grant, Method, Provider, SecondStep};
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

/// Parameters of a request body.
type Params<'a> = Vec<(&'a str, String)>;

/// Turns a code into tokens, and by the method's second step into what an API call carries.
///
/// # Errors
/// A [`Failure`]. A code is spent by any answer.
pub async fn exchange_code(
    http: &Http,
    provider: &Provider,
    method: &Method,
    exchange: &CodeExchange,
    now: i64,
) -> Result<Tokens, Failure> {
    let tokens = first_tokens(http, provider, method, exchange, now).await?;
    match method.grant {
        Grant::MintKey => Ok(tokens),
        _ => complete(http, provider, method, tokens, now).await,
    }
}

/// Turns a code into what the token endpoint gives for it.
pub(super) async fn first_tokens(
    http: &Http,
    provider: &Provider,
    method: &Method,
    exchange: &CodeExchange,
    now: i64,
) -> Result<Tokens, Failure> {
    let params = exchange_params(method, exchange)?;
    let reply = post(http, method, token_url(method)?, method.token_encoding, &params).await?;
    if method.grant == Grant::MintKey {
        return minted(&reply, provider, now);
    }
    let tokens = tokens(&failure::read(&reply, &provider.name)?, &provider.name, now)?;
    check_nonce(&tokens, exchange.nonce.as_ref(), provider)?;
    Ok(tokens)
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

/// Identity and second step: what follows once a login's first tokens are there. What they were made of is
/// spent, so a second step that fails in passing is tried again here.
///
/// # Errors
/// A [`Failure`].
pub async fn complete(
    http: &Http,
    provider: &Provider,
    method: &Method,
    mut tokens: Tokens,
    now: i64,
) -> Result<Tokens, Failure> {
    tokens.identity = identity::find(http, method, &tokens).await;
    tokens.binding = client::binding(provider, method);
    if tokens.scopes.is_empty() {
        // RFC 6749, 5.1: what is left out is as it was asked for.
        tokens.scopes.clone_from(&method.scopes);
    }
    tokens.origins = origin::of(method);
    let Some(step) = method.second_step else { return Ok(tokens) };
    for pause in PAUSES {
        match second_step::run(step, http, provider, method, tokens.clone(), now).await {
            Err(Failure::Transient { sent, .. }) if !sent || step == SecondStep::CopilotToken => {
                tokio::time::sleep(pause).await;
            }
            result => return result,
        }
    }
    second_step::run(step, http, provider, method, tokens, now).await
}

fn exchange_params<'a>(method: &'a Method, exchange: &CodeExchange) -> Result<Params<'a>, Failure> {
    let mut params: Params<'a> = vec![
        ("code", exchange.code.expose().to_owned()),
        ("code_verifier", exchange.code_verifier.expose().to_owned()),
    ];
    if method.grant == Grant::MintKey {
        params.push(("code_challenge_method", "S256".to_owned()));
        return Ok(params);
    }
    params.push(("grant_type", "authorization_code".to_owned()));
    params.extend(exchange.redirect_uri.clone().map(|uri| ("redirect_uri", uri)));
    add_client_and_resource(&mut params, method)?;
    if method.state_in_token_request {
        params.extend(exchange.state.as_ref().map(|state| ("state", state.expose().to_owned())));
    }
    Ok(params)
}

/// The client, and the resource that the token is for (RFC 8707, 2.2).
pub(super) fn add_client_and_resource(params: &mut Params<'_>, method: &Method) -> Result<(), Failure> {
    client::add_to_body(params, method)?;
    params.extend(method.resource.clone().map(|resource| ("resource", resource)));
    Ok(())
}

/// Asks for tokens for the program itself (RFC 6749, 4.4).
///
/// # Errors
/// A [`Failure`].
pub async fn client_credentials(
    http: &Http,
    provider: &Provider,
    method: &Method,
    now: i64,
) -> Result<Tokens, Failure> {
    let mut params: Params<'_> = vec![("grant_type", "client_credentials".to_owned())];
    if !method.scopes.is_empty() {
        params.push(("scope", method.scopes.join(" ")));
    }
    add_client_and_resource(&mut params, method)?;
    let reply = post(http, method, token_url(method)?, method.token_encoding, &params).await?;
    let mut tokens = tokens(&failure::read(&reply, &provider.name)?, &provider.name, now)?;
    // RFC 6749, 4.4.3: there is to be none; the client's own proof is as good.
    tokens.refresh_token = None;
    complete(http, provider, method, tokens, now).await
}

/// Spends the refresh token, or repeats the second step from what it was made of.
///
/// # Errors
/// A [`Failure`]; `Refused` if there is nothing to refresh with.
pub async fn refresh(
    http: &Http,
    provider: &Provider,
    method: &Method,
    old: &Tokens,
    now: i64,
) -> Result<Tokens, Failure> {
    let registered = method.client_id.is_none() && old.binding.is_some();
    let method = &*client::bound(method, old);
    if method.grant == Grant::ClientCredentials {
        let new = client_credentials(http, provider, method, now).await?;
        return Ok(keep_what_is_left_out(new, old));
    }
    if let (Some(step), Some(base)) = (method.second_step, &old.base_token) {
        if let Some(url) = &method.second_step_url {
            origin::check(old, url, provider)?;
        }
        let mut base_tokens = bound_to(old.clone(), method);
        base_tokens.access_token = base.clone();
        return second_step::run(step, http, provider, method, base_tokens, now).await;
    }
    let Some(refresh_token) = &old.refresh_token else { return Err(nothing_to_refresh_with(provider)) };
    let mut params: Params<'_> = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", refresh_token.expose().to_owned()),
    ];
    add_client_and_resource(&mut params, method)?;
    let url = token_url(method)?;
    origin::check(old, url, provider)?;
    let reply = post(http, method, url, method.refresh_encoding, &params).await?;
    let body = failure::read(&reply, &provider.name).map_err(|failure| match failure {
        Failure::UnknownClient(error) if registered => Failure::UnknownClient(forgotten(error, provider)),
        // A rule of theirs about who may come from where; it says nothing about the token.
        Failure::Refused(error) if error.code() == Code::LoginDenied => Failure::Configuration(error),
        failure => failure,
    })?;
    Ok(bound_to(keep_what_is_left_out(tokens(&body, &provider.name, now)?, old), method))
}

/// A client id that registration brought cannot be corrected in the settings: logging in again registers
/// anew.
fn forgotten(error: Error, provider: &Provider) -> Error {
    error.with_hint(format!(
        "The server has forgotten this program; log in again with `:ConvLogin {}`, which registers it anew.",
        provider.id
    ))
}

/// Shows the token endpoint a code that nobody gave: what it complains of tells whether it knows the client.
pub(super) async fn show_no_code(
    http: &Http,
    provider: &Provider,
    method: &Method,
    redirect_uri: Option<&str>,
) -> Result<(), Failure> {
    let none = super::pkce::Pkce::new();
    let (code, verifier) = (none.challenge, none.verifier.expose().to_owned());
    let mut params: Params<'_> = match method.grant {
        Grant::DeviceCode => vec![("grant_type", DEVICE_GRANT.to_owned()), ("device_code", code)],
        _ => {
            vec![("grant_type", "authorization_code".to_owned()), ("code", code), ("code_verifier", verifier)]
        }
    };
    params.extend(
        redirect_uri
            .filter(|_| method.grant != Grant::DeviceCode)
            .map(|uri| ("redirect_uri", uri.to_owned())),
    );
    add_client_and_resource(&mut params, method)?;
    let reply = post(http, method, token_url(method)?, method.token_encoding, &params).await?;
    failure::read(&reply, &provider.name).map(drop)
}

/// Rule 7: a refresh says what changed.
fn keep_what_is_left_out(mut new: Tokens, old: &Tokens) -> Tokens {
    new.refresh_token = new.refresh_token.or_else(|| old.refresh_token.clone());
    new.id_token = new.id_token.or_else(|| old.id_token.clone());
    new.identity = new.identity.or_else(|| old.identity.clone());
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
fn bound_to(mut tokens: Tokens, method: &Method) -> Tokens {
    if tokens.origins.is_empty() {
        tokens.origins = origin::of(method);
    }
    tokens
}

fn nothing_to_refresh_with(provider: &Provider) -> Failure {
    Failure::Refused(
        Error::new(
            Code::LoginExpired,
            format!("The {} login has nothing to refresh itself with.", provider.name),
        )
        .with_hint(format!("Log in again with `:ConvLogin {}`.", provider.id)),
    )
}

fn token_url(method: &Method) -> Result<&Url, Failure> {
    method.token_url.as_ref().ok_or_else(|| {
        Failure::Configuration(
            Error::new(Code::ConfigInvalid, format!("The method `{}` has no token URL.", method.id))
                .with_hint(format!(
                    "Give `token_url` in {SETTINGS_FILE}, or describe the provider by `issuer`."
                )),
        )
    })
}

/// Posts parameters as the provider reads them. `Accept` matters: without it GitHub answers in form encoding.
pub(super) async fn post(
    http: &Http,
    method: &Method,
    url: &Url,
    encoding: Encoding,
    params: &[(&str, String)],
) -> Result<Reply, Failure> {
    let request = http.post(url.clone())?.header(reqwest::header::ACCEPT, "application/json");
    let request = client::add_to_header(client::with_headers(request, &method.request_headers), method);
    let request = match encoding {
        Encoding::Form => request.form(params),
        Encoding::Json => request.json(&params.iter().cloned().collect::<BTreeMap<_, _>>()),
    };
    Ok(http.send(request).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Tokens {
        tokens(&body, "P", 1000).unwrap()
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
