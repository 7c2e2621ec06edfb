//! Whatever fails around the program: a login is never lost by it, and the person is told what to do.
//!
//! Every fault is put under the real binary: files, clock and names through a library loaded before the C
//! library, the network through servers that misbehave, the keyring through a real one that is stopped,
//! locked or robbed. `tests/FAULTS.md` is what the person sees of each.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "../common/backend.rs"]
mod backend;
mod browser_login;
mod clock;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod crowd;
mod files;
mod fixture;
mod interrupted;
#[path = "../common/keyring.rs"]
mod keyring;
mod keyring_struck;
mod keyring_troubles;
mod listener;
mod network;
mod refresh;
mod rude;
mod table;
mod unreliable;
mod wallet;
