//! Days of use in minutes: tokens of half a minute, a clock that runs, several processes' brokers on one
//! store, and whatever goes wrong with a provider, at random.
//!
//! After every step: a login that was made and not logged out is there, can be read, and its refresh token is
//! the one that the provider would take; unless the provider itself refused it, or the answer that held the
//! next one was lost on the way. `CONVOCATIONS_SOAK_SECONDS` is the real time it runs (12; `make soak` asks
//! for half an hour), `CONVOCATIONS_SOAK_SEED` repeats a run as far as threads allow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;
mod steps;
mod truth;
mod world;

use std::time::{Duration, Instant};

use world::World;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_login_is_ever_lost() {
    let seed = number("CONVOCATIONS_SOAK_SEED").unwrap_or_else(rand::random);
    let limit = Duration::from_secs(number("CONVOCATIONS_SOAK_SECONDS").unwrap_or(12));
    eprintln!("CONVOCATIONS_SOAK_SEED={seed}");
    let mut world = World::new(seed, limit > Duration::from_secs(60));
    let (began, mut told) = (Instant::now(), Instant::now());
    while began.elapsed() < limit {
        world.step().await;
        world.check().await;
        if told.elapsed() > Duration::from_secs(30) {
            eprintln!("{:>5} s: {}", began.elapsed().as_secs(), world.report());
            told = Instant::now();
        }
    }
    world.forget_record().await;
    world.everybody_gets_a_token().await;
    eprintln!("{:>5} s: {}", began.elapsed().as_secs(), world.report());
    world.enough_happened(limit);
}
