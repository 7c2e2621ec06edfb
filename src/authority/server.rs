//! One authorization server: everything that a handler needs.
//!
//! Guarantees: the same for every request; nothing in it changes but counts and what was fetched lately.

use url::Url;
use warp::hyper::body::Bytes;

use super::client::{Client, Registration};
use super::document::Documents;
use super::limit::Limits;
use super::redemption::Redemptions;
use super::resource::Resources;
use super::seal::{SealKind, Sealer};
use super::upstream::Upstream;
use super::{Settings, metadata};
use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::loopback::is_loopback;

/// What all connections share.
pub struct AuthorizationServer {
    issuer: Url,
    /// The issuer as clients spell it: without a slash at the end.
    issuer_text: String,
    /// RFC 8414 metadata, and RFC 9728 metadata of the issuer and of `/me`: the same for every request.
    pub server_metadata: Bytes,
    resource_metadata: [Bytes; 2],
    /// Seals and opens what travels with clients and browsers.
    pub sealer: Sealer,
    /// OpenRouter.
    pub upstream: Upstream,
    /// Exchanges of codes that are under way.
    pub redemptions: Redemptions,
    /// What a key may be asked for.
    pub resources: Resources,
    documents: Documents,
    /// Requests by address, if they are counted.
    pub limits: Option<Limits>,
    /// Whether the last address of `X-Forwarded-For` is the one that counts.
    pub trust_forwarded_for: bool,
    clock: Clock,
}

impl AuthorizationServer {
    /// A server for `settings` that calls itself `issuer`.
    ///
    /// # Errors
    /// `config_invalid` for an issuer, upstream URL or resource that will not do.
    pub fn new(settings: &Settings, issuer: &str, sealer: Sealer, clock: Clock) -> Result<Self> {
        let issuer = check_issuer(issuer)?;
        let issuer_text = issuer.as_str().trim_end_matches('/').to_owned();
        let upstream = Upstream::new(&settings.upstream, settings.upstream_timeout)?;
        let resource = |path| Bytes::from(metadata::protected_resource(&issuer_text, path).to_string());
        // Others may reach a server that calls itself by a loopback name, through a container or a tunnel.
        let only_here = is_loopback(&issuer) && settings.listen.ip().is_loopback();
        Ok(Self {
            server_metadata: metadata::authorization_server(&issuer_text).to_string().into(),
            resource_metadata: [resource(""), resource(metadata::ME)],
            resources: Resources::new(&issuer_text, upstream.base(), &settings.resources)?,
            issuer_text,
            upstream,
            redemptions: Redemptions::default(),
            documents: Documents::new(only_here),
            limits: settings.rates.map(Limits::new),
            trust_forwarded_for: settings.trust_forwarded_for,
            issuer,
            sealer,
            clock,
        })
    }

    /// Unix seconds.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The issuer as in the metadata.
    pub fn issuer(&self) -> &str {
        &self.issuer_text
    }

    /// Whether browsers reach it by https.
    pub fn is_https(&self) -> bool {
        self.issuer.scheme() == "https"
    }

    /// The issuer's path without a slash at the end: empty for one at the root.
    pub fn path(&self) -> &str {
        self.issuer.path().trim_end_matches('/')
    }

    /// Scheme, host and port, as browsers write it in `Origin`.
    pub fn origin(&self) -> String {
        self.issuer.origin().ascii_serialization()
    }

    /// RFC 9728 metadata of the issuer or of `/me`.
    pub fn resource_metadata(&self, path: &str) -> &Bytes {
        let [root, me] = &self.resource_metadata;
        if path == metadata::ME { me } else { root }
    }

    /// The one callback that OpenRouter ever sees.
    pub fn callback_url(&self) -> String {
        format!("{}/callback", self.issuer_text)
    }

    /// RFC 9728, 3.1: the well-known part goes between host and path.
    pub fn resource_metadata_url(&self, resource: &str) -> String {
        format!("{}/.well-known/oauth-protected-resource{}{resource}", self.origin(), self.path())
    }

    /// Who a client id stands for.
    ///
    /// # Errors
    /// One sentence for the person or for `error_description`.
    pub async fn client(&self, id: &str) -> std::result::Result<Client, &'static str> {
        if id.is_empty() {
            return Err("The parameter client_id is missing.");
        }
        if id.starts_with("https://") || id.starts_with("http://") {
            return self.documents.client(id).await;
        }
        if let Some(registration) = self.sealer.open::<Registration>(SealKind::Client, id, self.now()) {
            return Ok(Client::registered(id, registration));
        }
        Client::host(id).ok_or("The client is unknown here; it has to register again.")
    }

    /// The client's redirect URI with an answer: `pairs`, `state` as it came, and `iss` (RFC 9207).
    pub fn answer_url(&self, redirect_uri: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> String {
        let Ok(mut url) = Url::parse(redirect_uri) else {
            return self.issuer_text.clone();
        };
        url.query_pairs_mut()
            .extend_pairs(pairs)
            .extend_pairs(state.map(|state| ("state", state)))
            .append_pair("iss", &self.issuer_text);
        url.into()
    }
}

/// RFC 8414, 2: https without query or fragment; http for loopback only.
fn check_issuer(text: &str) -> Result<Url> {
    let invalid = |message: &str| {
        Error::new(Code::ConfigInvalid, message)
            .with_hint("Pass `--public-url https://HOST` as clients reach this server, such as the reverse proxy's address.")
    };
    let url = Url::parse(text).map_err(|_| invalid("The public URL is not a URL."))?;
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(invalid("The public URL must have no query, fragment or user name."));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(invalid("The public URL must be https, or http to a loopback host.")),
    }
}
