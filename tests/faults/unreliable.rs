//! The test's side of `preload.rs`: a program whose files, clock and names fail as told.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::{TestDir, build_example};
use crate::control;

/// What is wrong around the programs of one [`TestDir`]. Nothing is, until it is set.
pub struct Unreliable {
    numbers: File,
    path: PathBuf,
    folder: PathBuf,
}

impl Unreliable {
    /// For the programs that work in this folder.
    pub fn new(dir: &TestDir) -> Self {
        let path = dir.path().join("unreliable");
        let numbers = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        numbers.set_len(8 * control::LENGTH as u64).unwrap();
        Self { numbers, path, folder: dir.config() }
    }

    /// Sets a number of `control`; a program that runs sees it at once.
    pub fn set(&self, word: usize, value: i64) {
        self.numbers.write_all_at(&value.to_ne_bytes(), 8 * word as u64).unwrap();
    }

    /// A number of `control`.
    pub fn get(&self, word: usize) -> i64 {
        let mut bytes = [0; 8];
        self.numbers.read_exact_at(&mut bytes, 8 * word as u64).unwrap();
        i64::from_ne_bytes(bytes)
    }

    /// Lets the `at`-th call that changes files fail, and all behind it if `stays`; counts anew.
    pub fn strike(&self, at: i64, how: i64, stays: bool) {
        self.set(control::COUNT, 0);
        self.set(control::AT, at);
        self.set(control::HOW, how);
        self.set(control::STAYS, i64::from(stays));
    }

    /// The kinds of the calls so far, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        let kind = |number| control::KINDS[usize::try_from(self.get(control::KIND + number)).unwrap()];
        (1..=usize::try_from(self.get(control::COUNT)).unwrap()).map(kind).collect()
    }

    /// Puts a program under it.
    pub fn under<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| build_example("unreliable").join("libunreliable.so"));
        command.env("LD_PRELOAD", library);
        command.env(control::CONTROL, &self.path).env(control::FOLDER, &self.folder)
    }
}
