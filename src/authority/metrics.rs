//! Counts for Prometheus: requests by route and status, and the time they took.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many answers, and the time they took in all, by route and status.
type Counts = BTreeMap<(&'static str, u16), (u64, Duration)>;

/// The counts of one instance. Routes and statuses are few, so memory is bounded.
#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

impl Metrics {
    /// Counts one answered request.
    pub fn count(&self, route: &'static str, status: u16, took: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counts.entry((route, status)).or_default();
        entry.0 += 1;
        entry.1 += took;
    }

    /// The text that Prometheus reads (exposition format 0.0.4).
    pub fn render(&self) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::from(
            "# HELP convocations_authority_requests_total Requests answered.\n\
             # TYPE convocations_authority_requests_total counter\n",
        );
        for ((route, status), (count, _)) in counts.iter() {
            let _ = writeln!(
                text,
                "convocations_authority_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            );
        }
        text.push_str(
            "# HELP convocations_authority_request_seconds_total Time spent answering.\n\
             # TYPE convocations_authority_request_seconds_total counter\n",
        );
        for ((route, status), (_, took)) in counts.iter() {
            let seconds = took.as_secs_f64();
            let _ = writeln!(
                text,
                "convocations_authority_request_seconds_total{{route=\"{route}\",status=\"{status}\"}} {seconds:.6}"
            );
        }
        text
    }
}
