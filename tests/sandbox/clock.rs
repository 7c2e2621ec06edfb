//! The providers' wall clock: the system's, moved by `/_control/clock`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock and how far it has been moved.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock {
    offset: i64,
}

impl Clock {
    /// Unix seconds.
    pub fn now(self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX) + self.offset
    }

    /// Milliseconds since 1970, for intervals.
    pub fn now_ms(self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX) + self.offset * 1000
    }

    /// Moves the clock, forward or back.
    pub fn advance(&mut self, seconds: i64) {
        self.offset += seconds;
    }

    /// Whether it shows something else than the system's clock.
    pub fn is_moved(self) -> bool {
        self.offset != 0
    }

    /// The time in `seconds` from now as HTTP writes dates (RFC 9110, 5.6.7).
    pub fn http_date(self, seconds: i64) -> String {
        let at = u64::try_from(self.now() + seconds).unwrap_or_default();
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(at))
    }
}
