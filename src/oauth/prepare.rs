//! Everything that a login by discovery needs before its first address is told: endpoints, and a client id.
//!
//! The client id is, in this order, the one in the settings, the URL of a Client ID Metadata Document, an earlier
//! registration, a new one. Keeping registrations is the caller's.

use super::discovery::{self, Found};
use super::failure::Failure;
use super::registration::{self, Registration};
use crate::error::{Code, Error};
use crate::http::Http;
use crate::provider::{ClientSecret, Method, Provider};
use crate::secret::Secret;

/// What the caller has kept for a provider.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The client secret that the person entered.
    pub client_secret: Option<Secret>,
    /// An earlier registration.
    pub registration: Option<Registration>,
}

/// A method that is ready for a login.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The method with endpoints and client.
    pub method: Method,
    /// The registration it uses, if it does; to be kept once the login has worked.
    pub registration: Option<Registration>,
}

/// Makes a method ready. `redirect_uri` is the one that the login will use (for a device code, any that this program
/// could use: servers want one in a registration). A method that lacks nothing comes back as it is.
///
/// # Errors
/// A [`Failure`].
pub async fn prepare(
    http: &Http,
    provider: &Provider,
    method: &Method,
    redirect_uri: &str,
    known: Known,
    now: i64,
) -> Result<Prepared, Failure> {
    let mut method = method.clone();
    if let Some(source) = &provider.client_secret {
        method.client_secret = Some(client_secret(provider, source, known.client_secret)?);
    }
    if !method.discover {
        return Ok(Prepared { method, registration: None });
    }
    let found = discovery::discover(http, provider).await?;
    let mut method = found.fill_in(provider, &method)?;
    if method.client_id.is_some() {
        return Ok(Prepared { method, registration: None });
    }
    if let Some(url) =
        provider.client_id_metadata_document.clone().filter(|_| found.server.takes_client_documents)
    {
        method.client_id = Some(url);
        return Ok(Prepared { method, registration: None });
    }
    let usable = known.registration.filter(|known| known.serves(&found.server.issuer, redirect_uri, now));
    let registration = match usable {
        Some(known) => known,
        None => register(http, provider, &found, redirect_uri, &method).await?,
    };
    method.client_id = Some(registration.client_id.clone());
    method.client_secret.clone_from(&registration.client_secret);
    method.client_auth = registration.client_auth;
    Ok(Prepared { method, registration: Some(registration) })
}

async fn register(
    http: &Http,
    provider: &Provider,
    found: &Found,
    redirect_uri: &str,
    method: &Method,
) -> Result<Registration, Failure> {
    match &found.server.registration_url {
        Some(url) => {
            registration::register(http, provider, &found.server, url, redirect_uri, &method.scopes).await
        }
        None => Err(Failure::Configuration(no_client(provider))),
    }
}

fn client_secret(
    provider: &Provider,
    source: &ClientSecret,
    stored: Option<Secret>,
) -> Result<Secret, Failure> {
    let (secret, hint) = match source {
        ClientSecret::Store => {
            let login = provider.client_login().map(|login| login.to_string()).unwrap_or_default();
            (stored, format!("Enter it with `convocations secret set {login}`."))
        }
        ClientSecret::Env(var) => {
            (std::env::var(var).ok().map(Secret::new), format!("Set the variable `{var}` and start again."))
        }
    };
    let missing = || {
        let message = format!("The client secret of {} is not there.", provider.name);
        Failure::Configuration(Error::new(Code::ConfigInvalid, message).with_hint(hint))
    };
    secret.filter(|secret| !secret.is_empty()).ok_or_else(missing)
}

fn no_client(provider: &Provider) -> Error {
    Error::new(Code::ConfigInvalid, format!("{} wants a client id, and there is none.", provider.name))
        .with_hint(format!(
            "Register a program with it by hand and give `client_id` under `[providers.{}]`.",
            provider.id
        ))
}
