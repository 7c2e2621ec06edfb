//! Variations of seeds: what a fuzzer does, small and the same for the same number.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Longest variation, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// Words that mean something to at least one reader.
const WORDS: &[&str] = &[
    "code=",
    "&state=",
    "state=4f2c6e0b9d1a4f2c6e0b9d1a4f2c6e0b",
    "&iss=https://id.example",
    "error=",
    "#",
    "%00",
    "%",
    "\u{202e}",
    "\u{1b}[2J",
    "\r\n",
    "\0",
    "\"",
    "\\",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e309",
    "18446744073709551616",
    "https://",
    "http://localhost:1/",
    "http://127.0.0.1",
    "@",
    "planted-c0ffee",
    "\u{7f}",
    "é",
    "\"access_token\":",
    "\"refresh_token\":",
    "\"expires_in\":",
    "\"error\":",
    "\"issuer\":",
    "version = 1",
    "[logins.x]",
    "[providers.x.login.y]",
    "\x01",
    "[[",
    "]]",
    "=",
    "\n",
    " ",
    "Bearer ",
    "\u{feff}",
];

/// A source of variations.
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    random: StdRng,
}

impl Mutator {
    /// Variations of these seeds; the same number gives the same ones.
    pub fn new(seeds: Vec<Vec<u8>>, number: u64) -> Self {
        assert!(!seeds.is_empty(), "there is nothing to vary");
        Self { seeds, random: StdRng::seed_from_u64(number) }
    }

    /// The next one.
    pub fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.seed();
        for _ in 0..self.random.random_range(0..8) {
            self.change(&mut bytes);
        }
        bytes.truncate(MAX_LEN);
        bytes
    }

    fn seed(&mut self) -> Vec<u8> {
        let index = self.random.random_range(0..self.seeds.len());
        self.seeds[index].clone()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let (from, to) = (self.place(bytes), self.place(bytes));
        let (from, to) = (from.min(to), from.max(to));
        match self.random.random_range(0..9) {
            0 => bytes.truncate(to),
            1 => drop(bytes.drain(from..to)),
            2 => {
                let piece = bytes[from..to].to_vec();
                bytes.splice(from..from, piece);
            }
            3 => {
                let other = self.seed();
                let place = self.place(&other);
                bytes.splice(from..to, other[place..].iter().copied());
            }
            4 => {
                let piece = bytes[from..to.min(from + 16)].repeat(self.random.random_range(1..300));
                bytes.splice(from..from, piece);
            }
            5 if from < bytes.len() => bytes[from] ^= 1 << self.random.random_range(0..8),
            6 if from < bytes.len() => bytes[from] = self.random.random(),
            _ => {
                let word = WORDS[self.random.random_range(0..WORDS.len())];
                bytes.splice(from..from, word.bytes());
            }
        }
    }

    fn place(&mut self, bytes: &[u8]) -> usize {
        self.random.random_range(0..=bytes.len())
    }
}
