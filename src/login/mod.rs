//! A login in progress: from "which method?" to a stored credential, or to one clear error.
//!
//! | file | subject |
//! |---|---|
//! | `registry` | the logins of this process: start, input, cancel |
//! | `stage`, `qr` | what a login tells: the `login` events of `doc/rpc.md` |
//! | `choose` | which method, and its notice |
//! | `flow` | one login from its first event to its last |
//! | `browser`, `device`, `key` | the three ways to a credential |
//! | `attempt`, `answer`, `paste` | what was asked, and what comes back; pure |
//! | `port`, `listener`, `pages` | the loopback, and what the browser shows |
//! | `race`, `wait` | callback, paste, cancel and time limit against each other |
//! | `save`, `account` | into the store, under which name |
//!
//! It never opens a browser and never asks the person anything: it tells, through events, and whoever listens
//! does.

mod account;
mod answer;
#[cfg(test)]
mod attacks;
mod attempt;
mod browser;
mod choose;
mod client;
mod device;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod key;
mod listener;
mod pages;
mod paste;
mod port;
mod qr;
mod race;
mod reach;
mod registry;
mod save;
mod stage;
mod wait;

pub use key::check as check_key;
pub use qr::Qr;
pub use reach::obstacle;
pub use registry::{LoginContext, Logins};
pub use stage::{Input, LoginEvent, LoginRequest, Stage};
