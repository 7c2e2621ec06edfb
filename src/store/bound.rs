//! A login's secret as it is kept, and what it is bound to (rule 20).
//!
//! Guarantees: a secret says of itself which store and which login it is of, and one that says otherwise than
//! the index is refused and named; a keyring item is asked for by a login's own name alone, whatever its
//! entry says. What the version before this one stored says nothing of the kind and has a name without the
//! store: it is taken as long as nothing speaks against it, and becomes bound at its next write.

use std::str::FromStr as _;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::entry::{Backend, Entry};
use super::{NewLogin, Stored};
use crate::credential::{Kind, Tokens};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::secret::Secret;

/// What the names of our keyring items begin with.
const PREFIX: &str = "convocations-";

/// The name of a login's keyring item.
pub fn account(login: &LoginId, store: &str) -> String {
    format!("{PREFIX}{login}-{store}")
}

/// The same as the version before stores had ids gave it: whichever folder wrote it last, it is that one's.
pub fn account_before_ids(login: &LoginId) -> String {
    format!("{PREFIX}{login}")
}

/// Whether a keyring item of this name may be this login's of this store.
pub fn is_own_account(name: &str, login: &LoginId, store: Option<&str>) -> bool {
    name == account_before_ids(login) || store.is_some_and(|store| name == account(login, store))
}

/// Whether a keyring item of this name is some login's of this store, and no other store's.
pub fn is_of_store(name: &str, store: Option<&str>) -> bool {
    let login = store.and_then(|store| name.strip_prefix(PREFIX)?.strip_suffix(store)?.strip_suffix('-'));
    login.is_some_and(|login| LoginId::from_str(login).is_ok())
}

/// The secret as it is kept.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    tokens: &'a Tokens,
    method: &'a str,
    kind: Kind,
    store: &'a str,
    login: &'a str,
}

/// What a secret says about itself, as far as it does.
#[derive(Deserialize)]
struct About {
    method: Option<String>,
    kind: Option<Kind>,
    store: Option<String>,
    login: Option<String>,
}

/// A login's secret as it is kept in this store.
///
/// # Errors
/// `store_unwritable` if it cannot be encoded.
pub fn encode(login: &LoginId, store: &str, new: &NewLogin) -> Result<Secret> {
    let kept =
        Kept { tokens: &new.tokens, method: &new.method, kind: new.kind, store, login: login.as_str() };
    let text = serde_json::to_string(&kept).map(Zeroizing::new);
    let text = text.map_err(|_| Error::new(Code::StoreUnwritable, "The login cannot be encoded."))?;
    Ok(Secret::new(text.as_str()))
}

/// The login whose secret this is. Where the secret and the index differ about the method, the secret is
/// believed: somebody was killed between the two writes.
///
/// # Errors
/// `store_unreadable` if it is another's, or of a form that is not known.
pub fn decode(login: &LoginId, store: Option<&str>, mut entry: Entry, secret: &Secret) -> Result<Stored> {
    let unknown = |_| {
        Error::new(
            Code::StoreUnreadable,
            format!("The stored login `{login}` is not of a form that is known."),
        )
        .with_hint(format!("Update Convocations, or log in again with `:ConvLogin {login}`."))
    };
    let about: About = serde_json::from_str(secret.expose()).map_err(unknown)?;
    if !is_own(&about, login, store, &entry) {
        return Err(anothers(login));
    }
    let tokens: Tokens = serde_json::from_str(secret.expose()).map_err(unknown)?;
    let both = entry.identity.as_ref().zip(tokens.identity.as_ref());
    if about.store.is_none() && both.is_some_and(|(one, other)| one != other) {
        return Err(anothers(login));
    }
    if let (Some(method), Some(kind)) = (about.method, about.kind) {
        (entry.method, entry.kind) = (method, kind);
    }
    Ok(Stored { entry, tokens })
}

fn is_own(about: &About, login: &LoginId, store: Option<&str>, entry: &Entry) -> bool {
    match (&about.store, &entry.backend) {
        (Some(of), _) => Some(of.as_str()) == store && about.login.as_deref() == Some(login.as_str()),
        // A blob names its login by what it was sealed with.
        (None, Backend::LocalEncrypted { .. }) => true,
        (None, Backend::Keyring { account }) => *account == account_before_ids(login),
    }
}

/// Whether what the version before stored under a name without a store is what this entry tells of. Nothing
/// else can tell which of several folders wrote it.
pub fn is_described(entry: &Entry, secret: &Secret) -> bool {
    let Ok(tokens) = serde_json::from_str::<Tokens>(secret.expose()) else { return false };
    let is_bound = serde_json::from_str::<About>(secret.expose()).is_ok_and(|about| about.store.is_some());
    !is_bound && tokens.expires_at == entry.expires_at && tokens.identity == entry.identity
}

/// What stands where a login's secret should be, or is named in its entry, is another's.
pub fn anothers(login: &LoginId) -> Error {
    let message = format!("What is stored for `{login}` belongs to another login, or to another folder's.");
    Error::new(Code::StoreUnreadable, message).with_hint(format!(
        "It was copied or changed by hand, and is not used. Log in again with `:ConvLogin {login}`."
    ))
}
