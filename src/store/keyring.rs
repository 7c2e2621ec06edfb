//! The keyring of the operating system, with a time limit around every call.
//!
//! Guarantees: found, not found, locked, absent, timed out and denied are different answers (rule 9); nothing of the
//! keyring crate's errors leaves this file, since their `Debug` prints secrets; a call that hangs is left behind in a
//! thread of its own and holds up nobody, and a keyring that hung is not asked again for a while.

use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Code, Error};
use crate::secret::Secret;

/// Service name of every item: the Convocations app's, so that its own key is found under it too.
pub const SERVICE: &str = "com.convocations.app";
/// How long a keyring that hung is left alone, so that not every call waits for the limit again.
const LEAVE_ALONE: Duration = Duration::from_secs(10);
/// Time for the person to type the keyring's password.
const UNLOCK_TIME: Duration = Duration::from_secs(60);

/// Why the keyring gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is there and locked.
    Locked,
    /// There is none: no session bus, no service, no collection.
    Absent,
    /// It did not answer within the limit.
    TimedOut,
    /// It said no.
    Denied,
    /// It holds no more than so many bytes (Windows: 2,560).
    TooLong,
}

impl Trouble {
    /// The error for the person.
    pub fn error(self) -> Error {
        match self {
            Self::Locked => Error::new(Code::KeyringLocked, "The keyring is locked.")
                .with_hint("Unlock it, for example by logging in to your desktop, and try again."),
            Self::Absent => Error::new(Code::KeyringUnavailable, "There is no keyring in this session.").with_hint(
                "Start a Secret Service such as gnome-keyring, or set `store.backend = \"local-encrypted\"`.",
            ),
            Self::TimedOut => Error::new(Code::KeyringUnavailable, "The keyring does not answer.").with_hint(
                "It may show a dialog that you cannot see. Restart it, or set `store.backend = \"local-encrypted\"`.",
            ),
            Self::Denied => Error::new(Code::KeyringUnavailable, "The keyring refuses access.")
                .with_hint("Allow it in the keyring's settings, or set `store.backend = \"local-encrypted\"`."),
            Self::TooLong => Error::new(Code::StoreUnwritable, "The login is too long for this keyring.")
                .with_hint("Set `store.backend = \"local-encrypted\"` for it."),
        }
    }
}

/// The keyring, as one store uses it.
#[derive(Debug)]
pub struct Keyring {
    limit: Duration,
    hung_at: Mutex<Option<Instant>>,
}

impl Keyring {
    /// A keyring whose calls take at most `limit`. Nothing is asked yet.
    pub fn new(limit: Duration) -> Self {
        Self { limit, hung_at: Mutex::new(None) }
    }

    /// An item's secret; `None` if there is no such item.
    ///
    /// # Errors
    /// The [`Trouble`]. With `interactive`, a locked keyring may ask the person first.
    pub fn get(&self, account: &str, interactive: bool) -> Result<Option<Secret>, Trouble> {
        let account = account.to_owned();
        self.call(interactive, move || platform::read(&account, interactive))
    }

    /// Writes an item; when this returns, the keyring has it.
    ///
    /// # Errors
    /// The [`Trouble`].
    pub fn set(&self, account: &str, secret: &Secret, interactive: bool) -> Result<(), Trouble> {
        let (account, secret) = (account.to_owned(), secret.clone());
        self.call(interactive, move || {
            platform::ready(interactive)?;
            entry(&account)?.set_password(secret.expose()).map_err(|error| trouble(&error))
        })
    }

    /// Removes an item; that there is none is as good.
    ///
    /// # Errors
    /// The [`Trouble`].
    pub fn delete(&self, account: &str, interactive: bool) -> Result<(), Trouble> {
        let account = account.to_owned();
        self.call(interactive, move || {
            platform::ready(interactive)?;
            match entry(&account)?.delete_credential() {
                Ok(()) | Err(keyring::Error::NoEntry) => Ok(()),
                Err(error) => Err(trouble(&error)),
            }
        })
    }

    /// Whether items could be read and written now, by asking for one that nobody has.
    ///
    /// # Errors
    /// The [`Trouble`].
    pub fn probe(&self) -> Result<(), Trouble> {
        self.get("convocations-probe", false).map(drop)
    }

    fn call<T: Send + 'static>(
        &self,
        interactive: bool,
        work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let mut hung_at = self.hung_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if hung_at.is_some_and(|at| at.elapsed() < LEAVE_ALONE) {
            return Err(Trouble::TimedOut);
        }
        // Nobody else waits behind a call that may hang.
        *hung_at = None;
        drop(hung_at);
        let limit = if interactive { self.limit + UNLOCK_TIME } else { self.limit };
        let (sender, receiver) = mpsc::sync_channel(1);
        let started = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
            let _ = sender.send(work());
        });
        if started.is_err() {
            return Err(Trouble::Absent);
        }
        match receiver.recv_timeout(limit) {
            Ok(answer) => answer,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                *self.hung_at.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    Some(Instant::now());
                Err(Trouble::TimedOut)
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Trouble::Absent),
        }
    }
}

/// Reads an item by the keyring crate. On Linux, only once the collection is known to be unlocked.
fn read(account: &str) -> Result<Option<Secret>, Trouble> {
    match entry(account)?.get_password() {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(keyring::Error::NoEntry) => Ok(None),
        Err(error) => Err(trouble(&error)),
    }
}

fn entry(account: &str) -> Result<keyring::Entry, Trouble> {
    keyring::Entry::new(SERVICE, account).map_err(|error| trouble(&error))
}

/// By variant only: the payloads may hold the secret.
fn trouble(error: &keyring::Error) -> Trouble {
    match error {
        keyring::Error::NoStorageAccess(_) => Trouble::Denied,
        keyring::Error::TooLong(..) => Trouble::TooLong,
        keyring::Error::PlatformFailure(inner) => platform::trouble(inner.as_ref()),
        _ => Trouble::Denied,
    }
}

#[cfg(target_os = "linux")]
mod platform {
    use std::collections::HashMap;

    use dbus_secret_service::{EncryptionType, Error, SecretService};

    use super::{SERVICE, Secret, Trouble, UNLOCK_TIME};

    /// Reads an item over one connection; the keyring crate would take a second one, and ask the person about a locked
    /// item.
    pub fn read(account: &str, interactive: bool) -> Result<Option<Secret>, Trouble> {
        let service = connect(interactive)?;
        let attributes = HashMap::from([("service", SERVICE), ("username", account), ("target", "default")]);
        let found = service.search_items(attributes).map_err(|error| of(&error))?;
        if let ([item], []) = (found.unlocked.as_slice(), found.locked.as_slice()) {
            let bytes = item.get_secret().map_err(|error| of(&error))?;
            let text = zeroize::Zeroizing::new(String::from_utf8(bytes).map_err(|_| Trouble::Denied)?);
            return Ok(Some(Secret::new(text.as_str())));
        }
        is_unlocked(&service, interactive)?;
        // In another collection than the one just asked about.
        if !found.locked.is_empty() && !interactive {
            return Err(Trouble::Locked);
        }
        // Several, or none that a search finds: the crate that wrote it knows which.
        super::read(account)
    }

    /// Whether the keyring is there and unlocked.
    pub fn ready(interactive: bool) -> Result<(), Trouble> {
        is_unlocked(&connect(interactive)?, interactive)
    }

    fn connect(interactive: bool) -> Result<SecretService, Trouble> {
        // D-Bus would start an X11 program to find a bus; a terminal or a service has none to be found.
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() && !has_user_bus() {
            return Err(Trouble::Absent);
        }
        let seconds = if interactive { UNLOCK_TIME.as_secs() } else { 0 };
        SecretService::connect_with_max_prompt_timeout(EncryptionType::Plain, seconds)
            .map_err(|error| of(&error))
    }

    /// Asks the collection itself whether it is locked: to a search, a locked one looks like an empty one.
    fn is_unlocked(service: &SecretService, interactive: bool) -> Result<(), Trouble> {
        let collection = service.get_default_collection().map_err(|error| of(&error))?;
        match collection.is_locked() {
            Ok(false) => Ok(()),
            Ok(true) if interactive => collection.unlock().map_err(|_| Trouble::Locked),
            Ok(true) => Err(Trouble::Locked),
            Err(error) => Err(of(&error)),
        }
    }

    /// systemd's bus of the user, where libdbus looks next.
    fn has_user_bus() -> bool {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
        runtime.is_some_and(|folder| folder.join("bus").exists())
    }

    pub fn trouble(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Trouble {
        error.downcast_ref::<Error>().map_or(Trouble::Denied, of)
    }

    fn of(error: &Error) -> Trouble {
        match error {
            Error::Locked | Error::Prompt => Trouble::Locked,
            Error::Unavailable | Error::NoResult => Trouble::Absent,
            Error::Dbus(error) => match error.name() {
                Some("org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout") => {
                    Trouble::TimedOut
                }
                Some("org.freedesktop.DBus.Error.AccessDenied") => Trouble::Denied,
                Some("org.freedesktop.Secret.Error.IsLocked") => Trouble::Locked,
                _ => Trouble::Absent,
            },
            _ => Trouble::Denied,
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use super::{Secret, Trouble};

    pub fn read(account: &str, _interactive: bool) -> Result<Option<Secret>, Trouble> {
        super::read(account)
    }

    /// macOS and Windows ask the person themselves, or answer with an error.
    pub fn ready(_interactive: bool) -> Result<(), Trouble> {
        Ok(())
    }

    pub fn trouble(_: &(dyn std::error::Error + Send + Sync + 'static)) -> Trouble {
        Trouble::Denied
    }
}
