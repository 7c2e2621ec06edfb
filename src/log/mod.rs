//! The log: one file for all our processes, private, rotated, redacted. Every room writes to it through
//! `tracing`.
//!
//! A line says one decision, as `tracing::debug!(%login, revision, "refreshed")` does, and stands in the file
//! as `2026-11-21T17:50:03.123Z 4711 DEBUG broker::refresh: refreshed login=anthropic revision=8`. A field is
//! a name of ours, a number or a short word (login, revision, fingerprint, host, status, ms, error code);
//! never a secret, an address's query or a body. `error` is for what failed and was not dealt with, `warn`
//! for what was, `info` for the begin and end of things, `debug` for each decision. What was lent, to whom,
//! and each use of it (`info` of `agent`) is written at every level but `off`: the person must be able to
//! look it up afterwards.
//!
//! Guarantees: never standard output or error, which belong to the protocol and to the person; what looks
//! like a token is taken out a second time here, though nobody should have written one; a log that cannot be
//! written is no reason to fail, and one to which nothing is said is never opened. Other crates' events do
//! not come here: theirs may hold whole messages. Knows no logins.

mod file;
mod redact;

use std::fmt::{Debug, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::paths::Paths;
use crate::text::is_hidden;
use file::LogFile;
pub use redact::redact;

/// Longest line, in bytes. Appends of one page or less are whole on every file system that we know.
const MAX_LINE: usize = 4096;
/// Events of this crate alone are written.
const OURS: &str = env!("CARGO_PKG_NAME");
/// The room whose `info` is written whatever the level.
const ALWAYS: &str = concat!(env!("CARGO_PKG_NAME"), "::agent");

/// Begins the log of this process, once. `CONVOCATIONS_LOG` is `debug`, `info`, `warn` (the default), `error`
/// or `off`. From now on a panic's place goes here, and its message, which may hold a value, nowhere.
pub fn init(paths: &Paths) {
    let wanted = std::env::var("CONVOCATIONS_LOG").unwrap_or_default();
    let known = wanted.parse::<LevelFilter>().ok().filter(|_| !wanted.is_empty());
    let log = Log { level: known.unwrap_or(LevelFilter::WARN), file: Mutex::new(LogFile::new(paths)) };
    if tracing::subscriber::set_global_default(log).is_err() {
        return;
    }
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        tracing::error!("panicked at {place}");
    }));
    if known.is_none() && !wanted.is_empty() {
        tracing::warn!(
            "`CONVOCATIONS_LOG` is not one of debug, info, warn, error and off; it counts as warn"
        );
    }
}

/// Writes this crate's events as lines. Spans are not kept: a line stands for itself.
struct Log {
    level: LevelFilter,
    file: Mutex<LogFile>,
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && is_written(metadata.target(), *metadata.level(), self.level)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // For what is always written.
        Some(if self.level == LevelFilter::OFF { self.level } else { self.level.max(LevelFilter::INFO) })
    }

    fn event(&self, event: &Event<'_>) {
        let line = line(event);
        self.file.lock().unwrap_or_else(PoisonError::into_inner).append(&line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // None is enabled.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn is_written(target: &str, level: Level, wanted: LevelFilter) -> bool {
    let is_audit = target.starts_with(ALWAYS) && level == Level::INFO && wanted != LevelFilter::OFF;
    is_ours(target) && (level <= wanted || is_audit)
}

fn is_ours(target: &str) -> bool {
    target.strip_prefix(OURS).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// An event as it stands in the file.
fn line(event: &Event<'_>) -> String {
    let (mut said, metadata) = (Said::default(), event.metadata());
    event.record(&mut said);
    let module = metadata.target().split_once("::").map_or(OURS, |(_, module)| module);
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    let said = redact(&format!("{}{}", said.message, said.fields));
    let mut line = format!("{time} {} {} {module}: {said}", std::process::id(), metadata.level());
    line.retain(|character| !is_hidden(character));
    let mut end = line.len().min(MAX_LINE - 1);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    line.truncate(end);
    line.push('\n');
    line
}

/// An event's message, and its fields behind it.
#[derive(Default)]
struct Said {
    message: String,
    fields: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" || !value.contains([' ', '"']) {
            self.record_debug(field, &format_args!("{value}"));
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string never fails.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps the lines instead of writing them.
    struct Kept(Arc<Mutex<Vec<String>>>);

    impl Subscriber for Kept {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn event(&self, event: &Event<'_>) {
            self.0.lock().unwrap().push(line(event));
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    /// What of a line follows its time, and that it is one line.
    fn said(work: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        tracing::subscriber::with_default(Kept(lines.clone()), work);
        let line = lines.lock().unwrap().pop().unwrap();
        assert!(line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
        line.split_once(' ').unwrap().1.trim_end().replacen(&std::process::id().to_string(), "PID", 1)
    }

    #[test]
    fn a_line_says_when_who_where_what_and_about_what() {
        let login = "anthropic@work";
        let line = said(|| tracing::debug!(%login, revision = 8, "refreshed"));
        assert_eq!(line, "PID DEBUG log::tests: refreshed login=anthropic@work revision=8");
        let line = said(|| tracing::warn!(why = "no bus", path = "/run/x", "no keyring"));
        assert_eq!(line, "PID WARN log::tests: no keyring why=\"no bus\" path=/run/x");
    }

    #[test]
    fn a_line_is_one_line_of_bounded_length_and_without_secrets() {
        let line = said(|| tracing::error!(text = %format_args!("a\nb\u{1b}[2J sk-or-v1-0123456789"), "odd"));
        assert_eq!(line, "PID ERROR log::tests: odd text=ab[2J …");
        let long = said(|| tracing::error!(text = "é ".repeat(5000), "long"));
        assert!(long.len() < MAX_LINE && long.len() > MAX_LINE - 80, "{}", long.len());
    }

    #[test]
    fn what_is_lent_is_written_at_every_level_but_off() {
        let (warn, off) = (LevelFilter::WARN, LevelFilter::OFF);
        assert!(is_written("convocations::agent::grant", Level::INFO, warn));
        assert!(!is_written("convocations::agent::grant", Level::DEBUG, warn));
        assert!(!is_written("convocations::agent::grant", Level::INFO, off));
        assert!(!is_written("convocations::gateway", Level::INFO, warn));
        assert!(!is_written("other::agent", Level::INFO, warn));
    }

    #[test]
    fn only_events_of_ours_are_written() {
        assert!(is_ours("convocations") && is_ours("convocations::broker::refresh"));
        assert!(!is_ours("convocations_other::x") && !is_ours("nvim_rs::neovim") && !is_ours("hyper::proto"));
    }
}
