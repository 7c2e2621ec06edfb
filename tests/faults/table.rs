//! `tests/FAULTS.md`: every fault and what the person sees. Its tables are what the tests have seen, so they
//! cannot be out of date: a table that differs fails, and `UPDATE_FAULTS=1 cargo test --test faults` writes
//! it anew.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use convocations::error::Code;
use serde_json::Value;

use crate::common::Ran;
use crate::fixture::Fixture;

/// The tables there are. Each is checked by the test of its subject.
const TITLES: [&str; 5] = ["Network", "Files", "Clock", "Keyring", "Processes"];

/// A fault and what was seen of it.
#[derive(Debug, Clone)]
pub struct Row {
    pub fault: String,
    pub seen: Seen,
    /// What becomes of the login, in words.
    pub then: &'static str,
}

/// What the person sees; nothing by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    code: String,
    sentence: String,
    hint: String,
}

impl Seen {
    /// An error as the backend sends it.
    pub fn error(fixture: &Fixture, error: &Value) -> Self {
        let text =
            |name: &str| plain(fixture, error[name].as_str().unwrap_or_else(|| panic!("{name}: {error}")));
        Self { code: text("code"), sentence: text("message"), hint: text("hint") }
    }

    /// A command that was done all the same; the sentence is all that it said besides.
    #[track_caller]
    pub fn done(fixture: &Fixture, ran: &Ran) -> Self {
        let line = ran.stderr.strip_suffix(".\n").filter(|line| ran.code() == 0 && !line.contains('\n'));
        let sentence =
            format!("{}.", plain(fixture, line.unwrap_or_else(|| panic!("done, and a sentence: {ran:?}"))));
        Self { sentence, ..Self::default() }
    }

    /// A command that failed with this code; the sentence and the hint are the last two lines.
    #[track_caller]
    pub fn failed(fixture: &Fixture, ran: &Ran, code: Code) -> Self {
        assert_eq!((ran.code(), ran.stdout.as_str()), (i32::from(code.exit_status()), ""), "{ran:?}");
        let lines: Vec<&str> = ran.stderr.lines().collect();
        let [.., sentence, hint] = lines.as_slice() else { panic!("a sentence and a hint: {ran:?}") };
        let sentence = sentence.strip_prefix("convocations: ").unwrap_or_else(|| panic!("{ran:?}"));
        let hint = hint.strip_prefix("  ").unwrap_or_else(|| panic!("{ran:?}"));
        Self { code: code.to_string(), sentence: plain(fixture, sentence), hint: plain(fixture, hint) }
    }
}

/// Without what differs from run to run.
fn plain(fixture: &Fixture, text: &str) -> String {
    text.replace(&fixture.dir.config().display().to_string(), "FOLDER").replace('|', "/")
}

fn render(row: &Row) -> String {
    let Seen { code, sentence, hint } = &row.seen;
    let code = if code.is_empty() { String::new() } else { format!("`{code}`") };
    format!("| {} | {code} | {sentence} | {hint} | {} |", row.fault, row.then)
}

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/FAULTS.md")
}

/// Compares a table of the file with what was seen, or writes it.
#[track_caller]
pub fn check(title: &str, rows: &[Row]) {
    static FILE: Mutex<()> = Mutex::new(());
    let _turn = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(file()).unwrap();
    let is_row = |line: &&str| line.starts_with("| ") && !line.starts_with("| fault |");
    let seen: Vec<String> = rows.iter().map(render).collect();
    let (before, rest) =
        text.split_once(&format!("## {title}\n")).unwrap_or_else(|| panic!("no table {title}"));
    let (table, after) = rest.split_once("\n## ").unwrap_or((rest.trim_end(), ""));
    if std::env::var_os("UPDATE_FAULTS").is_some() {
        let head: Vec<&str> = table.lines().filter(|line| !is_row(line)).collect();
        let table = format!("{}\n{}\n", head.join("\n").trim_end(), seen.join("\n"));
        let after = if after.is_empty() { String::new() } else { format!("\n## {after}") };
        std::fs::write(file(), format!("{before}## {title}\n{table}{after}")).unwrap();
        return;
    }
    let written: Vec<&str> = table.lines().filter(is_row).collect();
    for (seen, written) in seen.iter().zip(&written) {
        assert_eq!(seen, written, "tests/FAULTS.md, {title}");
    }
    assert_eq!(seen.len(), written.len(), "tests/FAULTS.md, {title}");
}

#[test]
fn every_table_of_the_file_is_checked() {
    let text = std::fs::read_to_string(file()).unwrap();
    let titles: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(titles, TITLES);
}
