//! What a broker tells those who listen.

use serde::Serialize;

use super::status::LoginStatus;
use crate::credential::Credential;
use crate::error::Error;
use crate::login_id::LoginId;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A newer credential of a login that this process has handed out.
    Credential(Box<Credential>),
    /// The state of every login, after any change by any process.
    Changed(Vec<LoginStatus>),
    /// Something that the person should be told, once.
    Notice(Notice),
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is not as the person may think.
    Warn,
    /// Something does not work.
    Error,
}

/// Something that the person should be told, once.
#[derive(Debug, Clone)]
pub struct Notice {
    /// How much it matters.
    pub level: Level,
    /// What, and what to do.
    pub error: Error,
    /// Which login it is about.
    pub login: Option<LoginId>,
}
