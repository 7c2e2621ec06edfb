//! The one error type that crosses module borders.
//!
//! Guarantees: every error has a stable code (the table in `doc/conv.txt`), one sentence for the person, and
//! mostly a hint that says what to do next. No token, code, verifier, URL query or response body is ever put
//! into one; a foreign error's `Debug` never is either. Knows no other module.

use std::fmt;
use std::time::Duration;

/// Result of everything that can fail towards the person.
pub type Result<T, E = Error> = std::result::Result<T, E>;

macro_rules! codes {
    ($($variant:ident = $name:literal, $exit:literal, $doc:literal;)*) => {
        /// What went wrong, by the name that Lua, the command line and scripts see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $(#[doc = $doc] $variant,)* }

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

            /// The command line's exit status: 2 usage, 3 log in, 4 refused, 5 try again, 6 store, 130 cancelled.
            pub const fn exit_status(self) -> u8 {
                match self { $(Code::$variant => $exit,)* }
            }

            /// What the code means, for the help.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$variant => $doc,)* }
            }
        }
    };
}

codes! {
    NotLoggedIn = "not_logged_in", 3, "No source yields a credential for this login.";
    LoginExpired = "login_expired", 3, "The stored login can no longer be refreshed.";
    LoginDenied = "login_denied", 4, "The person or the provider said no on the consent page.";
    LoginTimeout = "login_timeout", 5, "Nobody finished the login in time.";
    Cancelled = "cancelled", 130, "The person cancelled.";
    Busy = "busy", 5, "Another login or another process holds what this call needs.";
    Starting = "starting", 5, "The backend is still starting.";
    UnknownLogin = "unknown_login", 2, "No provider or login has this name.";
    InvalidArgument = "invalid_argument", 2, "An argument is not of the allowed form.";
    ConfigInvalid = "config_invalid", 2, "The configuration has a wrong key, type or value.";
    Network = "network", 5, "The provider could not be reached.";
    Timeout = "timeout", 5, "The provider did not answer in time.";
    RateLimited = "rate_limited", 5, "The provider asks to wait.";
    ProviderRefused = "provider_refused", 4, "The provider refused the request.";
    ProviderError = "provider_error", 5, "The provider reports a fault of its own.";
    BadResponse = "bad_response", 5, "The answer is not what the protocol allows.";
    StateMismatch = "state_mismatch", 4, "The answer belongs to another login attempt.";
    PortInUse = "port_in_use", 5, "The loopback port that the provider demands is taken.";
    KeyringLocked = "keyring_locked", 6, "The keyring is there but locked.";
    KeyringUnavailable = "keyring_unavailable", 6, "There is no keyring, or it does not answer.";
    StoreUnreadable = "store_unreadable", 6, "A stored credential is there but cannot be read.";
    StoreUnwritable = "store_unwritable", 6, "The store cannot be written.";
    BackendMissing = "backend_missing", 2, "The backend program is not built or not found.";
    BackendCrashed = "backend_crashed", 5, "The backend ended unexpectedly.";
    ProtocolMismatch = "protocol_mismatch", 2, "Plugin and backend speak different protocol versions.";
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

/// A code, one sentence, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Error {
    code: Code,
    message: String,
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
        matches!(
            self.code,
            Code::Network
                | Code::Timeout
                | Code::RateLimited
                | Code::ProviderError
                | Code::BadResponse
                | Code::Busy
                | Code::Starting
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
