//! Endpoints and client of a provider that is described by `issuer` or `resource`, or that gave a client secret.
//!
//! Guarantees: a registration is kept per provider and outlives its logins; it is kept once a login has worked with it
//! and forgotten when one has not, so that a server that forgot us costs one attempt and no hand work.

use std::time::Duration;

use super::flow::Flow;
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::oauth::{self, Failure, Known, Registration};
use crate::provider::{CLIENT_ACCOUNT, Provider};
use crate::secret::Secret;
use crate::store::{NewEntry, Store};

/// How long another writer is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The registration that a login uses.
#[derive(Debug, Clone)]
pub(super) struct Registered {
    registration: Registration,
    /// Whether the store has it.
    kept: bool,
}

/// Fills in what the method's description leaves to discovery; nothing is asked for one that says it all.
///
/// # Errors
/// What the store or the server says.
pub(super) async fn prepare(flow: &mut Flow, redirect_uri: &str) -> Result<()> {
    if !flow.method.discover && flow.provider.client_secret.is_none() {
        return Ok(());
    }
    let known = known(flow).await?;
    let earlier = known.registration.clone();
    let (http, provider, now) = (&flow.context.http, &flow.provider, flow.context.clock.now());
    let prepared = oauth::prepare(http, provider, &flow.method, redirect_uri, known, now).await;
    let prepared = prepared.map_err(Failure::into_error)?;
    flow.method = prepared.method;
    flow.registered = prepared.registration.map(|registration| {
        let kept = earlier.as_ref() == Some(&registration);
        Registered { registration, kept }
    });
    Ok(())
}

async fn known(flow: &Flow) -> Result<Known> {
    let Some(login) = flow.provider.client_login() else { return Ok(Known::default()) };
    let store = flow.context.store.interactive();
    let read = move || match store.index_for_login()?.logins.contains_key(&login) {
        true => store.read(&login),
        false => Ok(None),
    };
    let stored = blocking(read).await?;
    let Some(secret) = stored.map(|stored| stored.tokens.access_token) else { return Ok(Known::default()) };
    Ok(match Registration::from_secret(&secret) {
        Some(registration) => Known { registration: Some(registration), client_secret: None },
        None => Known { registration: None, client_secret: Some(secret) },
    })
}

/// Keeps the registration of a login that has worked, and drops that of one that has not.
pub(super) async fn settle<T>(flow: &mut Flow, result: &Result<T>) {
    let Some(registered) = flow.registered.take() else { return };
    let Some(login) = flow.provider.client_login() else { return };
    let (store, now) = (flow.context.store.clone(), flow.context.clock.now());
    let work = match result {
        Ok(_) if !registered.kept => {
            blocking(move || keep(&store, &login, &registered.registration.to_secret(), now)).await
        }
        Err(error) if registered.kept && is_about_us(error) => {
            blocking(move || drop_it(&store, &login)).await
        }
        _ => Ok(()),
    };
    // The login itself stands; without its registration the next one registers anew.
    drop(work);
}

/// Whether a failure may mean that the server no longer knows this program. Most servers say so to the person in the
/// browser alone, so a login that nobody finished counts too; trouble on the way there does not.
fn is_about_us(error: &Error) -> bool {
    let codes = [Code::ProviderRefused, Code::BadResponse, Code::Cancelled, Code::LoginTimeout];
    codes.contains(&error.code())
}

/// Puts what identifies this program to a provider into the store: see [`Provider::client_login`].
fn keep(store: &Store, login: &LoginId, secret: &Secret, now: i64) -> Result<()> {
    let _login = store.lock_login(login, LOCK_WAIT)?;
    let lock = store.lock(LOCK_WAIT)?;
    let entry = NewEntry { method: CLIENT_ACCOUNT.to_owned(), kind: Kind::ApiKey };
    store.put(&lock, login, entry, &Tokens::api_key(secret.clone(), now)).map(drop)
}

fn drop_it(store: &Store, login: &LoginId) -> Result<()> {
    let _login = store.lock_login(login, LOCK_WAIT)?;
    let lock = store.lock(LOCK_WAIT)?;
    store.remove(&lock, login).map(drop)
}

/// What a login by the name of a provider's client is answered with.
pub(super) fn is_no_login(provider: &Provider) -> Error {
    let message = format!("`{CLIENT_ACCOUNT}` is no account of {}.", provider.name);
    Error::new(Code::InvalidArgument, message).with_hint("Choose another name behind the `@`.")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = || Err(Error::new(Code::StoreUnreadable, "Reading the store failed unexpectedly."));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| ended())
}
