//! The protocol on the wire: discovery, registration, PKCE, authorize URL, exchange, refresh, device grant,
//! revocation.
//!
//! Guarantees: tokens and codes travel in bodies and headers only; every answer, however odd, is sorted into
//! the classes of [`Failure`]; no word of an answer reaches an error. Knows no store, no editor, no file.

mod assertion;
mod authorize;
mod challenge;
mod client;
pub mod device;
mod discovery;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod identity;
mod jwt;
mod metadata;
mod origin;
mod pkce;
mod prepare;
#[cfg(test)]
mod reader_tests;
mod registration;
mod resource;
mod revoke;
mod second_step;
mod token;
mod token_answer;

pub use authorize::{AuthorizeRequest, authorize_url};
pub use discovery::StepUp;
pub use failure::Failure;
pub use pkce::Pkce;
pub use prepare::{Draft, Known, Prepared, discover, is_client_known, with_client_secret};
pub use registration::{Registration, Registrations};
pub use revoke::{Revocation, can_revoke, revoke};
pub use token::{CodeExchange, client_credentials, complete, exchange_code, refresh};
