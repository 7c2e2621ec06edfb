//! What a refresh is for, and when it is reached.

use crate::credential::{Tokens, Validity};
use crate::protocol::Credential;
use crate::secret::Secret;

/// When a refresh has reached what it is for.
#[derive(Debug, Clone)]
pub(in crate::broker) enum Goal {
    /// A token that is good for long enough; or, where the provider gives none that is, any newer one than
    /// `seen`: somebody else has just fetched it.
    Fresh { validity: Validity, seen: Secret },
    /// Any token that is good but this one, which the API refused.
    Other { rejected: Secret },
}

impl Goal {
    /// Whether nothing needs to be asked of the provider.
    pub fn is_met(&self, tokens: &Tokens, now: i64) -> bool {
        match self {
            Self::Fresh { validity, seen } => {
                let newer = tokens.access_token != *seen && tokens.is_fresh(now, 0);
                newer || tokens.is_fresh(now, validity.seconds(tokens.lifetime()))
            }
            Self::Other { rejected } => tokens.access_token != *rejected && tokens.is_fresh(now, 0),
        }
    }

    /// Whether this very credential is what nobody wants.
    pub fn rejects(&self, credential: &Credential) -> bool {
        matches!(self, Self::Other { rejected } if credential.token == *rejected)
    }

    /// Whether the old token may be handed out when no new one can be had: while it lives, unless the API
    /// refuses it.
    pub fn may_use_old(&self, tokens: &Tokens, now: i64) -> bool {
        matches!(self, Self::Fresh { .. }) && tokens.is_fresh(now, 0)
    }
}
