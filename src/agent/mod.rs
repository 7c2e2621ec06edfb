//! Grants: some logins, lent to whoever reaches a socket, so that they follow the person to other hosts and
//! into containers, and no secret stays there.
//!
//! Guarantees: nothing is served that the grant does not name (logins, power, end); with the power `use` no
//! token, key or refresh token passes the socket, with `token` never a refresh token; what a vendor keeps to
//! its own programs is refused with that reason; each use is counted and stands in the log; a grant that is
//! revoked or has ended is cut off at once, streams under way too. Other users get nothing (rule 23). Knows
//! neither ssh nor containers.
//!
//! A request's way: `gateway::serve` (whose program) → `handler` (key, `Host`, no page, the grant's end) →
//! `questions` (the person, if the grant says so) → the broker, or the gateway's `forward`.

#[cfg(unix)]
mod check;
#[cfg(unix)]
mod control;
mod door;
mod grant;
mod handler;
mod home;
mod lendable;
#[cfg(unix)]
mod others;
#[cfg(not(unix))]
#[path = "others_none.rs"]
mod others;
mod program;
mod questions;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

#[cfg(unix)]
pub use check::{Check, check};
pub use door::Door;
pub use grant::{End, Grant, Terms};
pub use home::Home;
pub use lendable::{Lendable, lendable};
#[cfg(unix)]
pub use others::{Elsewhere, Watch, all, revoke};
#[cfg(not(unix))]
pub use others::{all, revoke};
pub use questions::{PATIENCE, Questions};

use crate::error::{Code, Error, Result};
use crate::paths::Paths;
use crate::protocol::GrantReport;
use handler::GrantHandler;

/// What one process lends. Cheap to clone; needs a tokio runtime.
///
/// ```no_run
/// # async fn example(paths: convocations::paths::Paths, home: convocations::agent::Home,
/// #     terms: convocations::agent::Terms) -> convocations::error::Result<()> {
/// use convocations::agent::{Agent, Door};
/// let agent = Agent::new(&paths, home);
/// let door = Door::loopback("127.0.0.1:0".parse().unwrap()).await?;
/// let address = door.address(); // as in `CONVOCATIONS_AGENT`: it may hold the grant's key
/// let grant = agent.grant(terms, &door)?; // from here on `convocations grants` lists it
/// let (stop, stopped) = tokio::sync::watch::channel(false);
/// // Until `stop` says so, the grant's time is over, or somebody revokes it.
/// let end = agent.serve(&grant, door, stopped).await;
/// # drop((stop, address, end)); Ok(()) }
/// ```
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    home: Home,
    #[cfg_attr(not(unix), allow(dead_code))]
    paths: Paths,
    grants: Mutex<Vec<Grant>>,
    questions: Questions,
    #[cfg(unix)]
    control: Mutex<Option<control::Control>>,
}

impl Agent {
    /// One that lends nothing yet.
    pub fn new(paths: &Paths, home: Home) -> Self {
        Self::with_questions(paths, home, Questions::new(PATIENCE))
    }

    /// The same with questions that wait for another time.
    pub fn with_questions(paths: &Paths, home: Home, questions: Questions) -> Self {
        Self(Arc::new(Inner {
            home,
            paths: paths.clone(),
            grants: Mutex::default(),
            questions,
            #[cfg(unix)]
            control: Mutex::default(),
        }))
    }

    /// A grant of these terms, to be served at `door`. From now on other processes list it and can revoke it.
    ///
    /// # Errors
    /// `invalid_argument` or `store_unwritable` if other processes could not reach it to revoke it.
    pub fn grant(&self, terms: Terms, door: &Door) -> Result<Grant> {
        self.list(Grant::new(terms, door.shown(), self.0.home.clock()), door)
    }

    /// A grant again that a process served which is gone, by its name.
    ///
    /// # Errors
    /// As for [`Agent::grant`]; `invalid_argument` for what is no name; `busy` if it is served.
    pub fn grant_again(&self, id: &str, terms: Terms, door: &Door) -> Result<Grant> {
        if !Grant::is_name(id) {
            return Err(Error::new(Code::InvalidArgument, "This is no name of a grant."));
        }
        if self.grants().iter().any(|grant| grant.id() == id) {
            return Err(Error::new(Code::Busy, "A grant of this name is served.")
                .with_hint("`convocations grants revoke` ends it."));
        }
        self.list(Grant::named(id.to_owned(), terms, door.shown(), self.0.home.clock()), door)
    }

    fn list(&self, grant: Grant, door: &Door) -> Result<Grant> {
        self.check_apart(door)?;
        #[cfg(unix)]
        self.open_control()?;
        tracing::info!(grant = grant.id(), label = grant.terms().label, at = door.shown(), "agent: granted");
        self.grants().push(grant.clone());
        Ok(grant)
    }

    /// Whoever has a grant's folder mounted must not find there what lists, answers and revokes grants.
    fn check_apart(&self, door: &Door) -> Result<()> {
        let folder = door.folder().and_then(|folder| folder.canonicalize().ok());
        let is_ours = |own: PathBuf| own.canonicalize().is_ok_and(|own| Some(own) == folder);
        if !self.0.paths.grants_dirs().into_iter().any(is_ours) {
            return Ok(());
        }
        Err(Error::new(Code::InvalidArgument, "That folder holds the sockets by which grants are revoked.")
            .with_hint("Give a folder that nothing else is in: it may be mounted elsewhere."))
    }

    /// Serves a grant until its end, or until told to stop. Connections and streams are cut then, and a
    /// socket's file goes.
    pub async fn serve(&self, grant: &Grant, door: Door, stop: watch::Receiver<bool>) -> End {
        let _listed = Listed { agent: self, id: grant.id() };
        let (listener, key, hosts, _socket) = door.into_parts();
        let handler =
            GrantHandler::new(grant.clone(), self.0.home.clone(), self.0.questions.clone(), key, hosts);
        tokio::select! {
            () = crate::gateway::serve(listener, Arc::new(handler), grant.cut()) => {}
            () = grant.run_out() => {}
            () = stopped(stop) => grant.end(End::Stopped),
        }
        let end = grant.end_now();
        tracing::info!(grant = grant.id(), end = end.as_str(), "agent: ended");
        end
    }

    /// The grants of this process; none that is over, though it may still be on its way out.
    pub fn reports(&self) -> Vec<GrantReport> {
        self.grants().iter().filter(|grant| !grant.is_over()).map(Grant::report).collect()
    }

    /// Ends a grant of this process; `false` if it is none of these.
    pub fn revoke(&self, id: &str) -> bool {
        let found = self.grants().iter().find(|grant| grant.id() == id).cloned();
        found.map(|grant| grant.end(End::Revoked)).is_some()
    }

    /// What the person is being asked.
    pub fn questions(&self) -> &Questions {
        &self.0.questions
    }

    fn grants(&self) -> MutexGuard<'_, Vec<Grant>> {
        self.0.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(unix)]
    fn open_control(&self) -> Result<()> {
        let mut control = self.0.control.lock().unwrap_or_else(PoisonError::into_inner);
        if control.is_none() {
            *control = Some(control::Control::open(&self.0.paths, Arc::downgrade(&self.0))?);
        }
        Ok(())
    }
}

/// A grant's place in the list, as long as it is served.
struct Listed<'a> {
    agent: &'a Agent,
    id: &'a str,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let mut grants = self.agent.grants();
        if let Some(at) = grants.iter().position(|grant| grant.id() == self.id) {
            // Whoever drops the serving without an end has stopped it.
            grants.remove(at).end(End::Stopped);
        }
        self.agent.0.questions.withdraw(self.id);
    }
}

/// Returns when told to stop, or when nobody is left to tell.
async fn stopped(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|is_stopped| *is_stopped).await;
}
