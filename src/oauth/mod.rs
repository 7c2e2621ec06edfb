//! The protocol on the wire: discovery, registration, PKCE, authorize URL, exchange, refresh, device grant,
//! revocation.
//!
//! Guarantees: tokens and codes travel in bodies and headers only; every answer, however odd, is sorted into
//! the classes of [`Failure`]; no word of an answer reaches an error. Knows no store, no editor, no file.
//!
//! A [`Client`] asks: by a method whose description says it all, by one that discovery has completed
//! ([`Wire::discover`], [`Draft`]), or by the one that a login was made by.

mod assertion;
mod authorize;
mod challenge;
mod client;
mod client_identity;
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
mod ready;
mod registration;
mod resource;
mod revoke;
mod second_step;
mod survey;
mod token;
mod token_answer;
mod workload;

pub use authorize::AuthorizeRequest;
pub use client::{Client, Wire};
pub use discovery::StepUp;
pub use failure::Failure;
pub use origin::check as check_origin;
pub use pkce::Pkce;
pub use prepare::{Draft, Known, Prepared};
pub use ready::Issuer;
pub use registration::{Registration, Registrations};
pub use revoke::{Revocation, can_revoke};
pub use survey::{Survey, survey};
pub use token::CodeExchange;
