//! What happens without being asked: refreshes ahead of time, and news of what other processes did.
//!
//! One tick does it all and compares the wall clock each time, so a machine that slept is noticed at the first tick
//! after waking, and no timer is trusted over hours (rule 1).

use std::time::Duration;

use super::Broker;
use super::event::Event;
use super::flight::Goal;
use super::source::Found;
use crate::credential::Validity;
use crate::error::Code;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::store::Stamp;

/// Time between ticks: a login made in one editor is to show in another within a second.
const TICK: Duration = Duration::from_millis(500);
/// Most seconds that a refresh ahead of time comes before the margin, so that many editors do not fire at once.
const JITTER: u64 = 60;

impl Broker {
    /// Watches and refreshes until the task is aborted.
    pub fn run_background(&self) -> tokio::task::JoinHandle<()> {
        let broker = self.clone();
        // Before the task: what happens until it first runs is news too.
        let mut seen = broker.0.store.stamp();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                broker.look_for_news(&mut seen).await;
                broker.refresh_ahead();
                broker.save_in_the_background();
            }
        })
    }

    fn save_in_the_background(&self) {
        if self.has_unsaved() {
            let broker = self.clone();
            tokio::spawn(async move { broker.save_all().await });
        }
    }

    async fn look_for_news(&self, seen: &mut Stamp) {
        let stamp = self.0.store.stamp();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        for held in self.memory().all() {
            // By itself: a keyring that hangs holds up no other login's news, and no tick.
            let broker = self.clone();
            tokio::spawn(async move { broker.push_newer(held).await });
        }
        self.tell_all().await;
    }

    /// Pushes what this process would hand out now for a login that it has handed out, if that is another token.
    async fn push_newer(&self, held: Credential) {
        // A token that ended is no news; whoever needs one asks.
        match self.look(&held.login, Validity::AtLeast(0), false).await {
            Ok(Found::Good { credential, .. }) if credential.token != held.token => {
                self.tell(Event::Credential(credential));
            }
            Err(error) if error.code() == Code::NotLoggedIn => self.memory().forget(&held.login),
            _ => {}
        }
    }

    fn refresh_ahead(&self) {
        let (now, margin) = (self.0.clock.now(), self.0.config.refresh.margin);
        let due = self.memory().due(|credential| !credential.is_fresh(now, ahead(credential, margin)));
        for credential in due {
            let login = credential.login.clone();
            if self.0.flights.is_flying(&login) || self.is_resting(&login) {
                continue;
            }
            self.memory().set_used(&login, false);
            let broker = self.clone();
            tokio::spawn(async move { broker.refresh_one_ahead(&credential, margin).await });
        }
    }

    fn is_resting(&self, login: &LoginId) -> bool {
        self.0.flights.resting_error(login, self.0.clock.now()).is_some()
    }

    async fn refresh_one_ahead(&self, old: &Credential, margin: i64) {
        let (login, seen) = (&old.login, old.token.clone());
        let validity = Validity::AtLeast(ahead(old, margin));
        match self.fly(login, Goal::Fresh { validity, seen }).await {
            Ok(new) if new.token != old.token => {
                self.remember(&new, false).await;
                self.tell(Event::Credential(Box::new(new)));
            }
            // A passing failure: the token is still wanted, so the next tick after the rest tries again.
            Ok(_) if self.is_resting(login) => self.memory().set_used(login, true),
            Err(error) if error.is_transient() && self.is_resting(login) => {
                self.memory().set_used(login, true);
            }
            // Refused, or the store takes nothing: not at every tick again.
            Ok(_) => self.memory().give_up(old),
            // For good: whoever asks next is told.
            Err(_) => {}
        }
    }
}

/// How many seconds before its end a token is refreshed ahead of time.
fn ahead(credential: &Credential, margin: i64) -> i64 {
    let jitter = jitter(&credential.login, std::process::id());
    Validity::Margin(margin.saturating_add(jitter)).seconds(credential.lifetime)
}

/// The same for a login in this process at each tick, and different between processes.
fn jitter(login: &LoginId, process: u32) -> i64 {
    let mut seed = u64::from(process);
    for byte in login.as_str().bytes() {
        seed = seed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte);
    }
    i64::try_from((seed >> 7) % JITTER).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn editors_started_together_do_not_refresh_together() {
        for login in ["anthropic", "openai@work"] {
            let login = login.parse().unwrap();
            let found: BTreeSet<i64> = (1000..1030).map(|process| jitter(&login, process)).collect();
            assert!(found.iter().all(|seconds| (0..60).contains(seconds)), "{found:?}");
            assert!(found.len() >= 15, "30 processes share {} moments: {found:?}", found.len());
            assert_eq!(jitter(&login, 1000), jitter(&login, 1000), "the same at each tick");
        }
    }
}
