//! The floor of `convocations token`: a program that reads one file and prints it.

use std::io::Write as _;

fn main() {
    let path = std::env::args().nth(1).expect("a file");
    let bytes = std::fs::read(path).expect("readable");
    std::io::stdout().write_all(&bytes).expect("writable");
}
