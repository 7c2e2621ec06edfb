//! The encrypted file's cryptography: XChaCha20-Poly1305 under `secret.key`, one fresh nonce a blob.
//!
//! Guarantees: a blob opens for its own login only (the name is associated data), and not if one bit changed;
//! the key is made once and never replaced while a blob exists (rule 9).

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::entry::Backend;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::private_file;
use crate::secret::Secret;

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;

/// The master key.
pub struct MasterKey {
    key: Zeroizing<[u8; KEY_LEN]>,
    /// Whether others could read its file, until now.
    pub mended: bool,
}

impl MasterKey {
    /// Reads the key.
    ///
    /// # Errors
    /// `store_unreadable` if it is missing or not 32 bytes long.
    pub fn read(path: &Path) -> Result<Self> {
        let lost = |what: &str| {
            Error::new(Code::StoreUnreadable, format!("The key file `{}` {what}.", path.display())).with_hint(
                "Put it back from a backup, or log out and in again: without it the encrypted logins cannot be read.",
            )
        };
        let content = private_file::read(path)?.ok_or_else(|| lost("is missing"))?;
        let key =
            <[u8; KEY_LEN]>::try_from(content.bytes.as_slice()).map_err(|_| lost("is not 32 bytes long"))?;
        Ok(Self { key: Zeroizing::new(key), mended: content.mended })
    }

    /// Reads the key, making it first if there is none and `may_make` (no blob exists that another key
    /// sealed).
    ///
    /// # Errors
    /// `store_unreadable` or `store_unwritable`.
    pub fn read_or_make(path: &Path, may_make: bool) -> Result<Self> {
        if may_make && !path.exists() {
            let fresh = Zeroizing::new(rand::random::<[u8; KEY_LEN]>());
            // Somebody else may be faster: then theirs is the key.
            private_file::create(path, fresh.as_slice())?;
        }
        Self::read(path)
    }

    /// Seals a login's secret.
    ///
    /// # Errors
    /// `store_unwritable`, which the cipher gives no cause for at these sizes.
    pub fn seal(&self, login: &LoginId, secret: &Secret) -> Result<Backend> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let aad = associated_data(login);
        let payload = Payload { msg: secret.expose().as_bytes(), aad: aad.as_bytes() };
        let ciphertext = self.cipher().encrypt(&XNonce::from(nonce), payload);
        let ciphertext =
            ciphertext.map_err(|_| Error::new(Code::StoreUnwritable, "The secret could not be sealed."))?;
        Ok(Backend::LocalEncrypted { nonce: STANDARD.encode(nonce), ciphertext: STANDARD.encode(ciphertext) })
    }

    /// Opens a login's blob.
    ///
    /// # Errors
    /// `store_unreadable` if the blob is changed, another login's, or of another key.
    pub fn open(&self, login: &LoginId, nonce: &str, ciphertext: &str) -> Result<Secret> {
        let wrong = || {
            Error::new(
                Code::StoreUnreadable,
                format!("The encrypted login `{login}` does not open with this key."),
            )
            .with_hint(
                "The file or the key was changed. Put both back from one backup, or log out and in again.",
            )
        };
        let nonce = STANDARD.decode(nonce).ok().and_then(|bytes| <[u8; NONCE_LEN]>::try_from(bytes).ok());
        let (Some(nonce), Ok(sealed)) = (nonce, STANDARD.decode(ciphertext)) else { return Err(wrong()) };
        let aad = associated_data(login);
        let payload = Payload { msg: &sealed, aad: aad.as_bytes() };
        let plain = self.cipher().decrypt(&XNonce::from(nonce), payload).map_err(|_| wrong())?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| wrong())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.key))
    }
}

fn associated_data(login: &LoginId) -> String {
    format!("convocations:v1:{login}")
}
