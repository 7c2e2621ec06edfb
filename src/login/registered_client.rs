//! Endpoints and client of a provider that is described by `issuer` or `resource`, or that gave a client
//! secret.
//!
//! Guarantees: registrations are kept per provider and outlive its logins; one that the server no longer
//! knows is forgotten and made anew within the same login; logins that begin at once, in however many
//! processes, make one.

use super::attempt::Attempt;
use crate::command;
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::{Client, Draft, Failure, Known, Prepared, Registrations};
use crate::provider::{CLIENT_ACCOUNT, ClientSecret, Method, Provider};
use crate::secret::Secret;
use crate::store::{LoginLock, NewLogin, Store};

/// The client by the attempt's method, with what the description leaves to discovery; nothing is asked for
/// one that says it all.
///
/// # Errors
/// What the store or the server says.
pub(super) async fn prepare(attempt: &mut Attempt, redirect_uri: &str) -> Result<Client> {
    let is_complete = !attempt.method.discover && attempt.provider.client_secret.is_none();
    if is_complete && attempt.step_up.is_none() {
        return described(attempt);
    }
    let draft = attempt.wire().discover(&attempt.method, attempt.step_up.as_ref()).await;
    let draft = draft.map_err(Failure::into_error)?;
    let known = known(attempt).await?;
    let usable = match draft.with_known(&known, redirect_uri).map_err(Failure::into_error)? {
        Some(prepared) if prepared.is_forgotten().await => None,
        usable => usable,
    };
    let prepared = match usable {
        Some(prepared) => prepared,
        None => register(attempt, &draft, redirect_uri, &known).await?,
    };
    attempt.registered = prepared.registration.map(|registration| registration.client_id);
    Ok(prepared.client)
}

/// The client of a method that its description says all about.
///
/// # Errors
/// `config_invalid` if it does not.
pub(super) fn described(attempt: &Attempt) -> Result<Client> {
    Client::described(attempt.wire(), &attempt.method).map_err(Failure::into_error)
}

/// Registers, unless another login has done so since `before` was read.
async fn register(attempt: &Attempt, draft: &Draft, redirect_uri: &str, before: &Known) -> Result<Prepared> {
    // A store that cannot be locked is no reason not to register: this login says so in its own time.
    let held = lock(attempt).await;
    let mut known = known(attempt).await?;
    if known.registrations != before.registrations {
        let made = draft.with_known(&known, redirect_uri).map_err(Failure::into_error)?;
        if let Some(prepared) = made {
            return Ok(prepared);
        }
    }
    let registration = draft.register(redirect_uri).await.map_err(Failure::into_error)?;
    let prepared = draft.with(registration.clone());
    let dead = draft.with_known(&known, redirect_uri).ok().flatten();
    if let Some(dead) = dead.and_then(|dead| dead.registration) {
        known.registrations.forget(&dead.client_id);
    }
    known.registrations.add(registration);
    keep(attempt, known.registrations).await;
    drop(held);
    Ok(prepared)
}

/// Waits for another login's registration; past the store's own limit this one makes its own.
async fn lock(attempt: &Attempt) -> Option<LoginLock> {
    let login = attempt.provider.client_login()?;
    attempt.services.store.run(move |store| store.lock_login(&login)).await.ok()?.ok()?
}

async fn known(attempt: &Attempt) -> Result<Known> {
    if let Some(ClientSecret::Command(program)) = &attempt.provider.client_secret {
        let secret = command::run(program, &attempt.provider.id).await?;
        return Ok(Known { registrations: Registrations::default(), client_secret: Some(secret) });
    }
    let Some(login) = attempt.provider.client_login() else { return Ok(Known::default()) };
    let read = move |store: &Store| match store.index_for_login()?.logins.contains_key(&login) {
        true => store.read(&login),
        false => Ok(None),
    };
    let stored = attempt.services.store.interactive().run(read).await??;
    let Some(secret) = stored.map(|stored| stored.tokens.access_token) else { return Ok(Known::default()) };
    Ok(match Registrations::from_secret(&secret) {
        Some(registrations) => Known { registrations, client_secret: None },
        None => Known { registrations: Registrations::default(), client_secret: Some(secret) },
    })
}

/// The client that these tokens were given to, with the client secret as it is now.
///
/// # Errors
/// `Configuration` if the secret is not there or cannot be read, or the method has no address for tokens.
pub(super) async fn of_login(attempt: &Attempt, method: &Method, tokens: &Tokens) -> Result<Client, Failure> {
    let known = match attempt.provider.client_secret {
        Some(ClientSecret::Store | ClientSecret::Command(_)) => {
            known(attempt).await.map_err(Failure::Configuration)?
        }
        _ => Known::default(),
    };
    Client::of_login(attempt.wire(), method, known.client_secret, tokens)
}

/// Forgets the registration of a login that has not worked, where that may be why.
pub(super) async fn settle<T>(attempt: &mut Attempt, result: &Result<T>) {
    let Some(client_id) = attempt.registered.take() else { return };
    if !result.as_ref().is_err_and(|error| error.code().may_be_about_us()) {
        return;
    }
    let _held = lock(attempt).await;
    let Ok(mut known) = known(attempt).await else { return };
    if known.registrations.forget(&client_id) {
        keep(attempt, known.registrations).await;
    }
}

/// Puts what identifies this program to a provider into the store: see [`Provider::client_login`]. That it
/// cannot be kept is no fault of this login: the next one registers anew.
async fn keep(attempt: &Attempt, registrations: Registrations) {
    let Some(login) = attempt.provider.client_login() else { return };
    let now = attempt.services.clock.now();
    let write = move |store: &Store| match registrations.is_empty() {
        true => store.remove(&login).map(drop),
        false => put(store, &login, &registrations.to_secret(), now),
    };
    if let Err(error) = attempt.services.store.run(write).await.and_then(|written| written) {
        tracing::warn!(provider = attempt.provider.id, error = %error.code(), "a registration could not be kept");
    }
}

fn put(store: &Store, login: &LoginId, secret: &Secret, now: i64) -> Result<()> {
    let tokens = Tokens::api_key(secret.clone(), now);
    store.put(login, NewLogin::new(CLIENT_ACCOUNT, Kind::ApiKey, tokens)).map(drop)
}

/// What a login by a name is answered with under which the store keeps something else.
pub(super) fn no_login(login: &LoginId, provider: &Provider) -> Error {
    let account = login.account().unwrap_or_default();
    let message = format!("`{account}` is not an account of {}.", provider.name);
    Error::new(Code::InvalidArgument, message).with_hint("Choose another name behind the `@`.")
}
