//! Everything that a login by discovery needs before its first address is told: endpoints, and a client id.
//!
//! The client id is, in this order, the one in the settings, the URL of a Client ID Metadata Document, an
//! earlier registration, a new one. Keeping registrations is the caller's.

use super::client::{Client, Wire};
use super::discovery::{self, StepUp};
use super::failure::Failure;
use super::metadata::Server;
use super::ready::{Ready, client_secret};
use super::registration::{self, Registration, Registrations};
use crate::error::{Code, Error};
use crate::provider::{Method, Provider};
use crate::secret::Secret;

/// What the caller has kept for a provider.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The client secret that the person entered.
    pub client_secret: Option<Secret>,
    /// Earlier registrations.
    pub registrations: Registrations,
}

/// A client that is ready for a login.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Who asks from now on.
    pub client: Client,
    /// The registration it uses, if it does.
    pub registration: Option<Registration>,
}

/// A client whose endpoints are known, and perhaps no client id yet.
#[derive(Debug, Clone)]
pub struct Draft {
    client: Client,
    /// Absent for a method that its description says all about.
    server: Option<Server>,
}

impl Wire {
    /// Finds what a method leaves to discovery. Of one that lacks nothing nobody is asked.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn discover(self, method: &Method, step_up: Option<&StepUp>) -> Result<Draft, Failure> {
        if !method.discover {
            let mut method = method.clone();
            let more = step_up.into_iter().flat_map(|step_up| step_up.granted.iter().chain(&step_up.scopes));
            for scope in more {
                if !method.scopes.contains(scope) {
                    method.scopes.push(scope.clone());
                }
            }
            return Ok(Draft { client: Client::described(self, &method)?, server: None });
        }
        let discovered = discovery::discover(&self).await?;
        let ready: Ready = discovered.fill_in(&self.provider, method, step_up)?;
        Ok(Draft { client: Client { wire: self, ready }, server: Some(discovered.server) })
    }
}

impl Draft {
    /// The client that is known already; `None` if the server has to be registered with. `redirect_uri` is
    /// the one that the login will use (for a device code, any that this program could use: servers want one
    /// in a registration).
    ///
    /// # Errors
    /// `Configuration` if the client secret of the settings is not there.
    pub fn with_known(&self, known: &Known, redirect_uri: &str) -> Result<Option<Prepared>, Failure> {
        let mut client = self.client.clone();
        client.ready.client.secret = client_secret(client.provider(), known.client_secret.clone())?;
        let Some(server) = self.server.as_ref().filter(|_| client.ready.client.id.is_none()) else {
            return Ok(Some(Prepared { client, registration: None }));
        };
        let document = client.provider().client_id_metadata_document.clone();
        if let Some(url) = document.filter(|_| server.takes_client_documents) {
            client.ready.client.id = Some(url);
            return Ok(Some(Prepared { client, registration: None }));
        }
        let (grant, now) = (client.ready.described.grant, client.now());
        let known = known.registrations.find(&server.issuer, redirect_uri, grant, now);
        Ok(known.map(|registration| self.with(registration.clone())))
    }

    /// The client of a registration.
    pub fn with(&self, registration: Registration) -> Prepared {
        let mut client = self.client.clone();
        let identity = &mut client.ready.client;
        identity.id = Some(registration.client_id.clone());
        identity.secret.clone_from(&registration.client_secret);
        identity.auth = registration.client_auth;
        identity.is_registered = true;
        Prepared { client, registration: Some(registration) }
    }

    /// Registers this program with the server.
    ///
    /// # Errors
    /// A [`Failure`]; `Configuration` if the server registers nobody.
    pub async fn register(&self, redirect_uri: &str) -> Result<Registration, Failure> {
        let Client { wire, ready } = &self.client;
        let server = self.server.as_ref();
        let open = server.and_then(|server| Some((server, server.registration_url.as_ref()?)));
        let (server, url) = open.ok_or_else(|| Failure::Configuration(no_client(&wire.provider)))?;
        registration::register(wire, server, url, redirect_uri, &ready.described).await
    }
}

impl Prepared {
    /// Whether the server still knows a client that it registered: a code that nobody gave is shown to it,
    /// and it complains of the code or of the client. In doubt it does: the login itself will tell.
    ///
    /// Servers that forget a client say so to the person in the browser alone, where the login could only
    /// wait for its end.
    pub async fn is_forgotten(&self) -> bool {
        let Some(registration) = &self.registration else { return false };
        let redirect_uri = registration.redirect_uris.first().map(String::as_str);
        let answer = self.client.show_no_code(redirect_uri).await;
        matches!(answer, Err(Failure::UnknownClient(_)))
    }
}

fn no_client(provider: &Provider) -> Error {
    Error::new(Code::ConfigInvalid, format!("{} wants a client id, and there is none.", provider.name))
        .with_hint(format!(
            "Register a program with it by hand and give `client_id` under `[providers.{}]`.",
            provider.id
        ))
}
