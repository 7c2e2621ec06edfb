//! The authority with programs that nobody here wrote: a real browser in front of it, and a real reverse
//! proxy; and its own program as an operator starts it.
//!
//! Where such a program is missing, its tests say so and are skipped.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod chromium;
mod nginx;
mod operator;
mod sites;
