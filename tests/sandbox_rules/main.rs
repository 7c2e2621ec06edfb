//! The sandbox holds to its rules: what passes against it has met every check that the real providers are
//! known for.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;

mod anthropic;
mod chat;
mod config;
mod control;
mod faults;
mod generic;
mod generic_device;
mod generic_resource;
mod github;
mod google;
mod keys;
mod kimi;
mod openai;
mod openrouter;
mod pkce;
mod relatives;
mod tetrate;
mod tls;
mod workload;

use common::{Sandbox, get};

#[test]
fn it_starts_and_tells_its_address() {
    let sandbox = Sandbox::start();
    assert!(get(sandbox.url()).text().contains("Sandbox"));
    assert!(sandbox.config_toml().contains(sandbox.url()));
}
