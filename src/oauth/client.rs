//! One provider, asked by one method: what every request of a login goes through.
//!
//! Guarantees: a request carries the client's proof in one place only; the parameters travel in the body.
//! What can be asked stands where the answer is read: `token`, `device`, `revoke`, `authorize`.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::RequestBuilder;
use reqwest::header::ACCEPT;
use url::Url;

use super::client_identity::Params;
use super::failure::Failure;
use super::ready::Ready;
use crate::clock::Clock;
use crate::credential::Tokens;
use crate::http::{Http, Reply};
use crate::provider::{Encoding, Method, Provider};
use crate::secret::Secret;

/// How a provider is asked: by which network, at what time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Wire {
    /// Who is asked, and how it wants to be.
    pub provider: Arc<Provider>,
    /// By what.
    pub http: Http,
    /// When: what an answer says of time counts from the moment of asking.
    pub clock: Clock,
}

/// A provider by a method of which nothing is open: endpoints and client are known.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) wire: Wire,
    pub(super) ready: Ready,
}

impl Client {
    /// By a method that its description says all about.
    ///
    /// # Errors
    /// `Configuration` if it does not.
    pub fn described(wire: Wire, method: &Method) -> Result<Self, Failure> {
        Ok(Self { wire, ready: Ready::described(method)? })
    }

    /// By the method that a login was made by, with the servers and the client that it was made with.
    /// `stored` is the client secret that the store has.
    ///
    /// # Errors
    /// `Configuration` if the client secret of the settings is not there, or no address for tokens; `Refused`
    /// if this login is one that nothing more can be asked for.
    pub fn of_login(
        wire: Wire,
        method: &Method,
        stored: Option<Secret>,
        tokens: &Tokens,
    ) -> Result<Self, Failure> {
        let ready = Ready::of_login(&wire.provider, method, stored, tokens)?;
        Ok(Self { wire, ready })
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.wire.provider
    }

    pub(super) fn now(&self) -> i64 {
        self.wire.clock.now()
    }

    /// The client, and the resource that the token is for (RFC 8707, 2.2).
    pub(super) fn add_client_and_resource(&self, params: &mut Params<'_>) -> Result<(), Failure> {
        self.add_client(params)?;
        params.extend(self.ready.described.resource.clone().map(|resource| ("resource", resource)));
        Ok(())
    }

    /// Who asks, as far as that stands in the body.
    pub(super) fn add_client(&self, params: &mut Params<'_>) -> Result<(), Failure> {
        self.ready.client.add_to_body(params, self.ready.audience())
    }

    /// Posts parameters as the provider reads them. `Accept` matters: without it GitHub answers in form
    /// encoding.
    pub(super) async fn post(
        &self,
        url: &Url,
        encoding: Encoding,
        params: &[(&str, String)],
    ) -> Result<Reply, Failure> {
        let request = self.ready.client.add_to_header(self.with_headers(self.wire.http.post(url.clone())?));
        let request = match encoding {
            Encoding::Form => request.form(params),
            Encoding::Json => request.json(&params.iter().cloned().collect::<BTreeMap<_, _>>()),
        };
        Ok(self.wire.http.send(request).await?)
    }

    /// Posts to the token endpoint.
    pub(super) async fn ask_for_tokens(&self, params: &[(&str, String)]) -> Result<Reply, Failure> {
        self.post(&self.ready.token_url, self.ready.described.token_encoding, params).await
    }

    /// A request with the description's headers, that takes JSON.
    pub(super) fn with_headers(&self, request: RequestBuilder) -> RequestBuilder {
        let request = request.header(ACCEPT, "application/json");
        let headers = &self.ready.described.request_headers;
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }
}
