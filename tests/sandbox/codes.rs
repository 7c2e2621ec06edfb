//! Authorization codes: single use, ten minutes, tied to a challenge, a client and a redirect.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::account::Account;
use crate::random;

/// Seconds that a code lives, at every provider here (OpenRouter documents it; OAuth 2.1 names it as the
/// most).
pub const LIFETIME: i64 = 600;

/// A PKCE challenge with its method, as the authorize request named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    pub value: String,
    /// `None`: not named, which means `plain` (RFC 7636, 4.3).
    pub method: Option<String>,
}

impl Challenge {
    /// Whether a verifier answers the challenge.
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let made = match self.method.as_deref() {
            Some("S256") => random::s256(verifier),
            _ => verifier.to_owned(),
        };
        random::is_verifier(verifier) && made == self.value
    }
}

/// What the person approved.
#[derive(Debug, Clone)]
pub struct Grant {
    pub client_id: String,
    pub redirect_uri: Option<String>,
    pub challenge: Option<Challenge>,
    pub state: Option<String>,
    pub scopes: Vec<String>,
    pub account: &'static Account,
    /// Which page gave it.
    pub via: &'static str,
    /// The resource that was asked for (RFC 8707).
    pub resource: Option<String>,
    pub issued_at: i64,
    /// The family of tokens that the code was exchanged for.
    pub spent: Option<usize>,
}

impl Grant {
    /// Whether the code is too old.
    pub fn is_expired(&self, now: i64) -> bool {
        now - self.issued_at >= LIFETIME
    }
}

/// All codes of one provider.
#[derive(Debug, Default)]
pub struct Codes {
    live: HashMap<String, Grant>,
    ever: Vec<String>,
}

impl Codes {
    /// Gives out a code for what was approved.
    pub fn issue(&mut self, grant: Grant) -> String {
        let code = random::token();
        self.live.insert(code.clone(), grant);
        self.ever.push(code.clone());
        code
    }

    /// What a code stands for, spent or not.
    pub fn get_mut(&mut self, code: &str) -> Option<&mut Grant> {
        self.live.get_mut(code)
    }

    /// Takes a code away, as after a wrong verifier.
    pub fn burn(&mut self, code: &str) {
        self.live.remove(code);
    }

    /// The codes that would still work, and every code ever given out.
    pub fn report(&self, now: i64) -> Value {
        let good = |grant: &Grant| grant.spent.is_none() && !grant.is_expired(now);
        let live = self.live.iter().filter(|(_, grant)| good(grant));
        json!({ "good": live.map(|(code, _)| code).collect::<Vec<_>>(), "ever": self.ever })
    }
}
