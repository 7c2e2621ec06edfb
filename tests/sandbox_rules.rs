//! The sandbox holds to its rules: a test that passes against it has met every check of the real providers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Sandbox, get};

#[test]
fn it_starts_and_tells_its_address() {
    let sandbox = Sandbox::start();
    assert!(get(sandbox.url()).text().contains("Sandbox"));
    assert!(sandbox.config_toml().contains(sandbox.url()));
}
