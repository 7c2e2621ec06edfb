//! What a test and the program that it makes unreliable share: a file of numbers, mapped by the program's
//! side.
//!
//! Used by both sides, each of which needs a part.
#![allow(dead_code)]

/// Names the file, in the program's environment.
pub const CONTROL: &str = "UNRELIABLE_CONTROL";
/// Names the folder whose files are unreliable.
pub const FOLDER: &str = "UNRELIABLE_FOLDER";

/// Seconds by which the wall clock is wrong.
pub const WALL: usize = 0;
/// Which writing call fails, from 1; 0 for none.
pub const AT: usize = 1;
/// How: an `errno`, or [`KILL`].
pub const HOW: usize = 2;
/// 1 if all later ones fail too.
pub const STAYS: usize = 3;
/// How many writing calls there have been.
pub const COUNT: usize = 4;
/// The `errno` of every `flock`, or 0.
pub const LOCKING: usize = 5;
/// Added to the effective user id.
pub const USER: usize = 6;
/// 1 if no host name can be resolved.
pub const NO_NAMES: usize = 7;
/// The `errno` of every opening for reading, or 0.
pub const READING: usize = 8;
/// From here on the kind of each writing call, by its number: an index into [`KINDS`].
pub const KIND: usize = 16;
/// How many numbers there are.
pub const LENGTH: usize = 512;

/// In [`HOW`]: the process is killed at the call, and half of what it was to write is there.
pub const KILL: i64 = 1000;

/// The calls that change files, by the system's names.
pub const KINDS: [&str; 9] =
    ["open", "write", "fsync", "rename", "unlink", "link", "truncate", "chmod", "mkdir"];
