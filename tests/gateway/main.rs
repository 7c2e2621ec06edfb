//! The gateway as its clients and the APIs behind it see it, byte for byte: a real `convocations gateway`
//! between raw sockets.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

mod admission;
mod descriptors;
mod fixture;
mod headers;
mod http2;
mod programs;
mod refresh;
mod sdks;
mod streams;
mod tls;
mod upgrade;
