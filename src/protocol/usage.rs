//! How much of what a login may use is used, as far as its provider says.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::login_id::LoginId;

/// How much is used of what a login may use. Asks the provider where it has an address for that, at most once
/// a minute; else says what the answers told that passed the gateway. Never refreshes a token.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageOf {
    /// Which login.
    pub login: String,
}

/// Where figures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsageSource {
    /// The provider has an address that tells them.
    Endpoint,
    /// The API tells them with its answers, of which those count that passed the gateway.
    Headers,
}

/// The figures of a login. Also `usage --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// Which login.
    pub login: LoginId,
    /// Where the figures come from.
    pub source: UsageSource,
    /// When the provider told them, Unix seconds; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// Money that is left, if the provider says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credit: Option<UsageCredit>,
    /// What may be used in a time, each.
    pub windows: Vec<UsageWindow>,
    /// Why there are no newer figures, or none; no fault of the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// The same for a person: a line for each figure, at most 76 cells wide.
    pub lines: Vec<String>,
    /// The fullest window, or else the credit, in a word or two; absent where nothing is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
}

/// Money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageCredit {
    /// What is left.
    pub remaining: f64,
    /// What there was; absent where there is no limit, or nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The currency (ISO 4217), if the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What may be used in a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageWindow {
    /// Its length, and what it is about where there are several of one length: `5 h`, `7 d`, `1 d free`.
    pub name: String,
    /// How much is used, if the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<f64>,
    /// How much there is; absent where there is no limit, or nobody says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Of what: `percent`, `requests`, `tokens`, or a currency (ISO 4217); empty where nobody says.
    pub unit: String,
    /// When it begins again, Unix seconds, if the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<i64>,
}

/// The figures of every login that there is. What `usage --json` prints without a login.
#[derive(Debug, Clone, Serialize)]
pub struct UsageAnswer {
    /// In the order of their names.
    pub usage: Vec<Usage>,
}
