//! The keyring of the operating system, with a time limit around every call.
//!
//! Guarantees: found, not found, locked, absent, timed out and denied are different answers (rule 9); nothing
//! of the libraries' errors leaves this module, since the `Debug` of some prints secrets; a call ends with
//! its limit, and one that hangs all the same is left behind in a thread of its own and holds up nobody; a
//! keyring that hung is not asked again for a while, except by those who must know.

#[cfg(target_os = "linux")]
#[path = "secret_service.rs"]
mod platform;
#[cfg(not(target_os = "linux"))]
mod platform;

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Code, Error};
use crate::private_file;
use crate::secret::Secret;

/// Service name of every item: the Convocations app's, so that its own key is found under it too.
pub const SERVICE: &str = "com.convocations.app";
/// How long a keyring that hung is left alone, so that not every call waits for the limit again.
const LEAVE_ALONE: Duration = Duration::from_secs(10);
/// Time for the person to type the keyring's password.
const UNLOCK_TIME: Duration = Duration::from_secs(60);
/// Longest time of a second try.
const SECOND_TRY: Duration = Duration::from_secs(2);
/// How many times the limit a removal may take: what it does not remove is left behind.
const FOR_REMOVAL: u32 = 3;

/// How the index names a login in the keyring.
const IN_KEYRING: &[u8] = b"\nbackend = \"keyring\"\n";

/// Greets the session's bus where the index has a login in the keyring: the bus answers while the process
/// still starts. The keyring itself is asked nothing (rule 11), and nothing is waited for; where a login is
/// in no keyring, nothing is connected. Ends with [`hang_up`], or with the first read.
pub fn greet(index: &Path) {
    let text = private_file::glance(index);
    if text.is_some_and(|text| text.windows(IN_KEYRING.len()).any(|part| part == IN_KEYRING)) {
        platform::greet();
    }
}

/// Leaves a bus that was greeted and has not been asked since.
pub fn hang_up() {
    platform::hang_up();
}

/// Why the keyring gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyringError {
    /// It is there and locked.
    Locked,
    /// There is none: no session bus, no service, no collection.
    Absent,
    /// It did not answer within the limit; what it was asked to do it may still do.
    TimedOut,
    /// It said no.
    Denied,
    /// It holds no more than so many bytes (Windows: 2,560).
    TooLong,
}

impl KeyringError {
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

/// Who waits, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// The settings' limit.
    Usual,
    /// A person, who may be asked to unlock it, and has time for that besides.
    Asking,
    /// Somebody who has just tried.
    Again,
    /// Somebody who removes what must not stay; `asks` as above.
    Removing { asks: bool },
}

impl Patience {
    fn limit(self, usual: Duration) -> Duration {
        match self {
            Self::Usual | Self::Asking => usual,
            Self::Again => usual.min(SECOND_TRY),
            Self::Removing { .. } => usual * FOR_REMOVAL,
        }
    }

    fn asks(self) -> bool {
        matches!(self, Self::Asking | Self::Removing { asks: true })
    }
}

/// When a call ends, and whether a person may be asked, whose time does not count.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
struct Limit {
    end: Instant,
    asks: bool,
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
    /// The [`KeyringError`].
    pub fn get(&self, account: &str, patience: Patience) -> Result<Option<Secret>, KeyringError> {
        let call = self.begin(patience)?;
        // Most reads end here, without a thread of their own.
        if let Some(secret) = platform::read_plain(account, call) {
            return Ok(Some(secret));
        }
        let account = account.to_owned();
        self.end(patience, call, move |limit| platform::read(&account, limit))
    }

    /// Writes an item; when this returns, the keyring has it.
    ///
    /// # Errors
    /// The [`KeyringError`].
    pub fn set(&self, account: &str, secret: &Secret, patience: Patience) -> Result<(), KeyringError> {
        let (account, secret) = (account.to_owned(), secret.clone());
        self.call(patience, move |limit| platform::write(&account, &secret, limit))
    }

    /// Removes an item; that there is none is as good.
    ///
    /// # Errors
    /// The [`KeyringError`].
    pub fn delete(&self, account: &str, patience: Patience) -> Result<(), KeyringError> {
        let account = account.to_owned();
        self.call(patience, move |limit| platform::delete(&account, limit))
    }

    /// Whether items could be read and written now, by asking for one that nobody has.
    ///
    /// # Errors
    /// The [`KeyringError`].
    pub fn probe(&self) -> Result<(), KeyringError> {
        self.get("convocations-probe", Patience::Usual).map(drop)
    }

    fn call<T: Send + 'static>(
        &self,
        patience: Patience,
        work: impl FnOnce(Limit) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let call = self.begin(patience)?;
        self.end(patience, call, work)
    }

    /// A call's limit, which runs from now.
    fn begin(&self, patience: Patience) -> Result<Limit, KeyringError> {
        let hung_at = std::mem::take(&mut *self.hung_at());
        if patience == Patience::Usual && hung_at.is_some_and(|at| at.elapsed() < LEAVE_ALONE) {
            *self.hung_at() = hung_at;
            return Err(KeyringError::TimedOut);
        }
        Ok(Limit { end: Instant::now() + patience.limit(self.limit), asks: patience.asks() })
    }

    /// Works in a thread, which is left behind when it does not end with the limit.
    fn end<T: Send + 'static>(
        &self,
        patience: Patience,
        call: Limit,
        work: impl FnOnce(Limit) -> Result<T, KeyringError> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let answer = in_time(call, work);
        if let Err(error) = &answer {
            tracing::debug!(?error, ?patience, "the keyring gives no answer");
        }
        if matches!(answer, Err(KeyringError::TimedOut)) {
            *self.hung_at() = Some(Instant::now());
        }
        answer
    }

    fn hung_at(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.hung_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_time<T: Send + 'static>(
    call: Limit,
    work: impl FnOnce(Limit) -> Result<T, KeyringError> + Send + 'static,
) -> Result<T, KeyringError> {
    let left = call.end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(KeyringError::TimedOut);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let started = std::thread::Builder::new().name("keyring".to_owned()).spawn(move || {
        let _ = sender.send(work(call));
    });
    if started.is_err() {
        return Err(KeyringError::Absent);
    }
    let longest = left + if call.asks { UNLOCK_TIME } else { Duration::ZERO };
    match receiver.recv_timeout(longest) {
        Ok(answer) => answer,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(KeyringError::TimedOut),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(KeyringError::Absent),
    }
}
