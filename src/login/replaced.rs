//! Tokens that no login holds any more, because another one has taken its place or it could not be stored
//! (rule 21).
//!
//! Guarantees: what the provider can revoke alone is revoked, within a few seconds and without a say in
//! how the login ends; a key that the person brought along is left alone; what is in use is never revoked,
//! nor anything that may take it along. That two refresh tokens differ proves nothing: a server may hold both
//! under one grant.

use std::time::Duration;

use super::attempt::Attempt;
use super::events::Replaced;
use super::registered_client;
use crate::credential::Tokens;
use crate::oauth::{self, Revocation};
use crate::protocol::Revoked;
use crate::provider::{Grant, Method, RevocationEnds};
use crate::store::Stored;

/// Longest time that a login's end waits for it.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Takes back a login that `new` has taken the place of; `None` if there is nothing to say.
pub(super) async fn take_back(attempt: &Attempt, old: &Stored, new: &Tokens) -> Option<Replaced> {
    let is_over = old.entry.needs_login.is_some() || is_same(&old.tokens, new);
    let method = attempt.provider.method(&old.entry.method).filter(|method| is_made_by_login(method));
    let method = method.filter(|_| !is_over)?;
    let (revoked, page) = revoke(attempt, method, &old.tokens).await;
    let name = &attempt.provider.name;
    let message = match (revoked, &page) {
        (Revoked::Yes, _) => format!("{name} revoked the previous login."),
        (_, Some(_)) => {
            format!("The credential of the previous login still works; {name} has a page to delete it.")
        }
        (Revoked::No, None) => {
            format!("The token of the previous login works until it expires: {name} has not revoked it.")
        }
        (Revoked::Unsupported, None) => format!(
            "The token of the previous login works until it expires: {name} may end the new login when it \
             revokes the old one."
        ),
    };
    Some(Replaced { revoked, page, message })
}

/// Takes back what could not be stored, and says in a sentence what became of it.
pub(super) async fn not_kept(attempt: &Attempt, tokens: &Tokens) -> Option<String> {
    if !is_made_by_login(&attempt.method) {
        return None;
    }
    let name = &attempt.provider.name;
    Some(match revoke(attempt, &attempt.method, tokens).await {
        (Revoked::Yes, _) => format!("{name} has revoked the login."),
        (_, Some(page)) => format!("The key that {name} gave still works: delete it at {page}"),
        (_, None) => format!("The token that {name} gave works until it expires."),
    })
}

/// A key that the person had before is theirs to keep.
fn is_made_by_login(method: &Method) -> bool {
    method.grant != Grant::ApiKey
}

fn is_same(old: &Tokens, new: &Tokens) -> bool {
    let is_shared = old.refresh_token.is_some() && old.refresh_token == new.refresh_token;
    is_shared || old.access_token == new.access_token
}

async fn revoke(attempt: &Attempt, method: &Method, tokens: &Tokens) -> (Revoked, Option<String>) {
    let provider = &attempt.provider;
    let revoked = match provider.revocation_ends {
        _ if !oauth::can_revoke(method, tokens) => Revoked::Unsupported,
        RevocationEnds::AllLogins => Revoked::Unsupported,
        RevocationEnds::Login => {
            // Without a secret that cannot be read now nobody can ask, which is told.
            let asked =
                async { registered_client::of_login(attempt, method, tokens).await?.revoke(tokens).await };
            match tokio::time::timeout(TIMEOUT, asked).await {
                Ok(Ok(Revocation::Revoked)) => Revoked::Yes,
                Ok(Ok(Revocation::Unsupported { .. })) => Revoked::Unsupported,
                _ => Revoked::No,
            }
        }
    };
    tracing::info!(login = %attempt.login, method = method.id, ?revoked, "tokens that no login holds any more");
    (revoked, provider.key_page(tokens).filter(|_| revoked != Revoked::Yes))
}
