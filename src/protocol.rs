//! What is said between the parts: every shape that crosses the pipe to Neovim, and every `--json` shape, in
//! one place.
//!
//! Guarantees: a field's name, type and meaning stand here alone. `make doc` writes `lua/conv/types.lua`,
//! `lua/conv/protocol.lua` and the tables of `doc/rpc.md` from the text of these files, and the samples that
//! the tests' pretend backend answers with from what serde makes of them; `make test` fails where one of them
//! differs. So that the generator can read them: one field a line, each with a comment before it, plain
//! types. Knows no other module but the plain words (`error`, `credential`, `login_id`, `secret`).
//!
//! Fields may be added freely: an older plugin reads past them. What changes the meaning of a field that is
//! there, or takes one away, raises [`PROTOCOL`].

mod agent;
mod call;
mod credential;
mod doctor;
mod gateway;
mod login;
mod mcp;
#[cfg(test)]
mod samples;
mod status;
mod usage;

use serde::{Deserialize, Serialize};

pub use crate::error::Level;
pub use agent::{
    AgentAnswer, AgentAnswered, AgentFailure, AgentOpen, AgentOpened, AgentRevoke, AgentStatus, AgentToken,
    EditorGrants, GrantAnswer, GrantPower, GrantQuestion, GrantQuestions, GrantReport, GrantUse, Grants,
    LenderReport,
};
pub use call::{
    CommandCancel, GatewayOpen, GatewayOpened, GatewayReport, Get, Grant, Hello, HelloAnswer, Invalidate,
    LoginCancel, LoginInput, LoginStart, LoginStarted, Logout, LogoutResult, Method, Nothing, Provider,
    Providers, ProvidersAnswer, Revoked, Shutdown, Status, StatusAnswer,
};
pub use credential::Credential;
pub use doctor::{DoctorAnswer, Finding, Mark, Reach, ReachStep, Step};
pub use gateway::{GatewayAddress, GatewayListing};
pub use login::{Input, LoginEvent, Qr, Replaced, Stage};
pub use mcp::{ClientWay, McpServer};
pub use status::{Changed, LoginStatus, Notice, State, StoreReport, Waiting, Weight};
pub use usage::{Usage, UsageAnswer, UsageCredit, UsageOf, UsageSource, UsageWindow};

/// The protocol that this program speaks.
pub const PROTOCOL: u64 = 1;

/// A call's parameters, which know their answer.
pub trait Params: for<'de> Deserialize<'de> {
    /// What the call is answered with, if it succeeds.
    type Answer: Serialize;
}

macro_rules! calls {
    ($($name:literal => $params:ident -> $answer:ident, $deadline:literal;)*) => {
        /// One call of the editor, read.
        #[derive(Debug)]
        pub enum Call {
            $(#[doc = concat!("`", $name, "`.")] $params($params),)*
        }

        impl Call {
            /// Every method's name.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The types of their answers, by name.
            #[cfg(test)]
            const ANSWERS: &'static [&'static str] = &[$(stringify!($answer),)*];

            /// The call of this name, with its parameters as `read` finds them; `None` if there is no such
            /// method.
            ///
            /// # Errors
            /// Those of `read`.
            pub fn read<E>(name: &str, read: impl ReadParams<E>) -> Option<Result<Self, E>> {
                match name {
                    $($name => Some(read.read::<$params>().map(Self::$params)),)*
                    _ => None,
                }
            }
        }

        $(impl Params for $params { type Answer = $answer; })*
    };
}

/// Reads parameters of any call.
pub trait ReadParams<E> {
    /// The parameters as this type.
    ///
    /// # Errors
    /// The reader's.
    fn read<T: Params>(self) -> Result<T, E>;
}

// The methods: name, parameters, answer, and after how many seconds the editor gives the call up. Those that
// reach a provider outlast the backend's own limits (30 s for a request, and a lock to wait for), so that its
// answer says what happened.
calls! {
    "hello" => Hello -> HelloAnswer, 10;
    "providers" => Providers -> ProvidersAnswer, 10;
    "status" => Status -> StatusAnswer, 60;
    "get" => Get -> Credential, 60;
    "invalidate" => Invalidate -> Credential, 60;
    "login.start" => LoginStart -> LoginStarted, 45;
    "login.input" => LoginInput -> Nothing, 60;
    "login.cancel" => LoginCancel -> Nothing, 5;
    "command.cancel" => CommandCancel -> Nothing, 5;
    "logout" => Logout -> LogoutResult, 60;
    "usage" => UsageOf -> Usage, 30;
    "gateway.open" => GatewayOpen -> GatewayOpened, 20;
    "agent.open" => AgentOpen -> AgentOpened, 60;
    "agent.answer" => AgentAnswer -> AgentAnswered, 5;
    "agent.revoke" => AgentRevoke -> Nothing, 20;
    "shutdown" => Shutdown -> Nothing, 3;
}

macro_rules! events {
    ($($variant:ident = $name:literal => $data:ty;)*) => {
        /// What the backend says without being asked.
        #[derive(Debug, Serialize)]
        #[serde(untagged)]
        pub enum Event {
            $(#[doc = concat!("`", $name, "`.")] $variant($data),)*
        }

        impl Event {
            /// Its name on the pipe.
            pub const fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }
        }
    };
}

// The events: name and data.
events! {
    Credential = "credential" => Box<Credential>;
    Changed = "changed" => Changed;
    Login = "login" => Box<LoginEvent>;
    Log = "log" => Notice;
    Question = "question" => GrantQuestions;
    Lent = "lent" => EditorGrants;
    Waiting = "waiting" => Waiting;
}
