//! A login's life in a store, the same for every backend.

use convocations::credential::{Kind, Tokens};
use convocations::secret::Secret;
use convocations::store::{Change, NewLogin, Refusal, Store};

use super::common::TestDir;

/// Runs the suite on an empty store.
pub fn run(store: &Store, dir: &TestDir) {
    let login = "anthropic@suite".parse().unwrap();
    let other = "openrouter".parse().unwrap();
    let new = |tokens: &Tokens| NewLogin::new("subscription", Kind::Oauth, tokens.clone());
    assert_eq!(store.read(&login).unwrap(), None);
    assert!(store.index().unwrap().logins.is_empty());
    let empty = store.stamp();

    let mut tokens = Tokens::api_key(Secret::new("sk-suite-access"), 10);
    tokens.refresh_token = Some(Secret::new("sk-suite-refresh"));
    tokens.expires_at = Some(2_000_000_000);
    tokens.identity = Some("me@example.com".to_owned());
    tokens.scopes = vec!["user:inference".to_owned()];
    tokens.extra.insert("account_id".to_owned(), "7".to_owned());
    let entry = store.put(&login, new(&tokens)).unwrap();
    assert_eq!(
        (entry.revision, entry.expires_at, entry.needs_login.as_deref()),
        (1, Some(2_000_000_000), None)
    );
    assert_eq!(entry.identity.as_deref(), Some("me@example.com"));
    let stored = store.read(&login).unwrap().unwrap();
    assert_eq!((stored.entry, stored.tokens), (entry, tokens.clone()));
    assert_ne!(store.stamp(), empty, "others see the change");
    assert_eq!(dir.files_with(&["sk-suite-access".to_owned(), "sk-suite-refresh".to_owned()]).len(), 0);

    store.put(&other, new(&Tokens::api_key(Secret::new("k"), 1))).unwrap();
    tokens.access_token = Secret::new("sk-suite-second");
    let before = store.stamp();
    let entry = store.put(&login, new(&tokens)).unwrap();
    assert!(entry.revision >= 2 && store.stamp() != before);
    assert_eq!(store.read(&login).unwrap().unwrap().tokens.access_token.expose(), "sk-suite-second");

    let mut refusal = Refusal {
        fingerprint: "0123".to_owned(),
        revision: entry.revision - 1,
        reason: "refused".to_owned(),
        ended_at: None,
    };
    let mark =
        |refusal: &Refusal| store.update(&login, |_| Ok(Change::Refused(refusal.clone()))).unwrap().entry;
    assert_eq!(mark(&refusal), None, "it was another login's");
    refusal.revision = entry.revision;
    let marked = mark(&refusal).unwrap();
    assert_eq!((marked.needs_login.as_deref(), marked.refused.as_deref()), (Some("refused"), Some("0123")));
    assert!(marked.revision > entry.revision);
    assert!(store.read(&login).unwrap().is_some(), "a refused login is still there");
    let entry = store.put(&login, new(&tokens)).unwrap();
    assert_eq!((entry.needs_login, entry.refused), (None, None));

    let removed = store.remove(&login).unwrap().unwrap();
    assert!(removed.leftover.is_none());
    assert_eq!(store.read(&login).unwrap(), None);
    assert!(store.remove(&login).unwrap().is_none());
    assert!(store.read(&other).unwrap().is_some(), "the other login is untouched");
    let again = store.put(&login, new(&tokens)).unwrap();
    assert!(
        again.revision > removed.entry.unwrap().revision,
        "a login made anew is newer than the one before"
    );
    store.remove(&login).unwrap();
    store.remove(&other).unwrap();
}
