//! The OpenRouter key that the Convocations app keeps, read only.
//!
//! The app's own places, in its order: a keyring item, an encrypted copy under `secrets/`, the blob in
//! config.toml (allquixotic/convocations, secret store): ChaCha20-Poly1305 with a nonce of 12 bytes and no
//! associated data, under `secret.key`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde_json::Value;

use super::keyring::{Keyring, KeyringError, Patience};
use crate::error::{Code, Error, Result};
use crate::paths::Paths;
use crate::private_file;
use crate::secret::Secret;

/// The app's keyring account.
const ACCOUNT: &str = "convocations-openrouter_api_key";

/// Finds the key; `None` if the app keeps none.
///
/// # Errors
/// That of a keyring which is locked or hangs, when the app's own reference says that the key is in it;
/// `store_unreadable` if there is one that cannot be read or opened now.
pub fn find(paths: &Paths, reference: Option<&Value>, keyring: &Keyring) -> Result<Option<Secret>> {
    let backend = reference.and_then(|table| table.get("backend")?.as_str());
    let file = paths.config_dir().join("secrets").join("openrouter_api_key.json");
    if backend.is_none() && !file.exists() {
        return Ok(None);
    }
    let mut trouble = None;
    if backend == Some("keyring") {
        let account = reference.and_then(|table| table.get("account")?.as_str()).unwrap_or(ACCOUNT);
        match keyring.get(account, Patience::Usual) {
            Ok(Some(key)) => return Ok(Some(key)),
            Ok(None) => {}
            Err(why) => trouble = Some(KeyringError::error(why)),
        }
    }
    let copy = private_file::read(&file).unwrap_or_else(|why| {
        trouble.get_or_insert(why);
        None
    });
    let is_sealed = copy.is_some() || reference.is_some_and(|table| table.get("ciphertext").is_some());
    let copy: Option<Value> = copy.and_then(|content| serde_json::from_slice(&content.bytes).ok());
    let opened =
        [copy.as_ref(), reference].into_iter().flatten().find_map(|blob| open(&paths.key_file(), blob));
    match (opened, trouble) {
        (Some(key), _) => Ok(Some(key).filter(|key| !key.is_empty())),
        (None, Some(error)) => Err(error),
        // Rule 9: what cannot be opened now is not taken for nothing.
        (None, None) if is_sealed => Err(unopened()),
        (None, None) => Ok(None),
    }
}

fn unopened() -> Error {
    Error::new(Code::StoreUnreadable, "The OpenRouter key of the Convocations app cannot be opened.")
        .with_hint("Enter it again in the app, or log in with `:ConvLogin openrouter`.")
}

fn open(key_file: &Path, blob: &Value) -> Option<Secret> {
    let field = |name: &str| STANDARD.decode(blob.get(name)?.as_str()?).ok();
    let nonce: [u8; 12] = field("nonce")?.try_into().ok()?;
    let sealed = field("ciphertext")?;
    let key: [u8; 32] = private_file::read(key_file).ok()??.bytes.as_slice().try_into().ok()?;
    let plain =
        ChaCha20Poly1305::new(&Key::from(key)).decrypt(&Nonce::from(nonce), sealed.as_slice()).ok()?;
    let text = zeroize::Zeroizing::new(String::from_utf8(plain).ok()?);
    Some(Secret::new(text.trim()))
}
