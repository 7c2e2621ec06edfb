//! Endpoints that answer oddly, byte for byte: what each answer means for a login.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod client;
mod failures;
mod forms;
mod server;
