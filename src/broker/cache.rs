//! What this process has handed out, so that asking again costs no file and no keyring.

use std::collections::{HashMap, HashSet};

use crate::error::Error;
use crate::login_id::LoginId;
use crate::protocol::Credential;
use crate::remote::SOURCE;
use crate::store::Stamp;

/// Credentials in memory.
#[derive(Debug, Default)]
pub struct CredentialCache {
    held: HashMap<LoginId, Held>,
    /// By the number of the look; nothing where an earlier one was made void.
    looks: HashMap<LoginId, (u64, Option<Look>)>,
    told: HashSet<String>,
}

/// What the last look at a login's sources brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The stored login's revision then; 0 without one.
    pub revision: u64,
    /// The source that yielded a credential, or why none did.
    pub outcome: Result<String, Error>,
}

#[derive(Debug)]
struct Held {
    credential: Credential,
    /// The index as it was when it said the same: any change by anybody makes us look again. `None`: look in
    /// any case.
    stamp: Option<Stamp>,
    /// Whether somebody asked for it since it was made (rule 6).
    used: bool,
    /// Whether a refresh ahead of time brought nothing newer, and no passing failure was the reason.
    last: bool,
}

impl CredentialCache {
    /// The credential for somebody who asks, if the index has not changed since and `is_good`.
    pub fn ask(
        &mut self,
        login: &LoginId,
        stamp: Stamp,
        is_good: impl Fn(&Credential) -> bool,
    ) -> Option<Credential> {
        let held = self.held.get_mut(login)?;
        if held.stamp != Some(stamp) || !is_good(&held.credential) {
            return None;
        }
        held.used = true;
        Some(held.credential.clone())
    }

    /// Keeps a credential, `used` if it is for somebody who asked, now or before.
    pub fn keep(&mut self, credential: &Credential, stamp: Option<Stamp>, used: bool) {
        let before = self.held.get(&credential.login);
        let before = before.filter(|held| held.credential.token == credential.token);
        let used = used || before.is_some_and(|held| held.used);
        let last = before.is_some_and(|held| held.last);
        let held = Held { credential: credential.clone(), stamp, used, last };
        self.held.insert(credential.login.clone(), held);
    }

    /// Forgets a login; looks that began before `number` count no more.
    pub fn forget(&mut self, login: &LoginId, number: u64) {
        self.held.remove(login);
        self.looks.insert(login.clone(), (number, None));
    }

    /// Notes what a look of this number brought, unless a newer one has ended before it. Whether that is
    /// news: others may show the login otherwise.
    pub fn note_look(&mut self, login: &LoginId, number: u64, look: Look) -> bool {
        let (latest, before) = self.looks.remove(login).unwrap_or_default();
        if latest > number {
            self.looks.insert(login.clone(), (latest, before));
            return false;
        }
        let is_news = before.is_none_or(|before| before.outcome != look.outcome);
        self.looks.insert(login.clone(), (number, Some(look)));
        is_news
    }

    /// What the last look at a login brought. A failure counts for the revision that it was about.
    pub fn last_look(&self, login: &LoginId, revision: u64) -> Option<&Look> {
        let (_, look) = self.looks.get(login)?;
        look.as_ref().filter(|look| look.outcome.is_ok() || look.revision == revision)
    }

    /// The credential that would be handed out without a look, if the index has not changed since and
    /// `is_good`.
    pub fn peek(
        &self,
        login: &LoginId,
        stamp: Stamp,
        is_good: impl Fn(&Credential) -> bool,
    ) -> Option<&Credential> {
        let held = self.held.get(login).filter(|held| held.stamp == Some(stamp))?;
        is_good(&held.credential).then_some(&held.credential)
    }

    /// Everything that was handed out.
    pub fn all(&self) -> Vec<Credential> {
        self.held.values().map(|held| held.credential.clone()).collect()
    }

    /// Seconds that the stored login's token of this revision was made for, if that is known.
    pub fn lifetime(&self, login: &LoginId, revision: u64) -> Option<i64> {
        let held = self.held.get(login).filter(|held| held.credential.revision == revision)?;
        held.credential.lifetime
    }

    /// What somebody used, renews itself without a person and `is_due`, by its credential.
    pub fn due(&self, is_due: impl Fn(&Credential) -> bool) -> Vec<Credential> {
        let wanted = |held: &&Held| {
            // A command may ask a person something, and nobody has asked for anything.
            let renews_itself = matches!(held.credential.source.as_str(), "login" | "workload" | SOURCE);
            held.used && !held.last && renews_itself && is_due(&held.credential)
        };
        self.held.values().filter(wanted).map(|held| held.credential.clone()).collect()
    }

    /// Whether somebody has to ask again before the next refresh ahead of time.
    pub fn set_used(&mut self, login: &LoginId, used: bool) {
        if let Some(held) = self.held.get_mut(login) {
            held.used = used;
        }
    }

    /// Leaves this token to those who ask: it is not refreshed ahead of time any more.
    pub fn give_up(&mut self, credential: &Credential) {
        let held = self.held.get_mut(&credential.login);
        if let Some(held) = held.filter(|held| held.credential.token == credential.token) {
            held.last = true;
        }
    }

    /// Whether this was not told before.
    pub fn tell_once(&mut self, what: String) -> bool {
        self.told.insert(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[test]
    fn a_look_that_began_earlier_says_nothing_against_a_newer_one() {
        let (mut cache, login) = (CredentialCache::default(), "openrouter".parse::<LoginId>().unwrap());
        let good = || Look { revision: 0, outcome: Ok("login".to_owned()) };
        let failed =
            || Look { revision: 1, outcome: Err(Error::new(Code::StoreUnreadable, "The key is missing.")) };
        assert!(cache.note_look(&login, 2, good()));
        assert!(!cache.note_look(&login, 1, failed()), "it began before the key was back");
        assert_eq!(cache.last_look(&login, 1), Some(&good()));
        assert!(cache.note_look(&login, 3, failed()), "a newer one counts");
        cache.forget(&login, 5);
        assert!(!cache.note_look(&login, 4, failed()), "of a login that is gone");
        assert_eq!(cache.last_look(&login, 1), None);
        assert!(cache.note_look(&login, 6, good()));
    }
}
