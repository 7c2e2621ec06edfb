//! Where what renews a login may be sent (rule 20).
//!
//! Guarantees: a refresh token goes to the servers that its login was made with, whatever the settings have
//! come to name; a login that is older than this rule is bound at its next refresh.

use url::Url;

use super::failure::Failure;
use super::ready::Ready;
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::provider::Provider;

/// The origins (RFC 6454) of a method's token endpoint, and of the other addresses that get what a login
/// keeps.
pub(super) fn of(ready: &Ready) -> Vec<String> {
    let step = ready.second_step.as_ref().map(|step| &step.url);
    let urls = [Some(&ready.token_url), step, ready.revoke_url.as_ref()];
    let mut origins: Vec<String> = urls.into_iter().flatten().map(text).collect();
    origins.dedup();
    origins
}

/// Whether a login's secret may be sent to this address.
///
/// # Errors
/// `login_expired`, which changes nothing: with the address put back, the login is as good as it was.
pub fn check(tokens: &Tokens, url: &Url, provider: &Provider) -> Result<(), Failure> {
    let (name, now) = (&provider.name, text(url));
    let Some(before) = tokens.origins.first().filter(|_| !tokens.origins.contains(&now)) else {
        return Ok(());
    };
    let message = format!("The {name} login was made at {before}, and the settings now name {now} for it.");
    Err(Failure::Configuration(Error::new(Code::LoginExpired, message).with_hint(format!(
        "Log in again with `:ConvLogin {}`, or put the address back; nothing was sent.",
        provider.id
    ))))
}

fn text(url: &Url) -> String {
    url.origin().ascii_serialization()
}
