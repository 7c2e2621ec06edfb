//! The agent of another machine, as `CONVOCATIONS_AGENT` names it: which logins it lends, a token where its
//! grant hands out tokens, and requests that it sends on with the credential added there.
//!
//! Guarantees: nothing is written to this machine's disk; what listens there must be this user's or root's,
//! and is asked before a byte is said; a connection is made anew for whoever asks next, so that a tunnel
//! which is back is used at once; where the path of a session that has ended leads nowhere, the stable link
//! beside the home folder is tried. Knows no store, no provider and no editor.

mod address;
mod door;
mod offer;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;

pub use address::{Address, LINK, VARIABLE};
pub use offer::{Offer, SOURCE};

use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{AgentToken, Credential};
use crate::secret::Secret;
use crate::tasks;
use door::Door;

/// Longest wait for an answer that needs nobody but the agent.
const STATUS_TIME: Duration = Duration::from_secs(10);
/// Longest wait for a token: at home a provider may be slow (30 s), or a person is asked (30 s).
const TOKEN_TIME: Duration = Duration::from_secs(50);
/// How long an answer about what is lent holds, for a login that was in it and for one that was not.
const LENT_FOR: Duration = Duration::from_secs(30);
const NOT_LENT_FOR: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes.
const MAX_BODY: usize = 1 << 20;
/// How long a connection is kept without a request: less than the agent keeps one, which is a minute.
const IDLE: Duration = Duration::from_secs(20);

/// An agent elsewhere. Cheap to clone; nothing is connected before something is asked.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    address: Arc<Address>,
    client: Client<Door, reqwest::Body>,
    known: Mutex<Known>,
    is_looking: AtomicBool,
}

/// What the agent last said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// What it lends: the last that was heard, also after the connection broke.
    pub offer: Option<Arc<Offer>>,
    /// Why it cannot be asked now.
    pub trouble: Option<Error>,
    /// When it was last asked.
    at: Option<Instant>,
}

impl Known {
    /// Whether it says the same, whenever that was.
    pub fn says_the_same(&self, other: &Self) -> bool {
        self.offer == other.offer && self.trouble == other.trouble
    }

    /// Time since it was asked; `None` before the first time.
    pub fn age(&self) -> Option<Duration> {
        self.at.map(|at| at.elapsed())
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Agent({:?})", self.0.address)
    }
}

impl Agent {
    /// The one that `CONVOCATIONS_AGENT` names, if it names one.
    ///
    /// # Errors
    /// `config_invalid` if it holds something else.
    pub fn from_env() -> Result<Option<Self>> {
        let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        let text = value.to_str().ok_or_else(address::not_an_address)?;
        Ok(Some(Self::new(Address::parse(text)?)))
    }

    /// The one at an address.
    pub fn new(address: Address) -> Self {
        let address = Arc::new(address);
        let client = Client::builder(tasks::Executor)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Door::new(Arc::clone(&address)));
        Self(Arc::new(Inner { address, client, known: Mutex::default(), is_looking: AtomicBool::new(false) }))
    }

    /// Where it is, without its key.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// What it last said; asks nobody.
    pub fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks what it lends.
    ///
    /// # Errors
    /// `network` or `timeout` if it cannot be asked, `bad_response`, or its own.
    pub async fn look(&self) -> Result<Arc<Offer>> {
        let request = self.request(Method::GET, "/v1/status", "");
        let said = self.ask(request, STATUS_TIME).await.and_then(|said| said);
        let looked = said.and_then(|body| offer::read(&body).map(Arc::new));
        self.note(looked.clone());
        looked
    }

    /// A turn at looking by oneself, unless somebody has it: a tunnel that hangs answers nobody for long, and
    /// one that waits there is enough.
    pub fn turn_to_look(&self) -> Option<Looking> {
        (!self.0.is_looking.swap(true, Ordering::AcqRel)).then(|| Looking(self.clone()))
    }

    fn note(&self, looked: Result<Arc<Offer>>) {
        let mut known = self.lock();
        known.at = Some(Instant::now());
        known.trouble = looked.as_ref().err().cloned();
        known.offer = looked.ok().or(known.offer.take());
    }

    /// Whether it lends this login: by what it said a moment ago, else by asking.
    ///
    /// # Errors
    /// As for [`Agent::look`]: what is not known is not taken for a no.
    pub async fn lends(&self, login: &LoginId) -> Result<bool> {
        let known = self.known();
        if let (Some(offer), None, Some(age)) = (&known.offer, &known.trouble, known.age()) {
            let lends = offer.lends(login);
            if age < if lends { LENT_FOR } else { NOT_LENT_FOR } {
                return Ok(lends);
            }
        }
        match (self.look().await, known.offer) {
            (Ok(offer), _) => Ok(offer.lends(login)),
            // What it did not lend while it could be asked is this machine's.
            (Err(_), Some(offer)) if !offer.lends(login) => Ok(false),
            (Err(error), _) => Err(error),
        }
    }

    /// A token of a login that it lends, after `rejected` was refused by the API if that is given.
    ///
    /// # Errors
    /// As for [`Agent::look`]; `invalid_argument` or another of the agent's own if the grant hands out no
    /// tokens.
    pub async fn token(
        &self,
        login: &LoginId,
        min_validity: Option<i64>,
        rejected: Option<Secret>,
    ) -> Result<Credential> {
        let wish = serde_json::to_string(&AgentToken { min_validity, rejected });
        let body = wish.map_err(|_| offer::unreadable())?;
        let request = self.request(Method::POST, &format!("/v1/token/{login}"), body);
        // The next one looks before it asks, and whoever shows how things are shows this.
        let said = self.ask(request, TOKEN_TIME).await.inspect_err(|error| self.note(Err(error.clone())))?;
        offer::read_credential(login, &said?)
    }

    /// Sends a request on, to whatever the login's API is at home, and returns once the head of the answer is
    /// there.
    ///
    /// # Errors
    /// `network`.
    pub async fn pass(
        &self,
        method: Method,
        path_and_query: &str,
        headers: HeaderMap,
        body: reqwest::Body,
    ) -> Result<Response<Incoming>> {
        let mut request = self.request(method, path_and_query, body);
        let proof = request.headers_mut().remove(AUTHORIZATION);
        *request.headers_mut() = headers;
        request.headers_mut().extend(proof.map(|proof| (AUTHORIZATION, proof)));
        self.send(request).await
    }

    fn request(&self, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Request<reqwest::Body> {
        let mut request = Request::new(body.into());
        *request.method_mut() = method;
        // A name of this machine, wherever the bytes go: the agent's own port is another on the way.
        *request.uri_mut() = format!("http://localhost{path}").parse().unwrap_or_default();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = self.0.address.key()
            && let Ok(mut proof) = HeaderValue::try_from(format!("Bearer {}", key.expose()))
        {
            proof.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, proof);
        }
        request
    }

    /// Sends a request and reads its answer to the end; one that is no success is the error that it holds:
    /// the agent's own word, whatever it could not reach, and none about the way to it.
    async fn ask(&self, request: Request<reqwest::Body>, limit: Duration) -> Result<Result<Bytes>> {
        let asking = async {
            let response = self.send(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
            let body = body.map_err(|_| self.broke())?.to_bytes();
            Ok(if status.is_success() { Ok(body) } else { Err(offer::read_failure(status, &body)) })
        };
        match tokio::time::timeout(limit, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(Error::new(Code::Timeout, format!("{} does not answer.", self.name()))
                .with_hint("The connection to it may hang; it is tried again at the next use.")),
        }
    }

    async fn send(&self, request: Request<reqwest::Body>) -> Result<Response<Incoming>> {
        self.0.client.request(request).await.map_err(|error| {
            let mut cause = std::error::Error::source(&error);
            while let Some(one) = cause {
                if let Some(error) = one.downcast_ref::<Error>() {
                    return error.clone();
                }
                cause = one.source();
            }
            self.broke()
        })
    }

    /// Connected, and no answer: a tunnel stands without a machine behind it, or fell.
    fn broke(&self) -> Error {
        Error::new(Code::Network, format!("{} ended the connection without an answer.", self.name()))
            .with_hint(
                "The grant may have ended there, or the connection broke; it is tried again at the next use.",
            )
    }

    /// Who lends, in a few words.
    pub fn shown(&self) -> String {
        match &self.lock().offer {
            Some(offer) => offer.shown(),
            None => format!("the machine behind `{}`", self.0.address.shown()),
        }
    }

    /// Who it is, as far as that was heard.
    fn name(&self) -> String {
        match &self.lock().offer {
            Some(offer) => format!("The agent of {}", offer.home),
            None => format!("The agent at `{}`", self.0.address.shown()),
        }
    }
}

/// A turn at looking; over when dropped.
pub struct Looking(Agent);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.0.is_looking.store(false, Ordering::Release);
    }
}
