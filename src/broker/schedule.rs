//! What happens without being asked: refreshes ahead of time, and news of what other processes did.
//!
//! One tick does it all and compares the wall clock each time, so a machine that slept is noticed at the first tick
//! after waking, and no timer is trusted over hours (rule 1).

use std::time::Duration;

use super::Broker;
use super::event::Event;
use super::flight::Goal;
use super::source::credential;
use crate::credential::{Credential, Validity};
use crate::login_id::LoginId;
use crate::store::Stamp;

/// Time between ticks: a login made in one editor is to show in another within a second.
const TICK: Duration = Duration::from_millis(500);
/// Most seconds that a refresh ahead of time comes before the margin, so that many editors do not fire at once.
const JITTER: u64 = 60;

impl Broker {
    /// Watches and refreshes until the task is aborted.
    pub fn run_background(&self) -> tokio::task::JoinHandle<()> {
        let broker = self.clone();
        tokio::spawn(async move {
            let mut seen = broker.0.store.stamp();
            loop {
                tokio::time::sleep(TICK).await;
                broker.look_for_news(&mut seen).await;
                broker.refresh_ahead();
            }
        })
    }

    async fn look_for_news(&self, seen: &mut Stamp) {
        let stamp = self.0.store.stamp();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        self.push_newer(stamp).await;
        self.tell_changed().await;
    }

    /// Pushes newer credentials of logins that this process has handed out.
    async fn push_newer(&self, stamp: Stamp) {
        let handed_out = self.memory().revisions();
        let newer = self.blocking(move |inner| {
            let Ok(index) = inner.store.index() else { return Vec::new() };
            let is_newer = |(login, revision): &(LoginId, u64)| {
                index.logins.get(login).is_some_and(|entry| entry.revision > *revision)
            };
            let read = |(login, _): (LoginId, u64)| {
                let provider = inner.config.provider(login.provider()).ok()?;
                let stored = inner.store.read(&login).ok()??;
                Some(credential(&provider, &login, &stored))
            };
            handed_out.into_iter().filter(is_newer).filter_map(read).collect()
        });
        for credential in newer.await.unwrap_or_default() {
            // A token that ended is no news; whoever needs one asks.
            if credential.is_fresh(self.0.clock.now(), 0) {
                self.memory().renewed(&credential, stamp);
                self.tell(Event::Credential(Box::new(credential)));
            }
        }
    }

    fn refresh_ahead(&self) {
        let (now, margin) = (self.0.clock.now(), self.0.config.refresh.margin);
        let due = self.memory().due(|credential| !credential.is_fresh(now, ahead(credential, margin)));
        for credential in due {
            let login = credential.login.clone();
            if self.0.flights.is_flying(&login) || self.0.flights.resting_error(&login).is_some() {
                continue;
            }
            self.memory().not_used(&login);
            let broker = self.clone();
            tokio::spawn(async move { broker.refresh_one_ahead(&credential, margin).await });
        }
    }

    async fn refresh_one_ahead(&self, credential: &Credential, margin: i64) {
        let (login, seen) = (&credential.login, credential.token.clone());
        let validity = Validity::AtLeast(ahead(credential, margin));
        match self.fly(login, Goal::Fresh { validity, seen }).await {
            Ok(credential) => {
                self.memory().renewed(&credential, self.0.store.stamp());
                self.tell(Event::Credential(Box::new(credential)));
            }
            // A passing failure: the token is still wanted, so the next tick after the rest tries again.
            Err(error) if error.is_transient() => self.memory().still_wanted(login),
            // For good: whoever asks next is told.
            Err(_) => {}
        }
    }
}

/// How many seconds before its end a token is refreshed ahead of time.
fn ahead(credential: &Credential, margin: i64) -> i64 {
    Validity::Margin(margin.saturating_add(jitter(&credential.login))).seconds(credential.lifetime)
}

/// The same for a login in this process at each tick, and different between processes.
fn jitter(login: &LoginId) -> i64 {
    let mut seed = u64::from(std::process::id());
    for byte in login.as_str().bytes() {
        seed = seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    i64::try_from((seed >> 7) % JITTER).unwrap_or(0)
}
