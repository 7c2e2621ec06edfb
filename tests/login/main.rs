//! Logins from the first event to the stored credential, against the sandbox and a browser by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

mod chromium;
#[path = "../common/mod.rs"]
mod common;
mod device;
mod fixture;

mod accounts;
mod anthropic;
mod authority;
mod ends;
mod headless;
mod leaks;
mod machine;
mod oidc;
mod openrouter;
mod organizations;
mod race;
mod registration;
mod relatives;
mod replaced;
mod standards;
mod vendors;
