//! OpenAI's switches.

use serde::{Deserialize, Serialize};

use crate::tokens::TokenRules;

/// See each field; the defaults are what the real thing does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub tokens: TokenRules,
    /// The ports that are registered for the redirect; none = any.
    pub ports: Vec<u16>,
    /// Whether the JWTs name the account.
    pub account_claim: bool,
    /// Whether a refresh gives an id token too.
    pub id_token_on_refresh: bool,
    /// Whether `error` is a string.
    pub string_error: bool,
    /// The status of a refused refresh: 401, or 400 by other reports.
    pub refused_status: u16,
    /// Whether the device login is enabled; 404 if not.
    pub device: bool,
    pub device_interval: i64,
    /// How the reply writes the interval.
    pub interval: Interval,
    /// `user_code`, or `usercode`.
    pub user_code_name: String,
    /// The status of a poll that has to go on: 403 or 404.
    pub pending_status: u16,
    /// The redirect that the exchange after a device login must name; empty = this sandbox's.
    pub device_redirect: String,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            tokens: TokenRules::living(864_000),
            ports: vec![1455, 1457],
            account_claim: true,
            id_token_on_refresh: true,
            string_error: false,
            refused_status: 401,
            device: true,
            device_interval: 5,
            interval: Interval::Text,
            user_code_name: "user_code".to_owned(),
            pending_status: 403,
            device_redirect: String::new(),
        }
    }
}

/// How an interval is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interval {
    Text,
    Number,
    Missing,
}
