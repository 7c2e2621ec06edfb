//! How a provider's answer comes back: to a loopback listener, or as pasted text.
//!
//! | file | subject |
//! |---|---|
//! | `port` | a port of the loopback, bound before anybody is told of it |
//! | `server`, `line`, `pages` | what listens there, who waits there, and what the browser shows |
//! | `params`, `paste` | the answer itself, from a query or from pasted text; pure |
//! | `wait` | callback, paste and time limit against each other |

#[cfg(test)]
mod attacks;
mod line;
pub(super) mod pages;
pub(super) mod params;
pub(super) mod paste;
pub(super) mod port;
pub(super) mod server;
pub(super) mod wait;
