//! The keyrings of macOS and Windows, by the keyring crate. They ask the person themselves, or answer with an
//! error, and know no limit: the caller stops waiting.

use super::{KeyringError, Limit, SERVICE};
use crate::secret::Secret;

/// No bus.
pub fn greet() {}

/// None was greeted.
pub fn hang_up() {}

/// No way that keeps to a limit by itself.
pub fn read_plain(_: &str, _: Limit) -> Option<Secret> {
    None
}

pub fn read(account: &str, _: Limit) -> Result<Option<Secret>, KeyringError> {
    match entry(account)?.get_password() {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(of(&error)),
    }
}

pub fn write(account: &str, secret: &Secret, _: Limit) -> Result<(), KeyringError> {
    entry(account)?.set_password(secret.expose()).map_err(|error| of(&error))
}

pub fn delete(account: &str, _: Limit) -> Result<(), KeyringError> {
    match entry(account)?.delete_credential() {
        Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
        Err(error) => Err(of(&error)),
    }
}

fn entry(account: &str) -> Result<keyring::Entry, KeyringError> {
    keyring::Entry::new(SERVICE, account).map_err(|error| of(&error))
}

/// By variant only: the payloads may hold the secret.
fn of(error: &keyring::Error) -> KeyringError {
    match error {
        keyring::Error::TooLong(..) => KeyringError::TooLong,
        _ => KeyringError::Denied,
    }
}
