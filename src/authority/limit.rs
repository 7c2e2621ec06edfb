//! Requests per address and window, so that nobody can keep a server busy with sealing or OpenRouter with
//! codes.
//!
//! Guarantees: bounded memory whatever the number of addresses, and an address that is held back stays so:
//! when there are too many, those with the fewest requests are forgotten first. Each instance counts for
//! itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Code, Error};
use crate::text::short;

/// Most addresses that are counted at once.
const MAX_ADDRESSES: usize = 20_000;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limited {
    /// `POST /register`.
    Register,
    /// `GET` and `POST /authorize`, and the callback.
    Authorize,
    /// `POST /token` and `GET /me`, which ask OpenRouter.
    Token,
}

/// How many requests in how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests.
    pub count: u32,
    /// From the first of them on.
    pub window: Duration,
}

/// The rates of one server. By default those of the MCP TypeScript SDK's own authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    register: Rate,
    authorize: Rate,
    token: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        let rate = |count, minutes: u64| Rate { count, window: Duration::from_secs(minutes * 60) };
        Self { register: rate(20, 60), authorize: rate(100, 15), token: rate(50, 15) }
    }
}

impl Rates {
    /// The same with another rate for one thing.
    #[must_use]
    pub fn with(mut self, change: RateChange) -> Self {
        match change.what {
            Limited::Register => self.register = change.rate,
            Limited::Authorize => self.authorize = change.rate,
            Limited::Token => self.token = change.rate,
        }
        self
    }

    fn of(&self, what: Limited) -> Rate {
        match what {
            Limited::Register => self.register,
            Limited::Authorize => self.authorize,
            Limited::Token => self.token,
        }
    }
}

/// Another rate for one thing, as an operator writes it: `register=20/1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateChange {
    /// What is limited.
    pub what: Limited,
    /// To what.
    pub rate: Rate,
}

impl FromStr for RateChange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            Error::new(Code::InvalidArgument, format!("`{}` is not a rate.", short(text, 40)))
                .with_hint("Write it as register=20/1h, authorize=100/15m or token=50/15m.")
        };
        let (name, rate) = text.split_once('=').ok_or_else(wrong)?;
        let what = match name {
            "register" => Limited::Register,
            "authorize" => Limited::Authorize,
            "token" => Limited::Token,
            _ => return Err(wrong()),
        };
        let (count, window) = rate.split_once('/').ok_or_else(wrong)?;
        let (number, unit) = window.split_at_checked(window.len().saturating_sub(1)).ok_or_else(wrong)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(wrong()),
        };
        let count = count.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let number: u32 = number.parse().ok().filter(|number| *number > 0).ok_or_else(wrong)?;
        Ok(Self { what, rate: Rate { count, window: Duration::from_secs(u64::from(number) * seconds) } })
    }
}

/// The requests of one address.
struct Window {
    since: Instant,
    count: u32,
}

/// The counts of one instance.
pub struct Limits {
    rates: Rates,
    windows: Mutex<HashMap<(IpAddr, Limited), Window>>,
}

impl Limits {
    /// No requests yet.
    pub fn new(rates: Rates) -> Self {
        Self { rates, windows: Mutex::default() }
    }

    /// Counts one request at `now`.
    ///
    /// # Errors
    /// How long the address should wait, if it had too many.
    pub fn count(&self, peer: IpAddr, what: Limited, now: Instant) -> Result<(), Duration> {
        let rate = self.rates.of(what);
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let name = (network(peer), what);
        if windows.len() >= MAX_ADDRESSES && !windows.contains_key(&name) {
            self.make_room(&mut windows, now);
        }
        let window = windows.entry(name).or_insert(Window { since: now, count: 0 });
        if now.duration_since(window.since) >= rate.window {
            *window = Window { since: now, count: 0 };
        }
        if window.count >= rate.count {
            return Err(rate.window.saturating_sub(now.duration_since(window.since)));
        }
        window.count += 1;
        Ok(())
    }

    /// Forgets windows that have ended, then the emptiest quarter, so that this is not done at each request.
    fn make_room(&self, windows: &mut HashMap<(IpAddr, Limited), Window>, now: Instant) {
        windows.retain(|(_, what), window| now.duration_since(window.since) < self.rates.of(*what).window);
        if windows.len() < MAX_ADDRESSES * 3 / 4 {
            return;
        }
        let fullness = |what: Limited, window: &Window| {
            (f64::from(window.count) / f64::from(self.rates.of(what).count) * 1e6) as u64
        };
        let mut all: Vec<u64> = windows.iter().map(|((_, what), window)| fullness(*what, window)).collect();
        let quarter = all.len() / 4;
        let (_, limit, _) = all.select_nth_unstable(quarter);
        let limit = *limit;
        let mut left = quarter.max(1);
        windows.retain(|(_, what), window| {
            let goes = left > 0 && fullness(*what, window) <= limit;
            left -= usize::from(goes);
            !goes
        });
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

    fn address(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn an_address_is_held_back_until_its_window_ends() {
        let limits = Limits::new(Rates::default());
        let (peer, start) = (address(1), Instant::now());
        for _ in 0..20 {
            limits.count(peer, Limited::Register, start).unwrap();
        }
        assert_eq!(limits.count(peer, Limited::Register, start), Err(Duration::from_secs(3600)));
        assert!(limits.count(address(2), Limited::Register, start).is_ok());
        assert!(limits.count(peer, Limited::Token, start).is_ok());
        assert!(limits.count(peer, Limited::Register, start + Duration::from_secs(3600)).is_ok());
    }

    #[test]
    fn a_crowd_of_addresses_frees_nobody_who_is_held_back() {
        let limits = Limits::new(Rates::default().with("register=3/1h".parse().unwrap()));
        let start = Instant::now();
        for _ in 0..3 {
            limits.count(address(1), Limited::Register, start).unwrap();
        }
        for other in 2..100_000 {
            limits.count(address(other), Limited::Register, start).unwrap();
        }
        assert!(limits.count(address(1), Limited::Register, start).is_err());
        assert!(limits.windows.lock().unwrap().len() <= MAX_ADDRESSES);
    }

    #[test]
    fn a_crowd_that_is_held_back_itself_costs_bounded_memory() {
        let limits = Limits::new(Rates::default().with("token=1/1h".parse().unwrap()));
        for other in 0..60_000 {
            limits.count(address(other), Limited::Token, Instant::now()).unwrap();
        }
        assert!(limits.windows.lock().unwrap().len() <= MAX_ADDRESSES);
    }

    #[test]
    fn a_v6_network_counts_as_one() {
        let (one, other) = ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap());
        assert_eq!(network(one), network(other));
    }

    #[test]
    fn rates_are_read_as_operators_write_them() {
        let change: RateChange = "token=500/15m".parse().unwrap();
        assert_eq!(change.rate, Rate { count: 500, window: Duration::from_secs(900) });
        for bad in [
            "token",
            "token=5",
            "token=0/1h",
            "token=5/0h",
            "token=5/1d",
            "me=5/1h",
            "token=5/",
            "token=-1/1h",
        ] {
            assert!(bad.parse::<RateChange>().is_err(), "{bad}");
        }
    }
}
