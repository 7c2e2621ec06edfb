//! What `doctor --json` prints.

use serde::Serialize;

use crate::error::Error;

/// What `doctor` has found. `doctor --json`.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorAnswer {
    /// In the order in which they are shown.
    pub findings: Vec<Finding>,
    /// The way to each server of each provider in use; absent without `--online`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<Vec<Reach>>,
}

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It is as it should be.
    Ok,
    /// Good to know.
    Note,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How it counts.
    pub mark: Mark,
    /// What was found.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// A step of the way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The name, or the proxy's, is resolved.
    Name,
    /// A connection there stands.
    Connect,
    /// The proxy lets it through.
    Proxy,
    /// The server proves who it is.
    Tls,
    /// It answers a request, whatever its status.
    Answer,
    /// Its clock and this one agree.
    Clock,
}

/// The way to a server, as far as it leads: the last step may have an error.
#[derive(Debug, Clone, Serialize)]
pub struct Reach {
    /// Its origin, as `https://api.anthropic.com`.
    pub server: String,
    /// The logins that need it.
    pub logins: Vec<String>,
    /// Host and port of the proxy that is used, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// In order.
    pub steps: Vec<ReachStep>,
}

/// A step that was taken.
#[derive(Debug, Clone, Serialize)]
pub struct ReachStep {
    /// Which.
    pub step: Step,
    /// Milliseconds that it took.
    pub ms: u64,
    /// Why it failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}
