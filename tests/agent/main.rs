//! Grants as their users, other users and the person at home see them: a real `convocations agent`, raw
//! sockets, and an API behind it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../gateway/fixture.rs"]
mod gateway;

mod admission;
mod confirm;
mod doctor;
mod ends;
mod fixture;
mod power;
