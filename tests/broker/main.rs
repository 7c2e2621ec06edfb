//! The broker by itself, with a clock that stands still, against the pretend providers: rules 1 to 7 and 11,
//! one by one. Many real processes are in `tests/processes.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod ahead;
mod failures;
mod fixture;
#[cfg(unix)]
mod lent;
mod logout;
mod news;
mod one_refresh;
mod overtaken;
mod replaced;

mod sources;
mod two_steps;
mod unsaved;
