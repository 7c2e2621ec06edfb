//! A local address that adds a login's credential to each request, so that no program needs to hold one.
//!
//! Guarantees: who may come in is decided before anything is read of a request's body (rule 23); the key that
//! a client shows never travels on, and the credential never travels back; a login whose vendor keeps it to
//! its own programs is refused with that reason. Knows no editor and no terminal.
//!
//! A request's way: `serve` (whose program) → `admit` (key, `Host`, no page) → `target` (which login, what
//! address) → `forward` (credential, one replay after a 401) → `upstream`, and back through `body`.

mod admit;
pub(crate) mod answer;
mod body;
mod connector;
mod forward;
mod headers;
mod left;
mod linger;
mod relay;
mod replay;
mod serve;
#[cfg(unix)]
mod socket;
mod target;
mod upgrade;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

pub use admit::{Hosts, Key, Refused, admit};
pub use body::{Body, Cut, Open};
pub use forward::Forwarder;
pub use serve::{Handler, serve};
#[cfg(unix)]
pub use socket::{MAX_PATH as MAX_SOCKET_PATH, Socket, bind as bind_socket};
pub use target::Target;

use crate::bounded_server::TurnedAway;
pub use crate::bounded_server::{Client, Listener};
use crate::error::{Code, Error};
use crate::login_id::LoginId;
use crate::provider::ApiShape;
use crate::wording::Face;

/// Serves some logins at one address. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    forwarder: RwLock<Arc<Forwarder>>,
    key: Key,
    hosts: Hosts,
    logins: RwLock<BTreeSet<LoginId>>,
    requests: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// What a gateway has done since it began.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Requests that were let in.
    pub requests: u64,
    /// Answers whose body is not at its end.
    pub open: u64,
    /// Requests and connections refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl Gateway {
    /// A gateway for these logins; it serves nothing yet.
    pub fn new(
        forwarder: Forwarder,
        key: Key,
        hosts: Hosts,
        logins: impl IntoIterator<Item = LoginId>,
    ) -> Self {
        Self(Arc::new(Inner {
            forwarder: RwLock::new(Arc::new(forwarder)),
            key,
            hosts,
            logins: RwLock::new(logins.into_iter().collect()),
            requests: AtomicU64::new(0),
            refused: Mutex::default(),
        }))
    }

    /// Serves one login more.
    pub fn allow(&self, login: LoginId) {
        self.0.logins.write().unwrap_or_else(PoisonError::into_inner).insert(login);
    }

    /// Sends what comes from now on by other settings.
    pub fn reconfigure(&self, forwarder: Forwarder) {
        let mut place = self.0.forwarder.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::new(forwarder.after(&place));
    }

    /// Serves until told to stop, or the sender is gone.
    pub async fn serve(&self, listener: Listener, stop: watch::Receiver<bool>) {
        serve(listener, Arc::clone(&self.0), stop).await;
    }

    /// What it has done.
    pub fn counts(&self) -> Counts {
        Counts {
            requests: self.0.requests.load(Ordering::Relaxed),
            open: self.0.forwarder().open.load(Ordering::Relaxed),
            refused: self.0.refused.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Where a login is served: `http://127.0.0.1:PORT/LOGIN`.
pub fn url(address: SocketAddr, login: &LoginId) -> String {
    format!("http://{address}/{login}")
}

impl Handler for Inner {
    async fn answer(&self, mut request: Request<Incoming>, _: Client) -> Response<Body> {
        if let Err(why) = admit(&mut request, Some(&self.key), self.hosts) {
            self.count(why.reason());
            return answer::refused(why);
        }
        let target = match Target::parse(request.uri().path(), request.uri().query()) {
            Ok(target) => target,
            Err(why) => {
                self.count("target");
                return answer::bad_target(why);
            }
        };
        if !self.logins.read().unwrap_or_else(PoisonError::into_inner).contains(&target.login) {
            self.count("login");
            return answer::error(ApiShape::Openai, &not_served(&target.login), Face::Terminal);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.forwarder().forward(&target, request, None).await
    }

    fn turned_away(&self, why: TurnedAway) {
        self.count(why.reason());
    }
}

impl Inner {
    fn forwarder(&self) -> Arc<Forwarder> {
        Arc::clone(&self.forwarder.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, reason: &'static str) {
        tracing::warn!(reason, "gateway: refused");
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }
}

impl Refused {
    /// In a word, for the log and for counts.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Method => "method",
            Self::Host => "host",
            Self::Origin => "origin",
            Self::Key => "key",
            Self::Framing => "framing",
        }
    }
}

fn not_served(login: &LoginId) -> Error {
    Error::new(Code::UnknownLogin, format!("This gateway does not serve {login}."))
        .with_hint("Name it when the gateway is started.")
}
