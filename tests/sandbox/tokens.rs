//! Access and refresh tokens of one provider: lifetimes, rotation, families.
//!
//! A refresh token is spent by its use. Spending it twice is refused and, by a switch, also ends the whole
//! family, that is every token that came from the same login (RFC 9700, 4.14.2).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::account::Account;

/// How tokens of a provider behave; part of its switches.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRules {
    /// Seconds that an access token lives; 0 = for ever.
    pub lifetime: i64,
    pub rotation: Rotation,
    pub reuse: Reuse,
    pub revocation: Revocation,
    /// Whether replies name `expires_in`.
    pub expires_in: bool,
    /// What replies say in `token_type`; empty = nothing.
    pub token_type: String,
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            lifetime: 28800,
            rotation: Rotation::Rotate,
            reuse: Reuse::Refuse,
            revocation: Revocation::Login,
            expires_in: true,
            token_type: "Bearer".to_owned(),
        }
    }
}

impl TokenRules {
    /// The usual rules with another lifetime.
    pub fn living(seconds: i64) -> Self {
        Self { lifetime: seconds, ..Self::default() }
    }

    /// Adds to a reply what it says about the access token.
    pub fn describe(&self, reply: &mut Value) {
        if self.expires_in && self.lifetime > 0 {
            reply["expires_in"] = self.lifetime.into();
        }
        if !self.token_type.is_empty() {
            reply["token_type"] = self.token_type.as_str().into();
        }
    }
}

/// What a refresh does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// A new one, and the old one is spent.
    Rotate,
    /// The same one again.
    Same,
    /// None in the reply, and the old one goes on.
    Omit,
}

/// What spending a refresh token a second time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reuse {
    Refuse,
    RevokeFamily,
}

/// What a revocation ends beside the token (RFC 7009, 2.1 leaves it to the server).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// With a refresh token, its login.
    Login,
    /// Every login of the same person by the same client, with either token.
    AllLogins,
}

/// One login: what all its tokens have in common.
#[derive(Debug, Clone)]
pub struct Session {
    pub client_id: String,
    pub account: &'static Account,
    pub scopes: Vec<String>,
    /// Which way the login came: the authorize page's variant, `device`, …
    pub via: &'static str,
    /// The resource that the tokens are for (RFC 8707).
    pub resource: Option<String>,
}

#[derive(Debug)]
struct Access {
    family: usize,
    expires_at: Option<i64>,
    ended: bool,
}

#[derive(Debug)]
struct Refresh {
    family: usize,
    spent: bool,
    ended: bool,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    Unknown,
    Expired,
    Revoked,
    /// A refresh token's second use.
    Spent,
    /// A refresh token of another client.
    WrongClient,
}

/// All tokens of one provider.
#[derive(Debug, Default)]
pub struct Tokens {
    families: Vec<Session>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
}

impl Tokens {
    /// A new login.
    pub fn open(&mut self, session: Session) -> usize {
        self.families.push(session);
        self.families.len() - 1
    }

    /// What a family's tokens have in common.
    pub fn session(&self, family: usize) -> &Session {
        &self.families[family]
    }

    /// Registers an access token of a family; a `lifetime` of 0 never ends.
    pub fn add_access(&mut self, family: usize, token: &str, now: i64, lifetime: i64) {
        let expires_at = (lifetime > 0).then_some(now + lifetime);
        let access = Access { family, expires_at, ended: false };
        self.access.insert(token.to_owned(), access);
    }

    /// Registers a refresh token of a family.
    fn add_refresh(&mut self, family: usize, token: &str) {
        let refresh = Refresh { family, spent: false, ended: false };
        self.refresh.insert(token.to_owned(), refresh);
    }

    /// The refresh token of a reply: a new one, the `presented` one or none, as the rules say. `made` is the
    /// new one.
    pub fn next_refresh(
        &mut self,
        family: usize,
        presented: Option<&str>,
        made: String,
        rules: &TokenRules,
    ) -> Option<String> {
        match (rules.rotation, presented) {
            (Rotation::Rotate, _) | (_, None) => {
                self.add_refresh(family, &made);
                Some(made)
            }
            (Rotation::Same, Some(presented)) => Some(presented.to_owned()),
            (Rotation::Omit, Some(_)) => None,
        }
    }

    /// The login behind an access token that is good at `now`.
    pub fn check(&self, token: &str, now: i64) -> Result<&Session, Bad> {
        let access = self.access.get(token).ok_or(Bad::Unknown)?;
        if access.ended {
            return Err(Bad::Revoked);
        }
        if access.expires_at.is_some_and(|end| end <= now) {
            return Err(Bad::Expired);
        }
        Ok(self.session(access.family))
    }

    /// The login behind a refresh token, spent or not.
    pub fn refresh_session(&self, token: &str) -> Option<&Session> {
        self.refresh.get(token).map(|refresh| self.session(refresh.family))
    }

    /// Spends a refresh token under the provider's rules and returns its family.
    pub fn spend(&mut self, token: &str, client_id: &str, rules: &TokenRules) -> Result<usize, Bad> {
        let refresh = self.refresh.get_mut(token).ok_or(Bad::Unknown)?;
        let family = refresh.family;
        if self.families[family].client_id != client_id {
            return Err(Bad::WrongClient);
        }
        if refresh.ended {
            return Err(Bad::Revoked);
        }
        if refresh.spent {
            if rules.reuse == Reuse::RevokeFamily {
                self.end_family(family);
            }
            return Err(Bad::Spent);
        }
        refresh.spent = rules.rotation == Rotation::Rotate;
        Ok(family)
    }

    /// What a revocation request ends, under the provider's rules. False if the token is unknown.
    pub fn revoke_by(&mut self, token: &str, rules: &TokenRules) -> bool {
        let access = self.access.get(token).map(|access| access.family);
        let family = access.or_else(|| self.refresh.get(token).map(|refresh| refresh.family));
        if let (Some(family), Revocation::AllLogins) = (family, rules.revocation) {
            self.end_grants_like(family);
        }
        self.revoke(token)
    }

    /// Ends every login of this one's person and client.
    fn end_grants_like(&mut self, family: usize) {
        let of = |session: &Session| (session.client_id.clone(), session.account.email);
        let (all, this) = (self.families.iter().map(of), of(self.session(family)));
        let same: Vec<usize> = all.enumerate().filter(|(_, one)| *one == this).map(|(n, _)| n).collect();
        same.into_iter().for_each(|family| self.end_family(family));
    }

    /// Ends one token; a refresh token takes its family along (RFC 7009, 2.1). False if it is unknown.
    pub fn revoke(&mut self, token: &str) -> bool {
        if let Some(access) = self.access.get_mut(token) {
            access.ended = true;
            return true;
        }
        let family = self.refresh.get(token).map(|refresh| refresh.family);
        family.map(|family| self.end_family(family)).is_some()
    }

    /// Ends every token of one login.
    pub fn end_family(&mut self, family: usize) {
        let access = self.access.values_mut().filter(|access| access.family == family);
        access.for_each(|access| access.ended = true);
        let refresh = self.refresh.values_mut().filter(|refresh| refresh.family == family);
        refresh.for_each(|refresh| refresh.ended = true);
    }

    /// Ends every access token before its time, as a provider at times does; refresh tokens stay good.
    pub fn end_access(&mut self) {
        self.access.values_mut().for_each(|access| access.ended = true);
    }

    /// Ends everything.
    pub fn end_all(&mut self) {
        (0..self.families.len()).for_each(|family| self.end_family(family));
    }

    /// What is good at `now`, what is not any more, and everything that was ever given out.
    pub fn report(&self, now: i64) -> Value {
        let good = |token: &&String| self.check(token, now).is_ok();
        let usable = |refresh: &Refresh| !refresh.spent && !refresh.ended;
        let refresh = self.refresh.iter().filter(|(_, refresh)| usable(refresh));
        json!({
            "access": self.access.keys().filter(good).collect::<Vec<_>>(),
            "refresh": refresh.map(|(token, _)| token).collect::<Vec<_>>(),
            "ever": self.access.keys().chain(self.refresh.keys()).collect::<Vec<_>>(),
        })
    }
}
