//! How logins are that another machine lends, as far as that is known without asking it.
//!
//! Guarantees: a login of this machine's own is not told usable before it is known what is lent (rule 22).

use std::sync::PoisonError;

use super::Inner;
use crate::credential::Validity;
use crate::error::Error;
use crate::login_id::LoginId;
use crate::protocol::{Credential, LoginStatus, State};
use crate::remote::{Agent, Known, Offer};

/// The state of all logins, with those that are lent in place of this machine's of the same name.
pub(super) fn with_lent(inner: &Inner, own: Vec<LoginStatus>) -> Vec<LoginStatus> {
    let Some(agent) = &inner.agent else { return own };
    let Known { offer, trouble, .. } = agent.known();
    let Some(offer) = offer else { return own.into_iter().map(|own| trusted(inner, own)).collect() };
    let own = own.into_iter().filter(|status| !offer.lends(&status.login));
    let lent = offer.logins.iter().map(|status| lent(inner, status.clone(), trouble.as_ref()));
    let mut all: Vec<LoginStatus> = own.chain(lent).collect();
    all.sort_by(|one, other| one.login.cmp(&other.login));
    all
}

/// The state of a login that is lent.
pub(super) fn lent_status(inner: &Inner, login: &LoginId) -> Option<LoginStatus> {
    let Known { offer, trouble, .. } = inner.agent.as_ref()?.known();
    let status = row(offer.as_deref()?, login)?;
    Some(lent(inner, status, trouble.as_ref()))
}

/// The state of a login of this machine's own, which is not used before it is known what is lent.
pub(super) fn trusted(inner: &Inner, own: LoginStatus) -> LoginStatus {
    match inner.agent.as_ref().map(Agent::known) {
        Some(Known { offer: None, trouble, .. }) => unknown(own, trouble.as_ref()),
        _ => own,
    }
}

fn row(offer: &Offer, login: &LoginId) -> Option<LoginStatus> {
    offer.logins.iter().find(|status| status.login == *login).cloned()
}

/// As long as the agent cannot be asked: what is in memory is handed out, and nothing else.
fn lent(inner: &Inner, status: LoginStatus, trouble: Option<&Error>) -> LoginStatus {
    match trouble {
        Some(trouble) if is_held(inner, &status.login) => {
            LoginStatus { error: Some(trouble.clone()), ..status }
        }
        _ => unknown(status, trouble),
    }
}

/// A `get` would answer that the agent cannot be asked.
fn unknown(status: LoginStatus, trouble: Option<&Error>) -> LoginStatus {
    match trouble {
        Some(trouble) => {
            LoginStatus { state: State::Error, source: None, error: Some(trouble.clone()), ..status }
        }
        None => status,
    }
}

fn is_held(inner: &Inner, login: &LoginId) -> bool {
    let (stamp, now) = (inner.store.stamp(), inner.clock.now());
    let margin = Validity::Margin(inner.config.refresh.margin);
    let cache = inner.cache.lock().unwrap_or_else(PoisonError::into_inner);
    let is_good = |held: &Credential| held.is_fresh(now, margin.seconds(held.lifetime));
    cache.peek(login, stamp, is_good).is_some()
}
