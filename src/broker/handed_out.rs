//! What this process has handed out, so that asking again costs no file and no keyring.

use std::collections::{HashMap, HashSet};

use crate::credential::Credential;
use crate::login_id::LoginId;
use crate::store::Stamp;

/// Credentials in memory.
#[derive(Debug, Default)]
pub struct Memory {
    held: HashMap<LoginId, Held>,
    told: HashSet<String>,
}

#[derive(Debug)]
struct Held {
    credential: Credential,
    /// The index as it was before the credential was read: any change by anybody makes us look again.
    stamp: Stamp,
    /// Whether somebody asked for it since it was made (rule 6).
    used: bool,
}

impl Memory {
    /// The credential, if the index has not changed since.
    pub fn current(&self, login: &LoginId, stamp: Stamp) -> Option<Credential> {
        let held = self.held.get(login).filter(|held| held.stamp == stamp)?;
        Some(held.credential.clone())
    }

    /// Keeps a credential that somebody asked for.
    pub fn used(&mut self, credential: &Credential, stamp: Stamp) {
        let held = Held { credential: credential.clone(), stamp, used: true };
        self.held.insert(credential.login.clone(), held);
    }

    /// Keeps a credential that nobody asked for yet.
    pub fn renewed(&mut self, credential: &Credential, stamp: Stamp) {
        let held = Held { credential: credential.clone(), stamp, used: false };
        self.held.insert(credential.login.clone(), held);
    }

    /// Forgets a login.
    pub fn forget(&mut self, login: &LoginId) {
        self.held.remove(login);
    }

    /// Logins that were handed out, with the revision that was.
    pub fn revisions(&self) -> Vec<(LoginId, u64)> {
        self.held.iter().map(|(login, held)| (login.clone(), held.credential.revision)).collect()
    }

    /// Stored logins that somebody used and that `is_due`, by their credential.
    pub fn due(&self, is_due: impl Fn(&Credential) -> bool) -> Vec<Credential> {
        let wanted =
            |held: &&Held| held.used && held.credential.source == "login" && is_due(&held.credential);
        self.held.values().filter(wanted).map(|held| held.credential.clone()).collect()
    }

    /// After a refresh ahead of time: somebody has to ask again before the next one.
    pub fn not_used(&mut self, login: &LoginId) {
        if let Some(held) = self.held.get_mut(login) {
            held.used = false;
        }
    }

    /// After a refresh ahead of time that failed for now.
    pub fn still_wanted(&mut self, login: &LoginId) {
        if let Some(held) = self.held.get_mut(login) {
            held.used = true;
        }
    }

    /// Whether this was not told about this login before.
    pub fn tell_once(&mut self, login: &LoginId, what: &str) -> bool {
        self.told.insert(format!("{login}\n{what}"))
    }
}
