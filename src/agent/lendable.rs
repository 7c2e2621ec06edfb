//! Which logins can be lent at all.
//!
//! Guarantees: none that its vendor keeps to its own programs, named or not.

use std::collections::BTreeSet;

use crate::broker::Broker;
use crate::config::Config;
use crate::credential::Share;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{LoginStatus, State};

/// What there is to lend.
#[derive(Debug)]
pub struct Lendable {
    /// The logins.
    pub logins: BTreeSet<LoginId>,
    /// Those that somebody is logged in to and that are left out, with the reason.
    pub kept: Vec<(LoginId, Error)>,
}

/// The logins that were named, or all that somebody is logged in to and that may be shared.
///
/// # Errors
/// `unknown_login`; `provider_refused` for a named login that its vendor keeps to its own programs;
/// `not_logged_in` if there is none to lend.
pub async fn lendable(broker: &Broker, config: &Config, named: &[LoginId]) -> Result<Lendable> {
    let mut found = Lendable { logins: BTreeSet::new(), kept: Vec::new() };
    for login in named {
        let kept = broker.status(Some(login)).await?.iter().find_map(|status| kept(config, status));
        match kept {
            Some(error) => return Err(error),
            None => drop(found.logins.insert(login.clone())),
        }
    }
    if named.is_empty() {
        for status in broker.status(None).await? {
            match (status.state, kept(config, &status)) {
                (State::LoggedOut, _) => {}
                (_, Some(error)) => found.kept.push((status.login, error)),
                (_, None) => drop(found.logins.insert(status.login)),
            }
        }
    }
    if found.logins.is_empty() {
        return Err(Error::new(Code::NotLoggedIn, "There is no login that other programs could use.")
            .with_hint("Log in with `:ConvLogin`, or name a login."));
    }
    Ok(found)
}

/// Why a login is kept to its vendor's own programs, if it is.
fn kept(config: &Config, status: &LoginStatus) -> Option<Error> {
    let provider = config.provider(status.login.provider()).ok()?;
    let is_kept = status.kind.is_some_and(|kind| provider.share_of(kind) == Share::Editor);
    is_kept.then(|| provider.kept_to_its_own_programs())
}
