//! A grant: what may be used, its end, and what it was used for.
//!
//! Guarantees: an end, once there, stays; every use is counted before it begins and stands in the log. Knows
//! no socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::gateway::{Cut, Open};
use crate::login_id::LoginId;
use crate::protocol::{GrantPower, GrantReport, GrantUse};
use crate::text::short;

/// How long a timer runs before the wall clock is asked again: it stands still while a machine sleeps
/// (rule 1).
const LOOK: Duration = Duration::from_secs(10);

/// Longest label, in characters.
const MAX_LABEL: usize = 64;

/// What a grant allows, as the person said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whom it is for, in the person's words.
    pub label: String,
    /// What may be used.
    pub logins: BTreeSet<LoginId>,
    /// What it allows.
    pub power: GrantPower,
    /// Whether keys that do not end may be handed out too.
    pub lasting: bool,
    /// Until when, Unix seconds; `None` if it ends with what serves it.
    pub ends: Option<i64>,
    /// Whether the person is asked.
    pub confirm: bool,
}

impl Terms {
    /// A label as it is kept: on one line, and of bounded length.
    pub fn label(given: Option<&str>, otherwise: &str) -> String {
        short(given.unwrap_or(otherwise), MAX_LABEL)
    }
}

/// Why a grant is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody revoked it.
    Revoked,
    /// Its time is over.
    TimeOver,
    /// Whoever served it stopped.
    Stopped,
}

impl End {
    /// In a word, for the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::TimeOver => "time over",
            Self::Stopped => "stopped",
        }
    }
}

/// A grant that is served. Cheap to clone.
#[derive(Clone)]
pub struct Grant(Arc<Inner>);

struct Inner {
    id: String,
    terms: Terms,
    at: String,
    clock: Clock,
    began: i64,
    used: Mutex<BTreeMap<LoginId, GrantUse>>,
    refused: AtomicU64,
    open: Arc<AtomicU64>,
    end: Mutex<Option<End>>,
    cut: watch::Sender<bool>,
}

impl Grant {
    /// A new one; `at` is where it is served, without a key.
    pub fn new(terms: Terms, at: &str, clock: Clock) -> Self {
        // Short enough to be typed; it opens nothing.
        Self::named(format!("{:06x}", rand::random::<u32>() & 0xff_ffff), terms, at, clock)
    }

    /// One of this name.
    pub fn named(id: String, terms: Terms, at: &str, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            id,
            terms,
            at: at.to_owned(),
            began: clock.now(),
            clock,
            used: Mutex::default(),
            refused: AtomicU64::new(0),
            open: Arc::default(),
            end: Mutex::default(),
            cut: watch::Sender::new(false),
        }))
    }

    /// Whether a text has the form of a name.
    pub fn is_name(text: &str) -> bool {
        text.len() == 6 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }

    /// Its name in commands.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// What it allows.
    pub fn terms(&self) -> &Terms {
        &self.0.terms
    }

    /// How it is.
    pub fn report(&self) -> GrantReport {
        let (inner, terms) = (&*self.0, &self.0.terms);
        let by_login: Vec<GrantUse> =
            inner.used.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        GrantReport {
            id: inner.id.clone(),
            label: terms.label.clone(),
            at: inner.at.clone(),
            logins: terms.logins.iter().cloned().collect(),
            power: terms.power,
            lasting: terms.lasting,
            confirm: terms.confirm,
            began: inner.began,
            ends: terms.ends,
            pid: std::process::id(),
            uses: by_login.iter().map(|used| used.requests + used.tokens).sum(),
            open: inner.open.load(Ordering::Relaxed),
            refused: inner.refused.load(Ordering::Relaxed),
            by_login,
        }
    }

    /// Whether a login is among those that it names, and the grant is not over.
    ///
    /// # Errors
    /// `login_denied`, `unknown_login`.
    pub fn check(&self, login: &LoginId) -> Result<()> {
        if self.is_over() {
            return Err(Error::new(Code::LoginDenied, "This grant has ended.")
                .with_hint("Ask for a new one on the machine where the login lives."));
        }
        if self.0.terms.logins.contains(login) {
            return Ok(());
        }
        Err(Error::new(Code::UnknownLogin, format!("This grant does not name {login}.")).with_hint(
            "Name it where the grant is made: `convocations agent` or `convocations ssh --login`.",
        ))
    }

    /// Counts a use, and puts it into the log, where these lines stand at every level.
    pub fn count(&self, login: &LoginId, power: GrantPower) {
        let now = self.0.clock.now();
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = used.entry(login.clone()).or_insert_with(|| GrantUse {
            login: login.clone(),
            requests: 0,
            tokens: 0,
            at: now,
        });
        entry.at = now;
        match power {
            GrantPower::Use => entry.requests += 1,
            GrantPower::Token => entry.tokens += 1,
        }
        let what = match power {
            GrantPower::Use => "request",
            GrantPower::Token => "token",
        };
        tracing::info!(grant = self.id(), %login, power = what, "agent: used");
    }

    /// Counts what was refused.
    pub fn count_refused(&self, reason: &str) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(grant = self.id(), reason, "agent: refused");
    }

    /// What cuts off what is under way at the end.
    pub fn cut(&self) -> watch::Receiver<bool> {
        self.0.cut.subscribe()
    }

    /// The same for one request, which counts as open meanwhile.
    pub fn cut_for_request(&self) -> Cut {
        Cut::new(self.cut(), Open::new(&self.0.open))
    }

    /// Ends it; the first end stays.
    pub fn end(&self, end: End) {
        self.0.end.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(end);
        self.0.cut.send_replace(true);
    }

    /// Why it is over; if it was not, it is stopped now.
    pub fn end_now(&self) -> End {
        self.end(End::Stopped);
        self.0.end.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(End::Stopped)
    }

    /// Whether it is over, by the wall clock of this moment.
    pub fn is_over(&self) -> bool {
        if self.remaining().is_some_and(|seconds| seconds <= 0) {
            self.end(End::TimeOver);
        }
        *self.0.cut.borrow()
    }

    /// Returns when it is over, by whatever.
    pub async fn run_out(&self) {
        let mut cut = self.cut();
        while !self.is_over() {
            let left = self.remaining().and_then(|seconds| u64::try_from(seconds).ok());
            let wait = left.map_or(LOOK, |seconds| Duration::from_secs(seconds).min(LOOK));
            tokio::select! {
                _ = cut.wait_for(|is_cut| *is_cut) => {}
                () = tokio::time::sleep(wait), if left.is_some() => {}
            }
        }
    }

    /// Seconds that are left.
    fn remaining(&self) -> Option<i64> {
        self.0.terms.ends.map(|end| end.saturating_sub(self.0.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(clock: &Clock, ends: Option<i64>) -> Grant {
        let terms = Terms {
            label: Terms::label(Some("work\n@host"), ""),
            logins: BTreeSet::from(["up".parse().unwrap()]),
            power: GrantPower::Use,
            lasting: false,
            ends,
            confirm: false,
        };
        Grant::new(terms, "unix:/run/x", clock.clone())
    }

    /// Rule 1: as after a sleep, in which no timer ran.
    #[test]
    fn its_time_is_over_by_the_wall_clock_whatever_the_timers_do() {
        let (clock, login) = (Clock::manual(1000), "up".parse().unwrap());
        let (grant, endless) = (grant(&clock, Some(1010)), grant(&clock, None));
        grant.check(&login).unwrap();
        assert_eq!(grant.report().label, "work?@host");
        clock.advance(10);
        assert_eq!(grant.check(&login).unwrap_err().code(), Code::LoginDenied);
        assert!(*grant.cut().borrow(), "what is under way is cut");
        clock.advance(-10);
        assert!(grant.is_over(), "an end stays, though the clock is set back");
        assert_eq!(grant.end_now(), End::TimeOver);
        endless.check(&login).unwrap();
    }

    #[test]
    fn the_first_end_stays_and_other_logins_are_none_of_its_own() {
        let grant = grant(&Clock::manual(1000), None);
        assert_eq!(grant.check(&"other".parse().unwrap()).unwrap_err().code(), Code::UnknownLogin);
        grant.end(End::Revoked);
        grant.end(End::Stopped);
        assert_eq!(grant.end_now(), End::Revoked);
    }

    #[test]
    fn an_answer_counts_as_open_until_what_cuts_it_is_gone() {
        let grant = grant(&Clock::manual(1000), None);
        let cut = grant.cut_for_request();
        let of_the_body = cut.clone();
        drop(cut);
        assert_eq!(grant.report().open, 1);
        drop(of_the_body);
        assert_eq!(grant.report().open, 0);
    }
}
