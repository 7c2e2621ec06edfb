//! Every seed, and so many variations of them, to every way in: no panic, and memory in proportion.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use super::mutate::Mutator;
use super::{TARGETS, Target};
use crate::test_support;

/// Variations of each target's seeds. `CONVOCATIONS_FUZZ_RUNS` asks for more, `CONVOCATIONS_FUZZ_SEED` for
/// the same ones.
const RUNS: u64 = 1500;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The seeds that are kept for cargo-fuzz.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    // What a run of cargo-fuzz has found stands beside them, under its hash, by the thousand.
    paths.retain(|path| path.file_name().is_some_and(|name| name.len() != 40));
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Bytes that an input of this length may make a reader hold at once: trees of small values are the most.
fn allowance(length: usize) -> usize {
    (1 << 20) + 512 * length
}

fn feed(name: &str, run: Target, input: &[u8], seed: u64) {
    let fed = catch_unwind(AssertUnwindSafe(|| test_support::peak(|| run(input))));
    let shown = || format!("{name}, CONVOCATIONS_FUZZ_SEED={seed}: {:?}", String::from_utf8_lossy(input));
    let held = fed.unwrap_or_else(|_| panic!("{}", shown()));
    assert!(held <= allowance(input.len()), "{held} bytes of {}: {}", input.len(), shown());
}

/// With the stack of a main thread, which is where the backend reads.
fn vary(name: &'static str) {
    let thread = std::thread::Builder::new().stack_size(8 << 20).spawn(move || vary_here(name)).unwrap();
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn vary_here(name: &str) {
    let (_, run) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seed = number("CONVOCATIONS_FUZZ_SEED").unwrap_or_else(rand::random);
    let seeds = seeds(name);
    seeds.iter().for_each(|input| feed(name, *run, input, seed));
    let mut mutator = Mutator::new(seeds, seed);
    for _ in 0..number("CONVOCATIONS_FUZZ_RUNS").unwrap_or(RUNS) {
        let input = mutator.next();
        feed(name, *run, &input, seed);
    }
}

/// One test for each way in, so that they run side by side.
macro_rules! ways {
    ($($test:ident: $target:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            vary($target);
        })+

        #[test]
        fn every_way_in_is_tried_here_and_by_cargo_fuzz() {
            let tried = [$($target),+];
            let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
            let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap();
            let listed = read("Cargo.toml");
            for (name, _) in TARGETS {
                assert!(tried.contains(name), "{name} has no test");
                let target = format!("targets/{name}.rs");
                assert!(read(&target).contains(&format!("fuzzing::{name}(")), "{target} is another's");
                assert!(listed.contains(&format!("name = \"{name}\"\npath = \"{target}\"")), "{name} is not built");
            }
        }
    };
}

ways! {
    any_answer_is_read_or_refused: "answer",
    no_callback_is_taken_without_its_state: "callback",
    any_config_is_valid_or_named: "config",
    any_document_is_trusted_or_not: "document",
    any_header_is_read: "header",
    no_index_that_cannot_be_read_is_empty: "index",
    no_paste_is_taken_without_its_state: "pasted",
    any_output_of_a_command_is_a_credential_or_refused: "printed",
    any_message_is_read_or_ends_it: "rpc",
    any_stored_secret_is_kept_or_refused: "tokens",
    any_address_is_trusted_or_not: "urls",
}
