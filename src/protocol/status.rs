//! How a login is: the states, with the words that every face uses for them, and what is known beside them.
//!
//! Guarantees (rule 22): a state's word and sentence stand here alone; the window, the statusline,
//! `:checkhealth`, `status` and `doctor` show these.

use serde::{Serialize, Serializer};

use crate::credential::{BackendKind, Kind};
use crate::error::{Error, Level};
use crate::login_id::LoginId;

/// How much something matters to the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// There is nothing.
    None,
    /// All is well.
    Ok,
    /// Something goes on; nothing needs to be done.
    Info,
    /// The person has to do something soon.
    Warn,
    /// It does not work.
    Error,
}

macro_rules! states {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal, $word:literal, $weight:ident, $sentence:literal;)*) => {
        /// How a login is: what a `get` would answer now.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum State {
            $($(#[doc = $doc])* $variant,)*
        }

        impl State {
            /// Every state, the one that speaks for several logins first.
            pub const ALL: &'static [State] = &[$(State::$variant,)*];

            /// The stable name, in `snake_case`.
            pub const fn as_str(self) -> &'static str {
                match self { $(State::$variant => $name,)* }
            }

            /// The state of a stable name.
            pub fn from_name(name: &str) -> Option<State> {
                State::ALL.iter().copied().find(|state| state.as_str() == name)
            }

            /// What a person reads in a list.
            pub const fn word(self) -> &'static str {
                match self { $(State::$variant => $word,)* }
            }

            /// What a person reads where there is room.
            pub const fn sentence(self) -> &'static str {
                match self { $(State::$variant => $sentence,)* }
            }

            /// How much it matters.
            pub const fn weight(self) -> Weight {
                match self { $(State::$variant => Weight::$weight,)* }
            }
        }
    };
}

// The states in the order of urgency, of which the statusline shows the first that any login has: name, word,
// weight, sentence.
states! {
    /// A source cannot be read now, or the token has ended and no new one can be had: `error` says why.
    Error = "error", "error", Error, "No token can be had now.";
    /// The provider takes the refresh token no more. `source` says whether a token is there all the same.
    NeedsLogin = "needs_login", "log in again", Warn, "The provider no longer accepts this login.";
    /// A conversation in this very editor or terminal is about it; the backend never sends this one.
    LoggingIn = "logging_in", "logging in", Info, "A login is under way.";
    /// A refresh is under way.
    Refreshing = "refreshing", "refreshing", Info, "A new token is being fetched.";
    /// The token ends within the margin, or has ended.
    Expiring = "expiring", "refresh due", Info, "The next use fetches a new token.";
    /// It comes from a source that is asked when it is needed, and nobody has needed it here yet.
    Ready = "ready", "ready", Ok, "The next use asks for it.";
    /// There is an entry, and nobody has looked yet whether its secret can be read.
    Stored = "stored", "stored", Ok, "It has not been used here yet.";
    /// A token is there and fresh.
    Valid = "valid", "logged in", Ok, "Its token is good.";
    /// No source yields a credential.
    LoggedOut = "logged_out", "logged out", None, "Nobody is logged in.";
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// One login, and what is known of it without its secret.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoginStatus {
    /// `PROVIDER` or `PROVIDER@ACCOUNT`.
    pub login: LoginId,
    /// Its provider.
    pub provider: String,
    /// Its account, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What people call the provider.
    pub name: String,
    /// How it is.
    pub state: State,
    /// The method it was made by; absent for a credential that is not stored here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How its token travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What `get` would answer from now: `login`, `env:VARIABLE`, `command`, `workload`, `app` or `agent`;
    /// absent if it would answer an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which backend keeps the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<BackendKind>,
    /// Whose it is, where another machine keeps it and lends it here: `USER@HOST (LABEL)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lender: Option<String>,
    /// Whether requests are sent with it, and no token of it is handed out: the grant of the machine that
    /// lends it does not allow that.
    pub gateway_only: bool,
    /// API base URL, as far as the provider's description says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Who it is, if the provider told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Which of the person's organizations it is of, if the provider told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Granted scopes, if the provider named them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// When the token ends, Unix seconds; absent for a key that does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// One more at each change of the stored login; 0 for one that is not stored here.
    pub revision: u64,
    /// The last failure, until something succeeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// Why the person has to log in again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_login: Option<String>,
}

/// Where new logins go, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreReport {
    /// Which of the two it is.
    pub backend: BackendKind,
    /// In words.
    pub reason: String,
    /// What is wrong with it, if something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Error>,
}

/// The state of every login after any change by any process.
#[derive(Debug, Clone, Serialize)]
pub struct Changed {
    /// All of them.
    pub logins: Vec<LoginStatus>,
    /// Greater the later it began to look; one smaller than another that came before is to be ignored.
    pub seq: u64,
}

/// Something that the person should be told, once.
#[derive(Debug, Clone, Serialize)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// What, and what to do.
    #[serde(flatten)]
    pub error: Error,
    /// Which login it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login: Option<LoginId>,
}

/// A command that gives a login's credential is waited for: it may ask the person for a password or a finger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Which login.
    pub login: LoginId,
    /// The command's program.
    pub program: String,
    /// Seconds that it may take in all.
    pub seconds: u64,
    /// Whether the wait is over.
    pub done: bool,
}
