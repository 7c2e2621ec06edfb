//! GitHub's and Copilot's switches.

use serde::{Deserialize, Serialize};

use crate::tokens::TokenRules;

/// See each field; the defaults are what the real thing does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Client ids that are known.
    pub clients: Vec<String>,
    /// Seconds between polls, and seconds that a device code lives.
    pub interval: i64,
    pub device_lifetime: i64,
    /// The Copilot token's; only `lifetime` counts.
    pub tokens: TokenRules,
    pub refresh_in: i64,
    /// Seconds added to what `expires_at` says, as by a clock that is wrong.
    pub skew: i64,
    /// Whether the person has a Copilot plan; without one the exchange answers 403.
    pub copilot_access: bool,
    /// Which host takes the Copilot token.
    pub endpoint: Endpoint,
    /// Whether the API takes a GitHub token without the exchange.
    pub direct: bool,
}

impl Default for Switches {
    fn default() -> Self {
        let clients = ["Iv1.b507a08c87ecfe98", "Ov23li8tweQw6odWQebz", "178c6fc778ccc68e1d6a"];
        Self {
            clients: clients.map(str::to_owned).to_vec(),
            interval: 5,
            device_lifetime: 900,
            tokens: TokenRules::living(1800),
            refresh_in: 1500,
            skew: 0,
            copilot_access: true,
            endpoint: Endpoint::Individual,
            direct: true,
        }
    }
}

/// The host that a Copilot token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    Individual,
    Business,
    /// The reply has no `endpoints`; the token says `proxy-ep`.
    Unnamed,
}

impl Endpoint {
    /// The part of the host's name that differs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Individual | Self::Unnamed => "individual",
            Self::Business => "business",
        }
    }
}
