//! Why a request brought no answer, in words for the person.
//!
//! Guarantees: nothing of a URL's path or query, a header or a body goes into an error; an error tells
//! whether the request can have reached the other side.

use std::error::Error as StdError;

use crate::error::{Code, Error};
use crate::paths::SETTINGS_FILE;

/// Why there is no whole answer.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// For the person.
    pub error: Error,
    /// Whether the request can have reached the other side.
    pub sent: bool,
}

/// What a person is told of a request that brought no answer.
pub fn transport_error(host: &str, error: &reqwest::Error) -> Error {
    trouble(host, error).error
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The connection broke.
    Cut,
    /// The time was up.
    Slow,
    /// It is longer than allowed.
    TooLarge,
}

pub(super) fn trouble(host: &str, error: &reqwest::Error) -> TransportError {
    let sent = !error.is_connect() && !error.is_builder() && !error.is_request_never_sent();
    let error = if error.is_timeout() {
        timed_out(host)
    } else if let Some(tls) = tls_trouble(error) {
        match tls {
            rustls::Error::InvalidCertificate(_) => {
                Error::new(Code::Network, format!("The certificate of {host} is not trusted."))
                    .with_hint("A proxy in between needs its CA in the file that `SSL_CERT_FILE` names.")
            }
            _ => Error::new(Code::Network, format!("No secure connection to {host} could be made."))
                .with_hint("Something in between may answer in its place; check proxy and network."),
        }
    } else if sent {
        Error::new(Code::Network, format!("The connection to {host} broke before the answer came."))
            .with_hint("Check the network and try again.")
    } else {
        Error::new(Code::Network, format!("{host} could not be reached."))
            .with_hint("Check the network, and `HTTPS_PROXY` if you need a proxy.")
    };
    TransportError { error, sent }
}

pub(super) fn cut(host: &str, error: BodyError) -> TransportError {
    let error = match error {
        BodyError::Cut => Error::new(Code::Network, format!("The answer of {host} broke off."))
            .with_hint("Check the network and try again."),
        BodyError::Slow => timed_out(host),
        BodyError::TooLarge => {
            Error::new(Code::BadResponse, format!("The answer of {host} is far too long."))
                .with_hint("Something in between may answer in its place; check proxy and network.")
        }
    };
    TransportError { error, sent: true }
}

fn timed_out(host: &str) -> Error {
    Error::new(Code::Timeout, format!("{host} did not answer in time."))
        .with_hint(format!("Try again; `http.timeout` in {SETTINGS_FILE} sets the limit."))
}

/// reqwest has no name for it: TLS troubles are somewhere in the chain of causes.
fn tls_trouble(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = as_tls(inner) {
            return Some(tls);
        }
        cause = inner.source();
    }
    None
}

/// An I/O error's source is that of the error inside of it, so what is inside has to be looked at by itself.
fn as_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => as_tls(inner),
        None => error.downcast_ref(),
    }
}

trait NeverSent {
    fn is_request_never_sent(&self) -> bool;
}

impl NeverSent for reqwest::Error {
    /// hyper gives a request back whole when a pooled connection was closed before it was written.
    fn is_request_never_sent(&self) -> bool {
        let mut cause = self.source();
        while let Some(inner) = cause {
            if let Some(hyper) = inner.downcast_ref::<warp::hyper::Error>() {
                return hyper.is_canceled();
            }
            cause = inner.source();
        }
        false
    }
}
