//! What is said of grants: to whoever uses one from elsewhere, to the person at home, and between the
//! processes that serve them.
//!
//! Guarantees: none of these shapes holds a token, a key or a secret, but [`AgentToken`] the one that an API
//! refused, and [`AgentOpened`] the grant's own key where it is served on TCP.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::status::LoginStatus;
use crate::error::Error;
use crate::login_id::LoginId;
use crate::secret::{Secret, expose_opt};

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantPower {
    /// Requests to the login's API, to which the credential is added at home: no secret leaves it.
    Use,
    /// Access tokens too; never a refresh token.
    Token,
}

/// A grant that is served. Also a line of `grants --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantReport {
    /// Its name in commands.
    pub id: String,
    /// Whom it was made for, in the person's words.
    pub label: String,
    /// Where it is served, without a key: `unix:PATH` or `http://127.0.0.1:PORT`.
    pub at: String,
    /// What may be used.
    pub logins: Vec<LoginId>,
    /// What it allows.
    pub power: GrantPower,
    /// Whether keys that do not end may be handed out too.
    pub lasting: bool,
    /// Whether the person is asked at each use.
    pub confirm: bool,
    /// Since when, Unix seconds.
    pub began: i64,
    /// Until when, Unix seconds; absent if it ends with the program that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<i64>,
    /// The process that serves it.
    pub pid: u32,
    /// Uses: requests that were let in and tokens that were handed out.
    pub uses: u64,
    /// Answers under way.
    pub open: u64,
    /// Requests and connections refused.
    pub refused: u64,
    /// The uses of each login that was used.
    pub by_login: Vec<GrantUse>,
}

impl GrantReport {
    /// The last use of any login.
    pub fn last(&self) -> Option<&GrantUse> {
        self.by_login.iter().max_by_key(|used| used.at)
    }
}

/// How often a login was used by a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantUse {
    /// Which login.
    pub login: LoginId,
    /// Requests that were let in.
    pub requests: u64,
    /// Tokens that were handed out.
    pub tokens: u64,
    /// The last use, Unix seconds.
    pub at: i64,
}

/// The grants of all processes of this person. Also `grants --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// The oldest first.
    pub grants: Vec<GrantReport>,
}

/// Somebody wants to use a login by a grant that asks the person each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantQuestion {
    /// The number that the answer names.
    pub id: u64,
    /// The grant.
    pub grant: String,
    /// Whom the grant was made for.
    pub label: String,
    /// Which login.
    pub login: LoginId,
    /// What is wanted: a request to be sent with the login, or a token.
    pub power: GrantPower,
    /// The program at this machine's end of the connection, as far as the system tells: `ssh (4711)`.
    pub program: String,
    /// Requests that wait for the answer.
    pub waiting: u64,
    /// When it counts as no, Unix seconds.
    pub ends: i64,
}

/// What the person says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantAnswer {
    /// Those that wait now, and none after them.
    Once,
    /// This login by this grant, from now on.
    Grant,
    /// Not those that wait now.
    No,
}

/// A grant is served. Also what `agent --json` and `ssh --json` print, on one line.
#[derive(Clone, Serialize)]
pub struct AgentOpened {
    /// The grant's name in commands.
    pub id: String,
    /// Where it is served, as in `CONVOCATIONS_AGENT`.
    pub address: String,
}

// The address may hold the key.
impl fmt::Debug for AgentOpened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgentOpened({}, …)", self.id)
    }
}

/// What an agent serves: its answer to `GET /v1/status`.
#[derive(Debug, Serialize)]
pub struct AgentStatus {
    /// The serving program's version.
    pub version: &'static str,
    /// The grant's name at home.
    pub id: String,
    /// Whom it was made for.
    pub label: String,
    /// Whose logins these are: `USER@HOST` of the machine that they live on.
    pub home: String,
    /// What the grant allows.
    pub power: GrantPower,
    /// Whether keys that do not end may be handed out too.
    pub lasting: bool,
    /// Whether the person is asked at each use.
    pub confirm: bool,
    /// Until when, Unix seconds; absent if it ends with the program that serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<i64>,
    /// The logins that it offers.
    pub logins: Vec<LoginStatus>,
}

/// What `POST /v1/token/LOGIN` takes; an empty body is an empty one of these.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentToken {
    /// Seconds that the token must still be good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_validity: Option<i64>,
    /// The token that the API refused.
    #[serde(default, serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Secret>,
}

/// What an agent answers instead, with a status that is no success.
#[derive(Debug, Serialize)]
pub struct AgentFailure {
    /// Why.
    pub error: Error,
}

/// Lends logins at a socket, until this backend ends. Errors: `invalid_argument`, `busy`, `not_logged_in`,
/// `provider_refused`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentOpen {
    /// Which; all that somebody is logged in to and that may be shared, if none is named.
    #[serde(default)]
    pub logins: Vec<String>,
    /// Path of the socket, in a folder that nobody else can look into.
    pub socket: String,
    /// Of a grant that the backend before this one served: the name that it keeps.
    #[serde(default)]
    pub id: Option<String>,
    /// Whether access tokens are handed out too.
    #[serde(default)]
    pub token: bool,
    /// Whether keys that do not end are, too.
    #[serde(default)]
    pub lasting: bool,
    /// Seconds after which it ends.
    #[serde(default)]
    pub duration: Option<u32>,
    /// Whom it is for.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether the person is asked at each use, by the event `question`.
    #[serde(default)]
    pub confirm: bool,
}

/// The person's word on what is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentAnswer {
    /// Which question.
    pub id: u64,
    /// What the person says.
    pub answer: GrantAnswer,
}

/// Whether the answer counted.
#[derive(Debug, Serialize)]
pub struct AgentAnswered {
    /// No, if it is no longer asked, or too new to have been read.
    pub taken: bool,
}

/// Ends a grant at once, whichever process of this user serves it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRevoke {
    /// The grant's name.
    pub id: String,
}

/// What this editor lends, after each change but the backend's own end: by it the next backend serves the
/// same.
#[derive(Debug, Serialize)]
pub struct EditorGrants {
    /// The oldest first.
    pub grants: Vec<GrantReport>,
}

/// What the person is asked by this editor's grants, after each change.
#[derive(Debug, Serialize)]
pub struct GrantQuestions {
    /// The oldest first; none once all are answered or withdrawn.
    pub questions: Vec<GrantQuestion>,
}

/// The machine that lends logins here: what `CONVOCATIONS_AGENT` names.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LenderReport {
    /// Where it is asked, without a key: `unix:PATH` or `http://127.0.0.1:PORT`.
    pub address: String,
    /// The machine: `USER@HOST`; absent until it was reached once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Whom its grant was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What the grant allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<GrantPower>,
    /// When the grant ends, Unix seconds; absent if it ends with what serves it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<i64>,
    /// Why it cannot be asked now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Error>,
}
