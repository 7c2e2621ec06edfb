//! An OAuth 2.1 authorization server in front of OpenRouter's key flow, for MCP clients.
//!
//! Guarantees: no key, registration, request or code is stored; whatever has to come back travels sealed with the
//! client or the browser ([`seal`]), so instances share nothing but the secret. The key that a person makes on
//! OpenRouter's page is handed to the client that started the request, bound to its redirect URI and PKCE challenge,
//! and to nobody else. Knows nothing of Neovim, the store or logins.
//!
//! | file | subject |
//! |---|---|
//! | `serve` | sockets, time limits, shutdown, access log, metrics |
//! | `route` | which handler answers which address |
//! | `metadata`, `registration`, `authorize`, `token`, `me` | the endpoints |
//! | `client`, `redirect_uri`, `document` | who asks, and where the answer may go |
//! | `seal`, `secret_source` | sealed values and the secret under them |
//! | `upstream` | OpenRouter |
//! | `exchange`, `pages`, `limit` | HTTP values, HTML, rate limits |

pub mod authorize;
pub mod client;
pub mod document;
pub mod exchange;
pub mod limit;
pub mod me;
pub mod metadata;
pub mod metrics;
pub mod pages;
pub mod redirect_uri;
pub mod registration;
pub mod route;
pub mod seal;
pub mod secret_source;
pub mod serve;
pub mod token;
pub mod upstream;

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use client::{Client, Registration};
use exchange::{Response, redirect};
use seal::{SealKind, Sealer};

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What clients call this server: the issuer. Needed for anything but loopback, and then https.
    pub public_url: Option<String>,
    /// Where to serve Prometheus metrics, if at all.
    pub metrics: Option<SocketAddr>,
    /// OpenRouter's address.
    pub upstream: String,
    /// Count requests by the last address in `X-Forwarded-For`: right behind exactly one reverse proxy.
    pub trust_forwarded_for: bool,
    /// Whether requests per address are limited.
    pub rate_limit: bool,
    /// Whether each answer is logged to standard error.
    pub access_log: bool,
    /// Longest time for one call to OpenRouter, well under what clients of a token endpoint wait.
    pub upstream_timeout: Duration,
}

impl Settings {
    /// A server on `listen` in front of `upstream`, with everything else as it is if nobody says.
    pub fn new(listen: SocketAddr, upstream: &str) -> Self {
        Self {
            listen,
            public_url: None,
            metrics: None,
            upstream: upstream.to_owned(),
            trust_forwarded_for: false,
            rate_limit: true,
            access_log: true,
            upstream_timeout: Duration::from_secs(20),
        }
    }
}

/// One running authorization server: everything that a handler needs.
pub struct Authority {
    issuer: Url,
    /// [`Self::issuer`] as clients spell it: without a slash at the end.
    issuer_text: String,
    /// RFC 8414 metadata, and RFC 9728 metadata of the issuer and of `/me`: the same for every request.
    server_metadata: String,
    resource_metadata: [String; 2],
    sealer: Sealer,
    upstream: upstream::Upstream,
    documents: document::Documents,
    limits: Option<limit::Limits>,
    trust_forwarded_for: bool,
    clock: Clock,
}

impl Authority {
    /// A server for `settings` that calls itself `issuer`.
    ///
    /// # Errors
    /// `config_invalid` for an issuer or upstream URL that will not do.
    pub fn new(settings: &Settings, issuer: &str, sealer: Sealer, clock: Clock) -> Result<Self> {
        let issuer = check_issuer(issuer)?;
        let issuer_text = issuer.as_str().trim_end_matches('/').to_owned();
        let resource = |path| metadata::protected_resource(&issuer_text, path).to_string();
        let local = redirect_uri::is_loopback(&issuer);
        Ok(Self {
            server_metadata: metadata::authorization_server(&issuer_text).to_string(),
            resource_metadata: [resource(""), resource(metadata::ME)],
            issuer_text,
            upstream: upstream::Upstream::new(&settings.upstream, settings.upstream_timeout)?,
            documents: document::Documents::new(local),
            limits: settings.rate_limit.then(limit::Limits::default),
            trust_forwarded_for: settings.trust_forwarded_for,
            issuer,
            sealer,
            clock,
        })
    }

    /// Unix seconds.
    fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The issuer as in the metadata.
    pub fn issuer(&self) -> &str {
        &self.issuer_text
    }

    /// The issuer's path without a slash at the end: empty for one at the root.
    fn path(&self) -> &str {
        self.issuer.path().trim_end_matches('/')
    }

    /// Scheme, host and port, as browsers write it in `Origin`.
    fn origin(&self) -> String {
        self.issuer.origin().ascii_serialization()
    }

    fn resource_metadata(&self, path: &str) -> &str {
        let [root, me] = &self.resource_metadata;
        if path == metadata::ME { me } else { root }
    }

    /// The one callback that OpenRouter ever sees.
    fn callback_url(&self) -> String {
        format!("{}/callback", self.issuer_text)
    }

    /// RFC 9728, 3.1: the well-known part goes between host and path.
    fn resource_metadata_url(&self, resource: &str) -> String {
        format!("{}/.well-known/oauth-protected-resource{}{resource}", self.origin(), self.path())
    }

    /// Who a client id stands for.
    ///
    /// # Errors
    /// One sentence for the person or for `error_description`.
    async fn client(&self, id: &str) -> std::result::Result<Client, &'static str> {
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

    /// Sends the browser back to the client, with `state` as it came and with `iss` (RFC 9207).
    fn send_back(&self, redirect_uri: &str, state: Option<&str>, pairs: &[(&str, &str)]) -> Response {
        let Ok(mut url) = Url::parse(redirect_uri) else {
            return redirect(&self.issuer_text);
        };
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(pairs);
            if let Some(state) = state {
                query.append_pair("state", state);
            }
            query.append_pair("iss", &self.issuer_text);
        }
        redirect(url.as_str())
    }

    /// Name of a cookie. Over https the `__Secure-` prefix keeps a page on http from planting one (RFC 6265bis, 4.1.3).
    fn cookie_name(&self, name: &str) -> String {
        let prefix = if self.issuer.scheme() == "https" { "__Secure-" } else { "" };
        format!("{prefix}convocations-{name}")
    }

    /// A cookie for a path below the issuer; `max_age` 0 removes it.
    fn cookie(&self, name: &str, value: &str, path: &str, same_site: &str, max_age: i64) -> String {
        let secure = if self.issuer.scheme() == "https" { "; Secure" } else { "" };
        format!(
            "{}={value}; Path={}{path}; Max-Age={max_age}; HttpOnly; SameSite={same_site}{secure}",
            self.cookie_name(name),
            self.path()
        )
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
        "http" if redirect_uri::is_loopback(&url) => Ok(url),
        _ => Err(invalid("The public URL must be https, or http to a loopback host.")),
    }
}
