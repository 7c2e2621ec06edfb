//! Refreshes ahead of time, so that no request waits for the network (rule 6).
//!
//! Each tick compares the wall clock, so a machine that slept is noticed at the first tick after waking, and
//! no timer is trusted over hours (rule 1).

use super::goal::Goal;
use crate::broker::Broker;
use crate::broker::events::Event;
use crate::broker::obtained::source_of;
use crate::credential::Validity;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::remote::SOURCE;
use crate::tasks;

/// Most seconds that a refresh ahead of time comes before the margin, so that many editors do not fire at
/// once.
const JITTER: u64 = 60;

impl Broker {
    /// Refreshes what is used and due; at each tick.
    pub(in crate::broker) fn refresh_ahead(&self) {
        let (now, margin) = (self.0.clock.now(), self.0.config.refresh.margin);
        let due = self.cache().due(|credential| !credential.is_fresh(now, ahead(credential, margin)));
        for credential in due {
            let login = credential.login.clone();
            let is_lent = credential.source == SOURCE;
            if self.is_under_way(&login) || self.is_left_alone(&login) || is_lent && !self.borrows_ahead() {
                continue;
            }
            self.cache().set_used(&login, false);
            let broker = self.clone();
            tasks::spawn(async move { broker.refresh_one_ahead(&credential, margin).await });
        }
    }

    fn is_under_way(&self, login: &LoginId) -> bool {
        self.0.shared.flights.is_running(login) || self.0.shared.obtained.flights.is_running(login)
    }

    fn is_left_alone(&self, login: &LoginId) -> bool {
        self.0.shared.backoff.current_error(login, self.0.clock.now()).is_some()
    }

    /// Whether what failed is tried again by itself: after the rest, or once the way to the agent is back.
    fn is_paused(&self, login: &LoginId, is_lent: bool) -> bool {
        if is_lent { !self.borrows_ahead() } else { self.is_left_alone(login) }
    }

    async fn refresh_one_ahead(&self, old: &Credential, margin: i64) {
        let (login, seen) = (&old.login, old.token.clone());
        let validity = Validity::AtLeast(ahead(old, margin));
        let goal = Goal::Fresh { validity, seen };
        let is_lent = old.source == SOURCE;
        let result = match source_of(old) {
            Some(source) => self.obtain(login, &source, goal).await,
            None if is_lent => self.borrow_ahead(old, ahead(old, margin)).await,
            None => self.refresh(login, goal).await,
        };
        match result {
            Ok(new) if new.token != old.token => {
                if !is_lent {
                    self.remember(&new, false).await;
                }
                self.tell(Event::Credential(Box::new(new)));
            }
            // A passing failure: the token is still wanted, so the next tick after the rest tries again.
            Ok(_) if self.is_left_alone(login) => self.cache().set_used(login, true),
            Err(error) if error.is_transient() && self.is_paused(login, is_lent) => {
                self.cache().set_used(login, true);
            }
            // Refused, or the store takes nothing: not at every tick again.
            Ok(_) => self.cache().give_up(old),
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
