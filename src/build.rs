//! What `--version` says beside the version: of which commit and for which target the program is. Run by
//! cargo before the build. Guarantees: the same sources give the same words, wherever they are built.
//!
//! The commit is the last one that changed what the program is made of, so that the commit of a release,
//! which adds the sums of the archives to the plugin, gives the same program as the one before it.

// What a build script prints is what cargo reads.
#![allow(clippy::print_stdout)]

use std::process::Command;

/// What the program is made of.
const SOURCES: [&str; 3] = ["src", "Cargo.toml", "Cargo.lock"];

fn main() {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    println!("cargo:rerun-if-env-changed=CONVOCATIONS_COMMIT");
    println!("cargo:rustc-env=CONVOCATIONS_TARGET={}", variable("TARGET").unwrap_or_default());
    println!("cargo:rustc-env=CONVOCATIONS_COMMIT={}", commit());
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The commit that a packager names; else of the clone, for the program that ships: asking git at each build
/// of one that is worked on would tell nothing.
fn commit() -> String {
    if let Some(named) = variable("CONVOCATIONS_COMMIT") {
        return named;
    }
    if variable("PROFILE").as_deref() != Some("release") {
        return "development".to_owned();
    }
    let changed = git(&["status", "--porcelain", "--"]).is_some_and(|files| !files.is_empty());
    match git(&["log", "-1", "--format=%H", "--"]).filter(|commit| commit.len() >= 12) {
        Some(commit) => format!("{}{}", &commit[..12], if changed { "+changes" } else { "" }),
        None => "unknown".to_owned(),
    }
}

/// What git says of the sources, if they are a clone and not a copy inside another repository.
fn git(arguments: &[&str]) -> Option<String> {
    let package = variable("CARGO_MANIFEST_DIR")?;
    let run = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(&package).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let top = run(&["rev-parse", "--show-toplevel"])?;
    let same = std::fs::canonicalize(top).ok()? == std::fs::canonicalize(&package).ok()?;
    same.then(|| run(&[arguments, &SOURCES].concat())).flatten()
}
