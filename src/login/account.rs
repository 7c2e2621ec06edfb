//! Which login a new credential becomes, if the person named no account.
//!
//! Guarantees: pure; another person's login is never replaced by accident, and logging in again as the same
//! person replaces the login that they have.

use std::collections::BTreeMap;

use crate::login_id::{LoginId, is_name};
use crate::provider::{ANSWER_ACCOUNT, CLIENT_ACCOUNT};
use crate::store::Entry;

/// Longest account name that is made from an identity, in bytes.
const MAX_NAME: usize = 40;

/// The login to store under: the one asked for, unless it has no account and `PROVIDER` belongs to somebody
/// else.
pub(super) fn pick(asked: &LoginId, identity: Option<&str>, stored: &BTreeMap<LoginId, Entry>) -> LoginId {
    let Some(identity) = identity.filter(|_| asked.account().is_none()) else { return asked.clone() };
    let is_mine = |entry: &Entry| entry.identity.as_deref().is_none_or(|known| known == identity);
    if stored.get(asked).is_none_or(is_mine) {
        return asked.clone();
    }
    let mine = |(login, entry): &(&LoginId, &Entry)| {
        login.provider() == asked.provider() && entry.identity.as_deref() == Some(identity)
    };
    if let Some((login, _)) = stored.iter().find(mine) {
        return login.clone();
    }
    let names = [identity.split('@').next().unwrap_or(identity), identity];
    let logins = names.iter().filter_map(|name| LoginId::new(asked.provider(), Some(&account(name)?)).ok());
    let mut free = logins.filter(|login| !stored.contains_key(login));
    free.next().unwrap_or_else(|| numbered(asked, stored))
}

/// `PROVIDER@2`, `@3` …: for identities that make no name, or the same one.
fn numbered(asked: &LoginId, stored: &BTreeMap<LoginId, Entry>) -> LoginId {
    let mut logins =
        (2u32..).filter_map(|number| LoginId::new(asked.provider(), Some(&number.to_string())).ok());
    logins.find(|login| !stored.contains_key(login)).unwrap_or_else(|| asked.clone())
}

/// An identity as an account name: lower case, everything else than letters and digits a single `-`.
fn account(identity: &str) -> Option<String> {
    let lower = identity.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-");
    name.truncate(MAX_NAME);
    let name = name.trim_end_matches('-');
    (is_name(name) && ![CLIENT_ACCOUNT, ANSWER_ACCOUNT].contains(&name)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(identity: Option<&str>) -> Entry {
        let described = json!({ "backend": "keyring", "account": "x", "method": "browser", "kind": "oauth",
            "identity": identity });
        serde_json::from_value(described).unwrap()
    }

    fn picked(asked: &str, identity: Option<&str>, stored: &[(&str, Option<&str>)]) -> String {
        let stored =
            stored.iter().map(|(login, identity)| (login.parse().unwrap(), entry(*identity))).collect();
        pick(&asked.parse().unwrap(), identity, &stored).to_string()
    }

    #[test]
    fn the_name_asked_for_is_taken_where_nobody_else_has_it() {
        let ada = Some("ada@work.example");
        assert_eq!(picked("openai", ada, &[]), "openai");
        assert_eq!(picked("openai", ada, &[("openai", ada)]), "openai");
        assert_eq!(picked("openai", ada, &[("openai", None)]), "openai", "whose it is was never told");
        assert_eq!(picked("openai", None, &[("openai", ada)]), "openai", "who this is was not told");
        assert_eq!(
            picked("openai@x", ada, &[("openai@x", Some("eve@x.example"))]),
            "openai@x",
            "given by the person"
        );
    }

    #[test]
    fn another_identity_gets_a_name_made_of_it() {
        let (ada, eve) = (Some("ada@work.example"), Some("Eve.B@home.example"));
        assert_eq!(picked("openai", eve, &[("openai", ada)]), "openai@eve-b");
        assert_eq!(
            picked("openai", eve, &[("openai", ada), ("openai@home", eve)]),
            "openai@home",
            "hers already"
        );
        let taken = [("openai", ada), ("openai@eve-b", ada)];
        assert_eq!(picked("openai", eve, &taken), "openai@eve-b-home-example");
    }

    #[test]
    fn an_identity_that_makes_no_name_is_numbered() {
        let stored = [("openai", Some("ada")), ("openai@2", Some("eve"))];
        assert_eq!(picked("openai", Some("日本"), &stored), "openai@3");
        let long = "x".repeat(500);
        let name = picked("openai", Some(&long), &stored);
        assert_eq!(name.parse::<LoginId>().unwrap().account().unwrap().len(), MAX_NAME);
    }
}
