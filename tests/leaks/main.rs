//! Rule 18: no token, code, verifier or state is anywhere but where it belongs, with every provider and every
//! fault.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod authority;
#[path = "../common/backend.rs"]
mod backend;
#[path = "../common/mod.rs"]
mod common;
mod debug;
mod faults;
mod memory;
mod obtained;
mod process;
mod rounds;
mod search;
mod ways;
