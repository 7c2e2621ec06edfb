//! What the rows are held against.

use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::Command;

use crate::common::{self, Sandbox, TestDir};

/// Builds `floor.rs` as it stands, with optimisation, and returns the program.
pub fn read_a_file() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::temp_dir().join(format!("convocations-floor-{}", std::process::id()));
    let mut rustc = Command::new("rustc");
    rustc.args(["-O", "--edition", "2024", "-o"]).arg(&program).arg(root.join("tests/bench/floor.rs"));
    assert!(rustc.status().unwrap().success());
    program
}

/// Reads one msgpack value and writes it back, until the input ends.
pub fn echo() {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = std::io::stdout().lock();
    while let Ok(value) = rmpv::decode::read_value(&mut input) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &value).unwrap();
        output.write_all(&bytes).unwrap();
        output.flush().unwrap();
    }
}

/// Resident memory of a process, MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// A stored login whose token has ended.
pub fn expired_login(dir: &TestDir, sandbox: &Sandbox) {
    let index = "version = 1\nconfirmed_notices = [\"anthropic/subscription\"]\n";
    std::fs::write(dir.config().join("credentials.toml"), index).unwrap();
    sandbox.lifetime(1);
    common::log_in(&mut dir.convocations(["login", "anthropic", "--method", "subscription"])).ok();
    sandbox.lifetime(28_800);
    std::thread::sleep(std::time::Duration::from_secs(2));
}
