//! How far a provider's revocation goes.

use serde::{Deserialize, Serialize};

/// What a server ends when a token is revoked.
///
/// RFC 7009, 2.1 leaves it to the server whether the underlying grant, and all else that was issued on it,
/// ends with the token, and no metadata tells. A server that keeps one grant for a person and a client ends
/// every login of that person, those of other machines too, whichever refresh token is sent: Google does,
/// Auth0 by a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationEnds {
    /// The login that the token belongs to, and no other.
    Login,
    /// Perhaps every login of the person by this client; so for every server of which nothing else is known.
    #[default]
    AllLogins,
}
