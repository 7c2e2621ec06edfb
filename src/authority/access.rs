//! What an operator sees of the requests: the access log on standard error, and counts for Prometheus.
//!
//! Guarantees: a line or a count holds address, method, route, status and time, never a query, header or
//! body; routes and statuses are few, so memory is bounded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use warp::http::{Method, StatusCode};

use super::route::Route;
use crate::clock::Clock;

/// One answered request.
pub struct Answered {
    /// Who connected, by an address.
    pub peer: Option<IpAddr>,
    /// How.
    pub method: Method,
    /// Where.
    pub route: Route,
    /// What was said.
    pub status: StatusCode,
    /// How long it took.
    pub took: Duration,
}

impl Answered {
    /// One line on standard error, which is a service's log.
    pub fn log(&self) {
        let now = Clock::System.now();
        let ms = self.took.as_secs_f64() * 1000.0;
        let Self { peer, method, route, status, .. } = self;
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
        let (name, status) = (route.name(), status.as_u16());
        let _ = writeln!(std::io::stderr(), "{now} {peer} {method} {name} {status} {ms:.1}ms");
    }
}

/// How many answers, and the time they took in all, by route and status.
type Counts = BTreeMap<(&'static str, u16), (u64, Duration)>;

/// The counts of one instance.
#[derive(Default)]
pub struct Metrics {
    counts: Mutex<Counts>,
}

impl Metrics {
    /// Counts one answered request.
    pub fn count(&self, answered: &Answered) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counts.entry((answered.route.name(), answered.status.as_u16())).or_default();
        entry.0 += 1;
        entry.1 += answered.took;
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
