//! The one error type that crosses module borders.
//!
//! Guarantees: every error has a stable code (the table in `doc/conv.txt`), one sentence for the person, and
//! mostly a hint that says what to do next. No token, code, verifier, URL query or response body is ever put
//! into one; a foreign error's `Debug` never is either. Knows no other module.

use std::fmt;
use std::time::Duration;

/// Result of everything that can fail towards the person.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// How loudly a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is not as the person may think.
    Warn,
    /// Something does not work.
    Error,
}

/// What ends an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Time: the same call may succeed later without anything being done.
    Passing,
    /// A person, by something that changes the store or the settings: until news of that, the answer stays
    /// the same.
    Lasting,
    /// Something else, such as a keyring that is unlocked, of which no news comes: only another try tells.
    Untold,
}

macro_rules! codes {
    ($($variant:ident = $name:literal, $exit:literal, $ends:ident, $level:ident, $about_us:literal, $meaning:literal;)*) => {
        /// What went wrong, by the name that Lua, the command line and scripts see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $meaning] $variant,)* }

        impl Code {
            /// Every code, in the order of the help's table.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The stable name, in `snake_case`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The code of a stable name.
            pub fn from_name(name: &str) -> Option<Code> {
                Code::ALL.iter().copied().find(|code| code.as_str() == name)
            }

            /// The command line's exit status: 2 usage, 3 log in, 4 refused, 5 try again, 6 store, 130
            /// cancelled.
            pub const fn exit_status(self) -> u8 {
                match self { $(Code::$variant => $exit,)* }
            }

            /// What ends it.
            pub const fn ends(self) -> Ends {
                match self { $(Code::$variant => Ends::$ends,)* }
            }

            /// How loudly a person is told.
            pub const fn level(self) -> Level {
                match self { $(Code::$variant => Level::$level,)* }
            }

            /// Whether, as the end of a login, it may mean that the server no longer knows this program. Most
            /// servers say so to the person in the browser alone, so a login that nobody finished counts too;
            /// trouble on the way there does not.
            pub const fn may_be_about_us(self) -> bool {
                match self { $(Code::$variant => $about_us,)* }
            }

            /// What the code means, for the help.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $meaning,)* }
            }
        }
    };
}

// Every code with all that depends on it, in the help, in Lua (`make doc`) and here: name, exit status, what
// ends it, how loud it is, whether it may be about this program's registration, meaning.
codes! {
    NotLoggedIn = "not_logged_in", 3, Lasting, Warn, false, "No source yields a credential for this login.";
    LoginExpired = "login_expired", 3, Lasting, Warn, false, "The stored login can no longer be refreshed.";
    LoginDenied = "login_denied", 4, Untold, Warn, false, "The person or the provider refused it, on the consent page or when a login was lent.";
    LoginTimeout = "login_timeout", 5, Untold, Warn, true, "Nobody finished the login in time.";
    Cancelled = "cancelled", 130, Untold, Info, true, "The person cancelled.";
    Busy = "busy", 5, Passing, Warn, false, "Another login or another process holds what this call needs.";
    Starting = "starting", 5, Passing, Info, false, "The backend is still starting.";
    UnknownLogin = "unknown_login", 2, Lasting, Error, false, "No provider or login has this name.";
    InvalidArgument = "invalid_argument", 2, Untold, Error, false, "An argument is not of the allowed form.";
    ConfigInvalid = "config_invalid", 2, Lasting, Error, false, "The configuration has a wrong key, type or value.";
    Network = "network", 5, Passing, Warn, false, "The provider could not be reached.";
    Timeout = "timeout", 5, Passing, Warn, false, "The provider did not answer in time.";
    RateLimited = "rate_limited", 5, Passing, Warn, false, "The provider asks to wait.";
    ProviderRefused = "provider_refused", 4, Untold, Error, true, "The provider refused the request.";
    ProviderError = "provider_error", 5, Passing, Warn, false, "The provider reports a fault of its own.";
    BadResponse = "bad_response", 5, Passing, Error, true, "The answer is not what the protocol allows.";
    StateMismatch = "state_mismatch", 4, Untold, Warn, false, "The answer belongs to another login attempt.";
    PortInUse = "port_in_use", 5, Untold, Error, false, "The loopback port that the provider demands is taken.";
    KeyringLocked = "keyring_locked", 6, Untold, Error, false, "The keyring is there but locked.";
    KeyringUnavailable = "keyring_unavailable", 6, Untold, Error, false, "There is no keyring, or it does not answer.";
    StoreUnreadable = "store_unreadable", 6, Untold, Error, false, "A stored credential is there but cannot be read.";
    StoreUnwritable = "store_unwritable", 6, Untold, Error, false, "The store cannot be written.";
    BackendMissing = "backend_missing", 2, Untold, Error, false, "The backend program is not built or not found.";
    BackendCrashed = "backend_crashed", 5, Untold, Error, false, "The backend ended unexpectedly.";
    ProtocolMismatch = "protocol_mismatch", 2, Untold, Error, false, "Plugin and backend speak different protocol versions.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What went wrong: a code, one sentence, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Error {
    /// One of the codes.
    code: Code,
    /// One sentence.
    message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// How long the provider asked to wait, if it did.
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Error {
    /// An error with a one-sentence message. The message must be free of secrets: see the module comment.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, retry_after: None }
    }

    /// Adds what the person should do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the provider's wish to be left alone for a while.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// One sentence, without the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// How long the provider asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same call may succeed later without anything being done by the person.
    pub fn is_transient(&self) -> bool {
        self.code.ends() == Ends::Passing
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
