//! What is handed out.
//!
//! Guarantees: `Debug` shows no token; serializing it is what hands it out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::credential::{Kind, Share};
use crate::login_id::LoginId;
use crate::secret::{Secret, expose, expose_headers};

/// What a caller gets. Also `token --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The token or key.
    #[serde(serialize_with = "expose")]
    pub token: Secret,
    /// How it travels.
    pub kind: Kind,
    /// Who may use it, by its vendor's terms.
    pub share: Share,
    /// Everything the API wants, authorization included, by header name.
    #[serde(serialize_with = "expose_headers")]
    pub headers: BTreeMap<String, Secret>,
    /// API base URL, if the provider has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Unix seconds; absent for a key that does not expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// Until when the answer of a command is used before it is run again, Unix seconds; absent where the
    /// token itself says how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_until: Option<i64>,
    /// Which source won: `login`, `env:VARIABLE`, `command`, `workload`, `app` or `agent`.
    pub source: String,
    /// The login it belongs to.
    pub login: LoginId,
    /// Who this is, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Granted scopes, if the provider named them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The stored login's revision: of two, the higher is the newer; 0 for a credential that is not stored
    /// here.
    pub revision: u64,
    /// Seconds that the token was made for, if that is known.
    #[serde(skip)]
    pub lifetime: Option<i64>,
}

impl Credential {
    /// Whether it is good for more than `margin` seconds from `now` (Unix seconds), and may be used without
    /// asking anew.
    pub fn is_fresh(&self, now: i64, margin: i64) -> bool {
        self.expires_at.is_none_or(|end| end.saturating_sub(now) > margin)
            && self.use_until.is_none_or(|end| end > now)
    }

    /// Puts into the log that somebody got it, which every face does.
    pub fn log_handed_out(&self) {
        let Self { login, source, revision, expires_at, .. } = self;
        tracing::debug!(%login, source, revision, expires_at, "handed out");
    }
}
