//! What the Rust tests share: the sandbox, folders of their own, a person at the browser, small HTTP,
//! processes.
//!
//! Everything is blocking and has a time limit; nothing sleeps where something can be awaited. Used as `mod
//! common;` by test binaries that each need only a part.
#![allow(dead_code, unused_imports)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

pub mod browser;
pub mod chromium;
pub mod dir;
pub mod http;
pub mod nginx;
pub mod process;
pub mod proxy;
pub mod sandbox;

pub use browser::{
    Page, approve, approve_as, approve_device, arrive, deny, deny_device, log_in, open, shown_address, visit,
};
pub use dir::TestDir;
pub use http::{Response, get, post_form, post_json};
pub use process::{Child, Ran, eventually, run};
pub use sandbox::{Sandbox, build_example, fault};
