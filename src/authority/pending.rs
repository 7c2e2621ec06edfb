//! An authorization request between its check and its answer: on the consent page, in a cookie, in our code.

use serde::{Deserialize, Serialize};

use super::budget::Budget;

/// An authorization request that passed every check.
#[derive(Clone, Serialize, Deserialize)]
pub struct Pending {
    /// The client's fingerprint.
    pub client: String,
    /// What the client calls itself.
    pub client_name: Option<String>,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// Whether the request itself named it: then the token request has to repeat it (RFC 6749, 4.1.3).
    pub redirect_uri_named: bool,
    /// Goes back as it came.
    pub state: Option<String>,
    /// PKCE, S256.
    pub code_challenge: String,
    /// In their one spelling.
    pub resources: Vec<String>,
    /// What the key should be limited to.
    pub budget: Budget,
}
