//! Everything that a login by discovery needs before its first address is told: endpoints, and a client id.
//!
//! The client id is, in this order, the one in the settings, the URL of a Client ID Metadata Document, an
//! earlier registration, a new one. Keeping registrations is the caller's.

use super::discovery::{self, StepUp};
use super::failure::Failure;
use super::metadata::Server;
use super::registration::{self, Registration, Registrations};
use super::token;
use crate::error::{Code, Error};
use crate::http::Http;
use crate::provider::{ClientSecret, Method, Provider};
use crate::secret::Secret;

/// What the caller has kept for a provider.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The client secret that the person entered.
    pub client_secret: Option<Secret>,
    /// Earlier registrations.
    pub registrations: Registrations,
}

/// A method that is ready for a login.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The method with endpoints and client.
    pub method: Method,
    /// The registration it uses, if it does.
    pub registration: Option<Registration>,
}

/// A method whose endpoints are known, and perhaps no client id yet.
#[derive(Debug, Clone)]
pub struct Draft {
    method: Method,
    /// Absent for a method that its description says all about.
    server: Option<Server>,
}

/// Finds what a method leaves to discovery. One that lacks nothing comes back as it is, and nobody is asked.
///
/// # Errors
/// A [`Failure`].
pub async fn discover(
    http: &Http,
    provider: &Provider,
    method: &Method,
    step_up: Option<&StepUp>,
) -> Result<Draft, Failure> {
    if !method.discover {
        let mut method = method.clone();
        let more = step_up.into_iter().flat_map(|step_up| step_up.granted.iter().chain(&step_up.scopes));
        for scope in more {
            if !method.scopes.contains(scope) {
                method.scopes.push(scope.clone());
            }
        }
        return Ok(Draft { method, server: None });
    }
    let discovered = discovery::discover(http, provider).await?;
    let method = discovered.fill_in(provider, method, step_up)?;
    Ok(Draft { method, server: Some(discovered.server) })
}

impl Draft {
    /// The method with a client that is known already; `None` if the server has to be registered with.
    /// `redirect_uri` is the one that the login will use (for a device code, any that this program could use:
    /// servers want one in a registration).
    ///
    /// # Errors
    /// `Configuration` if the client secret of the settings is not there.
    pub fn with_known(
        &self,
        provider: &Provider,
        known: &Known,
        redirect_uri: &str,
        now: i64,
    ) -> Result<Option<Prepared>, Failure> {
        let mut method = with_client_secret(provider, &self.method, known.client_secret.clone())?;
        let Some(server) = self.server.as_ref().filter(|_| method.client_id.is_none()) else {
            return Ok(Some(Prepared { method, registration: None }));
        };
        let document = provider.client_id_metadata_document.clone();
        if let Some(url) = document.filter(|_| server.takes_client_documents) {
            method.client_id = Some(url);
            return Ok(Some(Prepared { method, registration: None }));
        }
        let known = known.registrations.find(&server.issuer, redirect_uri, method.grant, now);
        Ok(known.map(|registration| self.with(registration.clone())))
    }

    /// The method with a registration.
    pub fn with(&self, registration: Registration) -> Prepared {
        let mut method = self.method.clone();
        method.client_id = Some(registration.client_id.clone());
        method.client_secret.clone_from(&registration.client_secret);
        method.client_auth = Some(registration.client_auth);
        Prepared { method, registration: Some(registration) }
    }

    /// Registers this program with the server.
    ///
    /// # Errors
    /// A [`Failure`]; `Configuration` if the server registers nobody.
    pub async fn register(
        &self,
        http: &Http,
        provider: &Provider,
        redirect_uri: &str,
    ) -> Result<Registration, Failure> {
        let server = self.server.as_ref();
        let open = server.and_then(|server| Some((server, server.registration_url.as_ref()?)));
        let (server, url) = open.ok_or_else(|| Failure::Configuration(no_client(provider)))?;
        registration::register(http, provider, server, url, redirect_uri, &self.method).await
    }
}

/// Whether the server still knows the client of a prepared method: a code that nobody gave is shown to it,
/// and it complains of the code or of the client. In doubt it does: the login itself will tell.
///
/// Servers that forget a client say so to the person in the browser alone, where the login could only wait
/// for its end.
pub async fn is_client_known(http: &Http, provider: &Provider, prepared: &Prepared) -> bool {
    let answer = token::show_no_code(http, provider, &prepared.method, prepared.redirect_uri()).await;
    !matches!(answer, Err(Failure::UnknownClient(_)))
}

impl Prepared {
    fn redirect_uri(&self) -> Option<&str> {
        self.registration.as_ref()?.redirect_uris.first().map(String::as_str)
    }
}

/// The method with the client secret that the settings name, if they name one; `stored` is what the store
/// has.
///
/// # Errors
/// `Configuration` if it is not there.
pub fn with_client_secret(
    provider: &Provider,
    method: &Method,
    stored: Option<Secret>,
) -> Result<Method, Failure> {
    let mut method = method.clone();
    if let Some(source) = &provider.client_secret {
        method.client_secret = Some(client_secret(provider, source, stored)?);
    }
    Ok(method)
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
        ClientSecret::File(path) => {
            let text = std::fs::read_to_string(path).ok().map(Secret::new);
            let text = text.map(|text| Secret::new(text.expose().trim()));
            (text, format!("Put it into `{}`, which you can read.", path.display()))
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
