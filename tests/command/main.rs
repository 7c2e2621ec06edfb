//! Credentials and client secrets that a command prints (`:h conv-command`).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "../common/backend.rs"]
mod backend;
#[path = "../common/mod.rs"]
mod common;
#[path = "../common/keyring.rs"]
mod keyring;

mod answers;
mod asking;
mod client_secret;
mod crowd;
mod settings;
mod status;
mod terminal;
mod vault;
mod vaults;
