//! `make bench`: the budgets of the design, each a ratio against a floor measured in the same run.
//!
//! The floors are beside this file: `floor.rs` reads a file and prints it; this program itself, called with `echo`,
//! answers msgpack with msgpack and does nothing else, and with `echo keyring` reads an item of a keyring before; a
//! bare warp server answers the same bytes as the authority. Other tools that print a secret are rows without a budget
//! if they are installed.
//! A row that misses its budget says so and the program exits with 1.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod authority;
#[path = "../common/backend.rs"]
mod backend;
#[path = "../common/mod.rs"]
mod common;
mod floors;
mod keyring;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use backend::Backend;
use common::{Sandbox, TestDir, run};
use serde_json::json;
use table::Table;

const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";
const RUNS: usize = 200;
const CALLS: usize = 2000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("echo") {
        if arguments.next().as_deref() == Some("keyring") {
            keyring::read_bare();
        }
        return floors::echo();
    }
    let mut table = Table::default();
    let dir = stored();
    command_line(&dir, &mut table);
    get_from_memory(&dir, &mut table);
    first_token(&dir, &mut table);
    memory_and_size(&dir, &mut table);
    keyring::rows(&mut table);
    storm(&mut table);
    authority::rows(&mut table);
    keyring::other_tools(&mut table);
    std::process::exit(i32::from(!table.print()));
}

/// The program as it ships.
fn program() -> PathBuf {
    PathBuf::from(std::env::var_os("CONVOCATIONS").expect("`make bench` names the program"))
}

fn stored() -> TestDir {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n");
    assert_eq!(run(&mut dir.convocations(["secret", "set-openrouter-key"]), &format!("{KEY}\n")).code(), 0);
    dir
}

/// The median time of running a command to its end.
fn timed(make: impl Fn() -> Command) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            assert!(make().stdout(std::process::Stdio::null()).status().unwrap().success());
            begun.elapsed()
        })
        .collect();
    median(&mut times)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn command_line(dir: &TestDir, table: &mut Table) {
    let floor = floors::read_a_file();
    let index = dir.config().join("credentials.toml");
    let read = timed(|| {
        let mut command = dir.command(&floor);
        command.arg(&index);
        command
    });
    let token = timed(|| dir.convocations(["token", "openrouter"]));
    table.row("`convocations token`, stored and good", "a program that reads a file", token, read, 1.9);
}

fn get_from_memory(dir: &TestDir, table: &mut Table) {
    let mut backend = Backend::start(&mut dir.convocations::<&str>([]), json!({}));
    backend.ok("get", json!({"login": "openrouter"}));
    let get = per_call(|| drop(backend.ok("get", json!({"login": "openrouter"}))));
    let mut echo = floors::Echo::start();
    let floor = per_call(|| echo.round());
    table.row("a `get` answered from memory", "a msgpack echo on a pipe", get, floor, 2.5);
}

fn per_call(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..CALLS)
        .map(|_| {
            let begun = Instant::now();
            call();
            begun.elapsed()
        })
        .collect();
    median(&mut times)
}

fn first_token(dir: &TestDir, table: &mut Table) {
    let mut tokens: Vec<Duration> = (0..RUNS / 4)
        .map(|_| {
            let begun = Instant::now();
            let mut backend = Backend::start(&mut dir.convocations::<&str>([]), json!({}));
            backend.ok("get", json!({"login": "openrouter"}));
            begun.elapsed()
        })
        .collect();
    let floor = floors::first_echo(|_| {});
    table.row("backend spawn to first token", "spawn to first echo", median(&mut tokens), floor, 3.0);
}

fn memory_and_size(dir: &TestDir, table: &mut Table) {
    let mut backend = Backend::start(&mut dir.convocations::<&str>([]), json!({}));
    backend.ok("get", json!({"login": "openrouter"}));
    let before = floors::resident_mib(backend.id());
    for _ in 0..100_000 {
        backend.ok("get", json!({"login": "openrouter"}));
    }
    let after = floors::resident_mib(backend.id());
    table.limit("backend memory after 100,000 calls, MiB", after, 12.0);
    table.limit("  and its growth, MiB", after - before, 1.0);
    let size = std::fs::metadata(program()).unwrap().len();
    #[allow(clippy::cast_precision_loss)]
    table.limit("size of the program, MiB", size as f64 / f64::from(1 << 20), 8.0);
}

/// 64 processes on one expired login: the provider takes a second; the last is to have its token a second later.
fn storm(table: &mut Table) {
    let sandbox = Sandbox::start();
    let dir = TestDir::new();
    let store = "[store]\nbackend = \"local-encrypted\"\n";
    dir.write_config(&format!("{}\n{store}", sandbox.config_toml()));
    floors::expired_login(&dir, &sandbox);
    sandbox.fault_refresh("anthropic.token", 1, common::fault::delay(1000));
    let begun = Instant::now();
    let children: Vec<common::Child> =
        (0..64).map(|_| common::Child::spawn(&mut dir.convocations(["token", "anthropic"]))).collect();
    let failures = children.into_iter().filter(|_| true).map(|child| child.finish(Duration::from_secs(60)));
    let failures = failures.filter(|ran| ran.status.code() != Some(0)).count();
    let last = begun.elapsed();
    #[allow(clippy::cast_precision_loss)]
    {
        table.limit(
            "64 processes, one expired login: token calls",
            sandbox.refreshes("anthropic.token") as f64,
            1.0,
        );
        table.limit("  failures", failures as f64, 0.0);
    }
    table.limit("  the last after the provider's second, s", last.as_secs_f64() - 1.0, 1.0);
}
