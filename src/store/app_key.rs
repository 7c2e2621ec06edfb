//! The OpenRouter key that the Convocations app keeps, read only.
//!
//! The app's own places, in its order: a keyring item, an encrypted copy under `secrets/`, the blob in config.toml
//! (allquixotic/convocations, secret store): ChaCha20-Poly1305 with a nonce of 12 bytes and no associated data,
//! under `secret.key`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde_json::Value;

use super::keyring::Keyring;
use super::private_file;
use crate::error::Result;
use crate::paths::Paths;
use crate::secret::Secret;

/// The app's keyring account.
const ACCOUNT: &str = "convocations-openrouter_api_key";

/// Finds the key; `None` if the app keeps none that can be read.
///
/// # Errors
/// That of a keyring which is locked or hangs, when the app's own reference says that the key is in it.
pub fn find(paths: &Paths, reference: Option<&Value>, keyring: &Keyring) -> Result<Option<Secret>> {
    let backend = reference.and_then(|table| table.get("backend")?.as_str());
    let file = paths.config_dir().join("secrets").join("openrouter_api_key.json");
    if backend.is_none() && !file.exists() {
        return Ok(None);
    }
    let mut trouble = None;
    if backend == Some("keyring") {
        let account = reference.and_then(|table| table.get("account")?.as_str()).unwrap_or(ACCOUNT);
        match keyring.get(account, false) {
            Ok(Some(key)) => return Ok(Some(key)),
            Ok(None) => {}
            Err(why) => trouble = Some(why.error()),
        }
    }
    let copy = private_file::read(&file).ok().flatten();
    let copy: Option<Value> = copy.and_then(|content| serde_json::from_slice(&content.bytes).ok());
    let opened =
        [copy.as_ref(), reference].into_iter().flatten().find_map(|blob| open(&paths.key_file(), blob));
    match (opened, trouble) {
        (Some(key), _) => Ok(Some(key)),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(None),
    }
}

fn open(key_file: &Path, blob: &Value) -> Option<Secret> {
    let field = |name: &str| STANDARD.decode(blob.get(name)?.as_str()?).ok();
    let nonce: [u8; 12] = field("nonce")?.try_into().ok()?;
    let sealed = field("ciphertext")?;
    let key: [u8; 32] = private_file::read(key_file).ok()??.bytes.try_into().ok()?;
    let plain =
        ChaCha20Poly1305::new(&Key::from(key)).decrypt(&Nonce::from(nonce), sealed.as_slice()).ok()?;
    let text = String::from_utf8(plain).ok()?;
    (!text.trim().is_empty()).then(|| Secret::new(text.trim()))
}
