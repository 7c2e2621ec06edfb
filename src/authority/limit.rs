//! Requests per address and window, so that nobody can keep a server busy with sealing or OpenRouter with codes.
//!
//! Guarantees: bounded memory whatever the number of addresses. The numbers are those of the MCP reference server:
//! authorize 100 and token 50 per 15 minutes, register 20 per hour. Each instance counts for itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most addresses that are counted at once; past it all counts start anew.
const MAX_ADDRESSES: usize = 20_000;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limited {
    /// `POST /register`.
    Register,
    /// `GET` and `POST /authorize`, and the callback.
    Authorize,
    /// `POST /token`.
    Token,
}

impl Limited {
    fn rule(self) -> (u32, Duration) {
        match self {
            Self::Register => (20, Duration::from_secs(3600)),
            Self::Authorize => (100, Duration::from_secs(900)),
            Self::Token => (50, Duration::from_secs(900)),
        }
    }
}

/// The counts of one instance.
#[derive(Default)]
pub struct Limits {
    windows: Mutex<HashMap<(IpAddr, Limited), (Instant, u32)>>,
}

impl Limits {
    /// Counts one request at `now`.
    ///
    /// # Errors
    /// How long the address should wait, if it had too many.
    pub fn count(&self, peer: IpAddr, what: Limited, now: Instant) -> Result<(), Duration> {
        let (most, length) = what.rule();
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_ADDRESSES {
            windows.clear();
        }
        let window = windows.entry((network(peer), what)).or_insert((now, 0));
        if now.duration_since(window.0) >= length {
            *window = (now, 0);
        }
        if window.1 >= most {
            return Err(length.saturating_sub(now.duration_since(window.0)));
        }
        window.1 += 1;
        Ok(())
    }
}

/// One IPv6 customer has at least a /64: its addresses count as one.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_held_back_until_its_window_ends() {
        let limits = Limits::default();
        let (peer, start) = (IpAddr::from([127, 0, 0, 1]), Instant::now());
        for _ in 0..20 {
            limits.count(peer, Limited::Register, start).unwrap();
        }
        assert_eq!(limits.count(peer, Limited::Register, start), Err(Duration::from_secs(3600)));
        assert!(limits.count(IpAddr::from([127, 0, 0, 2]), Limited::Register, start).is_ok());
        assert!(limits.count(peer, Limited::Token, start).is_ok());
        assert!(limits.count(peer, Limited::Register, start + Duration::from_secs(3600)).is_ok());
    }

    #[test]
    fn a_v6_network_counts_as_one() {
        let (one, other) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        assert_eq!(network(one), network(other));
    }
}
