//! What `convocations gateway --json` prints: how each login is reached.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::login_id::LoginId;
use crate::secret::{Secret, expose};

/// All that the gateway serves.
#[derive(Debug, Serialize)]
pub struct GatewayListing {
    /// By login.
    pub logins: BTreeMap<LoginId, GatewayAddress>,
}

/// How one login is reached.
#[derive(Debug, Serialize)]
pub struct GatewayAddress {
    /// The base URL.
    pub url: String,
    /// The key that the gateway takes, in place of a credential.
    #[serde(serialize_with = "expose")]
    pub key: Secret,
    /// The unix socket's path; absent where it is a port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}
