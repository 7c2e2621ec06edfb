//! Logins of one machine on another: real homes and real agents at one end; the command line, a gateway, a
//! Neovim, an OpenSSH server and a sandbox at the other.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)]
#[path = "../gateway/fixture.rs"]
mod gateway;
#[allow(dead_code)]
#[path = "../agent/fixture.rs"]
mod lent;

mod broken;
mod command_line;
mod contained;
mod doctor;
mod editor;
mod far;
mod host;
mod ssh;
mod ways_in;
