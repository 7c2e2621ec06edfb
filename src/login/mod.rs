//! A login in progress: from "which method?" to a stored credential, or to one clear error.
//!
//! | file | subject |
//! |---|---|
//! | `registry` | the logins of this process: start, input, cancel |
//! | `flow` | one login from its first event to its last |
//! | `attempt`, `conversation` | what a login is about; what it tells and hears |
//! | `events`, `qr` | what a login tells: the `login` events of `doc/rpc.md` |
//! | `method_selection` | which method, and its notice |
//! | `methods` | the three ways to a credential: browser, device code, key |
//! | `authorization_request` | what was asked, and which request an answer belongs to; pure |
//! | `callback` | the loopback and pasted text: port, server, pages, parameters, and the wait for them |
//! | `cancel` | cancel and time limit |
//! | `save`, `account`, `replaced` | into the store, under which name, and what becomes of the login before |
//! | `registered_client` | what this program is to a provider with discovery |
//!
//! It never opens a browser and never asks the person anything: it tells, through events, and whoever listens
//! does.

mod account;
mod attempt;
mod authorization_request;
mod callback;
mod cancel;
mod conversation;
mod events;
mod flow;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod method_selection;
mod methods;
mod organization;
mod qr;
mod reach;
mod registered_client;
mod registry;
mod replaced;
mod save;
mod survey;

pub use events::{Input, LoginEvent, LoginRequest, Replaced, Stage};
pub use methods::{check_client_secret, check_key};
pub use qr::Qr;
pub use reach::obstacle;
pub use registry::Logins;
pub use survey::{Survey, survey};
