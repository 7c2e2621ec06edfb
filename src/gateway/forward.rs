//! One request: the credential is added, the answer streamed back, and a refused token refreshed once.
//!
//! Guarantees: a request goes to the base URL of its login and nowhere else; a 401 is answered by at most one
//! refresh, shared with every other process, and one replay, and only while nothing of the answer has reached
//! the client and the whole request is still at hand; nothing else is ever sent twice. Knows no key and no
//! socket.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;

use super::answer;
use super::body::{Body, Cut, Open};
use super::headers::{add_credential, for_client, for_upstream, name_hops};
use super::replay::Replay;
use super::target::{Base, Target};
use super::upgrade;
use super::upstream::Upstream;
use crate::broker::Broker;
use crate::config::Config;
use crate::error::{Code, Error};
use crate::http::Trust;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::provider::{ApiShape, Provider};
use crate::secret::Secret;
use crate::wording::Face;

/// Time in which a token that was refused though it was new is not refreshed again: a revoked account answers
/// 401 to every token, and each refresh would be in vain.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Sends requests on. Shared by everything that serves.
pub struct Forwarder {
    broker: Broker,
    config: Config,
    /// Where whoever started it types commands.
    face: Face,
    upstream: Upstream,
    /// Base URLs taken apart, by their text.
    bases: Mutex<HashMap<String, Arc<Base>>>,
    refused: Mutex<HashMap<LoginId, (String, Instant)>>,
    /// Answers whose body is not at its end.
    pub open: Arc<AtomicU64>,
}

/// A request on its way, as far as it can be sent again.
pub(super) struct Sending<'a> {
    pub target: &'a Target,
    pub parts: &'a Parts,
    pub body: Replay,
    pub upgrade: Option<hyper::upgrade::OnUpgrade>,
    pub cut: Option<Cut>,
}

impl Forwarder {
    /// A forwarder; no connection is made yet.
    pub fn new(broker: Broker, config: Config, face: Face) -> Self {
        let upstream = Upstream::new(Trust::new(config.http.ca_file.as_deref()));
        Self {
            broker,
            config,
            face,
            upstream,
            bases: Mutex::default(),
            refused: Mutex::default(),
            open: Arc::default(),
        }
    }

    /// Goes on with what another one has seen, in whose place it comes.
    #[must_use]
    pub fn after(mut self, before: &Self) -> Self {
        self.open = Arc::clone(&before.open);
        self
    }

    /// Answers a request that was let in, until `cut` cuts the answer off.
    pub async fn forward(
        &self,
        target: &Target,
        mut request: Request<Incoming>,
        cut: Option<Cut>,
    ) -> Response<Body> {
        let provider = self.config.provider(target.login.provider());
        // A provider that is described at home alone can be lent all the same.
        let shape = provider.as_ref().map_or(ApiShape::Openai, |provider| provider.api);
        let wants_upgrade = upgrade::is_wanted(request.headers(), request.version());
        let upgrade = wants_upgrade.then(|| hyper::upgrade::on(&mut request));
        let (parts, incoming) = request.into_parts();
        let body = Replay::new(incoming);
        let sending = Sending { target, parts: &parts, body: body.clone(), upgrade, cut };
        let sent = match (self.broker.lender(&target.login).await, provider) {
            (Ok(Some(agent)), _) => self.relay(agent, shape, sending).await,
            (Ok(None), Ok(provider)) => self.send_and_replay(&provider, sending).await,
            (Err(error), _) | (_, Err(error)) => Err(error),
        };
        match sent {
            Ok(response) => response,
            Err(_) if body.is_broken() => {
                tracing::info!(login = %target.login, "gateway: the client's body broke off");
                answer::broken_body(shape)
            }
            Err(error) => {
                tracing::info!(login = %target.login, error = %error.code(), "gateway: not forwarded: {error}");
                answer::error(shape, &error, self.face)
            }
        }
    }

    async fn send_and_replay(
        &self,
        provider: &Provider,
        sending: Sending<'_>,
    ) -> Result<Response<Body>, Error> {
        let login = &sending.target.login;
        let credential = self.broker.get(login, None).await?;
        provider.check_shared(&credential)?;
        let response = self.send(&sending, &credential).await?;
        if response.status() != StatusCode::UNAUTHORIZED || self.was_refused(login, &credential.token) {
            return Ok(self.answer(provider.api, sending, response));
        }
        let fresh = match self.broker.invalidate(login, &credential.token).await {
            Ok(fresh) if fresh.token != credential.token => fresh,
            Err(error) if matches!(error.code(), Code::LoginExpired | Code::NotLoggedIn) => {
                return Err(error);
            }
            // The API's own words say why a key is refused; a refresh that fails for now changes nothing.
            _ => return Ok(self.answer(provider.api, sending, response)),
        };
        provider.check_shared(&fresh)?;
        if sending.body.attempt().is_none() {
            tracing::info!(%login, "gateway: refreshed after a 401; the request is too long to send again");
            return Ok(self.answer(provider.api, sending, response));
        }
        drop(response);
        tracing::info!(%login, revision = fresh.revision, "gateway: refreshed after a 401; sent again");
        let response = self.send(&sending, &fresh).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.note_refused(login, &fresh.token);
        }
        Ok(self.answer(provider.api, sending, response))
    }

    async fn send(
        &self,
        sending: &Sending<'_>,
        credential: &Credential,
    ) -> Result<Response<Incoming>, Error> {
        let base = self.base(credential)?;
        let mut request = Request::new(sending.body.attempt().ok_or_else(no_address)?);
        *request.method_mut() = sending.parts.method.clone();
        *request.uri_mut() = sending.target.under(&base).map_err(|_| no_address())?;
        let mut headers = for_upstream(&sending.parts.headers);
        add_credential(&mut headers, credential);
        if sending.upgrade.is_some() {
            upgrade::ask(&mut headers);
        }
        if sending.upgrade.is_some() || base.is_plain() {
            name_hops(&mut headers);
        }
        *request.headers_mut() = headers;
        let response = self.upstream.send(request, sending.upgrade.is_some()).await?;
        self.note_limits(credential, response.headers());
        Ok(response)
    }

    fn base(&self, credential: &Credential) -> Result<Arc<Base>, Error> {
        let Some(text) = &credential.base_url else { return Err(no_base_url(&credential.login)) };
        let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(base) = bases.get(text) {
            return Ok(Arc::clone(base));
        }
        let base = Arc::new(Base::parse(text).map_err(|_| no_base_url(&credential.login))?);
        bases.insert(text.clone(), Arc::clone(&base));
        Ok(base)
    }

    /// The answer as it travels back.
    pub(super) fn answer(
        &self,
        shape: ApiShape,
        sending: Sending<'_>,
        response: Response<Incoming>,
    ) -> Response<Body> {
        let (login, status) = (&sending.target.login, response.status());
        tracing::debug!(%login, status = status.as_u16(), "gateway: answered");
        let open = Open::new(&self.open);
        if let Some(client) = sending.upgrade {
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return upgrade::join(client, response, open, sending.cut);
            }
            if upgrade::is_missing(status) {
                return answer::no_upgrade(shape);
            }
        } else if status == StatusCode::SWITCHING_PROTOCOLS {
            return answer::error(shape, &not_asked_for(), self.face);
        }
        let (parts, body) = response.into_parts();
        let body = Body::passed(body, parts.version).holding(open);
        let mut response = Response::new(match sending.cut {
            Some(cut) => body.cut_by(cut),
            None => body,
        });
        *response.status_mut() = status;
        *response.headers_mut() = for_client(parts.headers);
        response
    }

    /// What the answer says of limits is the broker's to tell (`usage`).
    fn note_limits(&self, credential: &Credential, headers: &HeaderMap) {
        let headers = limits_in(headers);
        if !headers.is_empty() {
            self.broker.note_limits(credential, &headers);
        }
    }

    fn was_refused(&self, login: &LoginId, token: &Secret) -> bool {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let last = refused.get(login);
        last.is_some_and(|(fingerprint, at)| {
            at.elapsed() < REFUSED_FOR && *fingerprint == token.fingerprint()
        })
    }

    fn note_refused(&self, login: &LoginId, token: &Secret) {
        let refused = (token.fingerprint(), Instant::now());
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(login.clone(), refused);
    }
}

/// What stands about limits in the headers of an answer: those of RFC drafts, Anthropic's, OpenAI's, Codex's.
fn limits_in(headers: &HeaderMap) -> BTreeMap<String, String> {
    let is_limit = |name: &str| name.contains("ratelimit") || name.starts_with("x-codex-");
    let said = headers.iter().filter(|(name, _)| is_limit(name.as_str()));
    said.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

fn no_base_url(login: &LoginId) -> Error {
    let provider = login.provider();
    Error::new(Code::ConfigInvalid, format!("It is not known where the API of {provider} is."))
        .with_hint(format!("Set `base_url` under `[providers.{provider}]`."))
}

fn not_asked_for() -> Error {
    Error::new(Code::BadResponse, "The API went over to a protocol that was not asked for.")
        .with_hint("Check `base_url`: it may not lead to the API.")
}

pub(super) fn no_address() -> Error {
    Error::new(Code::InvalidArgument, "The path does not fit the address of this login's API.")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::*;

    #[test]
    fn limits_are_read_from_the_headers_of_each_vendor_and_nothing_else() {
        let lines = [
            ("ratelimit", "limit=100, remaining=50"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-codex-primary-used-percent", "12"),
            ("x-request-id", "7"),
            ("set-cookie", "ratelimit=1"),
        ];
        let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let found = limits_in(&lines.into_iter().map(pair).collect());
        let names: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "anthropic-ratelimit-unified-5h-utilization",
                "ratelimit",
                "x-codex-primary-used-percent",
                "x-ratelimit-remaining-tokens"
            ]
        );
        assert_eq!(found["x-codex-primary-used-percent"], "12");
    }
}
