//! `make bench`: the budgets of the design, each a ratio against a floor measured in the same run.
//!
//! The floors are beside this file: `floor.rs` reads a file and prints it; this program itself, called with
//! `echo`, answers msgpack with msgpack and does nothing else, and with `echo keyring` reads an item of a
//! keyring before, and with `echo proxy ADDRESS` is a bare proxy; a bare warp server answers the same bytes
//! as the authority. Other tools that print a secret are rows without a budget if they are installed. A row
//! that misses its budget says so and the program exits with 1. Words pick groups of rows: `cargo bench
//! --bench budgets -- gateway`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

#[cfg(unix)]
mod agent;
mod authority;
#[path = "../common/backend.rs"]
mod backend;
#[path = "../common/mod.rs"]
mod common;
mod floors;
mod gateway;
mod keyring;
mod pace;
mod pipe;
mod processors;
mod proxy;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use backend::Backend;
use common::{Sandbox, TestDir, run};
use pipe::Pipe;
use serde_json::json;
use table::Table;

const KEY: &str = "sk-or-v1-0123456789abcdef0123456789abcdef";
const RUNS: usize = 200;
const CALLS: usize = 2000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("echo") {
        match arguments.next().as_deref() {
            Some("proxy") => return proxy::serve(&arguments.next().expect("an address")),
            Some("keyring") => keyring::read_bare(),
            _ => {}
        }
        return floors::echo();
    }
    let mut table = Table::default();
    let dir = stored();
    type Rows<'a> = &'a dyn Fn(&mut Table);
    let groups: &[(&str, Rows)] = &[
        ("token", &|table| command_line(&dir, table)),
        ("get", &|table| get_from_memory(&dir, table)),
        ("spawn", &|table| first_token(&dir, table)),
        ("memory", &|table| memory_and_size(&dir, table)),
        ("keyring", &keyring::rows),
        ("storm", &storm),
        ("gateway", &gateway::rows),
        #[cfg(unix)]
        ("agent", &|table| agent::rows(&dir, table)),
        ("authority", &authority::rows),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, rows) in groups {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            rows(&mut table);
        }
    }
    if wanted.is_empty() {
        keyring::other_tools(&mut table);
    }
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

/// The median times of two things done in turns, so that a machine that slows down slows both, and on one
/// processor, so that neither has to wake another for every message: what that takes depends on where the two
/// are put.
fn in_turns<A, B>(runs: usize, mut first: impl FnMut() -> A, mut second: impl FnMut() -> B) -> [Duration; 2] {
    let before = processors::stay();
    let mut times = [Vec::with_capacity(runs), Vec::with_capacity(runs)];
    for _ in 0..runs {
        times[0].push(timed(&mut first));
        times[1].push(timed(&mut second));
    }
    processors::set(&before);
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2]
    })
}

/// The time of one; what it made is dropped after.
fn timed<T>(work: &mut impl FnMut() -> T) -> Duration {
    let begun = Instant::now();
    let made = work();
    let time = begun.elapsed();
    drop(made);
    time
}

/// Runs a command to its end.
fn finish(mut command: Command) {
    assert!(command.stdout(std::process::Stdio::null()).status().unwrap().success());
}

fn command_line(dir: &TestDir, table: &mut Table) {
    let floor = floors::read_a_file();
    let index = dir.config().join("credentials.toml");
    let read = || {
        let mut command = dir.command(&floor);
        command.arg(&index);
        finish(command);
    };
    let times = in_turns(RUNS, || finish(dir.convocations(["token", "openrouter"])), read);
    table.row("`convocations token`, stored and good", "a program that reads a file", times, 1.9);
}

fn get_from_memory(dir: &TestDir, table: &mut Table) {
    // On the processor that the calls are made on.
    let before = processors::stay();
    let mut backend = Pipe::backend(&mut dir.convocations::<&str>([]));
    let mut echo = Pipe::echo(&[], &[]);
    let times = in_turns(CALLS, || backend.get(), || echo.round());
    processors::set(&before);
    table.row("a `get` answered from memory", "a msgpack echo on a pipe", times, 2.5);
}

fn first_token(dir: &TestDir, table: &mut Table) {
    let first = || Pipe::backend(&mut dir.convocations::<&str>([]));
    let times = in_turns(RUNS, first, first_echo);
    table.row("backend spawn to first token", "spawn to first echo", times, 3.0);
}

fn first_echo() -> Pipe {
    let mut echo = Pipe::echo(&[], &[]);
    echo.round();
    echo
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

/// 64 processes on one expired login: the provider takes a second; the last is to have its token a second
/// later.
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
    let failures = children.into_iter().map(|child| child.finish(Duration::from_secs(60)));
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
