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
pub mod second_step;
mod token;

pub use authorize::{AuthorizeRequest, authorize_url};
pub use failure::Failure;
pub use pkce::Pkce;
pub use revoke::{Revocation, revoke};
pub use token::{CodeExchange, exchange_code, refresh};
