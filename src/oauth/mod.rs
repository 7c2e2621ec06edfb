//! The protocol on the wire: PKCE, authorize URL, exchange, refresh, device grant, revocation.
//!
//! Guarantees: tokens and codes travel in bodies and headers only; every answer, however odd, is sorted into the
//! three classes of [`Failure`]; no word of an answer reaches an error. Knows no store, no editor, no file.

mod authorize;
pub mod device;
mod failure;
mod identity;
mod jwt;
mod pkce;
mod revoke;
mod second_step;
mod token;

pub use authorize::{AuthorizeRequest, authorize_url};
pub use failure::Failure;
pub use pkce::Pkce;
pub use revoke::{Revocation, revoke};
pub use token::{CodeExchange, exchange_code, refresh};

use crate::credential::Tokens;
use crate::provider::Method;

/// The method with what discovery and registration found when the login was made: a refresh goes to the same
/// authorization server as the same client, whatever the documents say today.
pub fn remembered(method: &Method, tokens: &Tokens) -> Method {
    let mut method = method.clone();
    let url = |key: &str| tokens.extra.get(key).and_then(|text| url::Url::parse(text).ok());
    method.token_url = url("token_endpoint").or(method.token_url);
    method.revoke_url = url("revocation_endpoint").or(method.revoke_url);
    method.client_id = tokens.extra.get("client_id").cloned().or(method.client_id);
    method
}
