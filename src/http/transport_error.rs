//! Why a request brought no answer, in words for the person.
//!
//! Guarantees: nothing of a URL's path or query, a header or a body goes into an error; an error tells
//! whether the request can have reached the other side.

use std::error::Error as StdError;

use hyper_util::client::legacy::Error as LegacyError;

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

/// The first of a chain of causes.
type Cause<'a> = Option<&'a (dyn StdError + 'static)>;

/// What a person is told of a request of others that was passed on and brought no answer. `timed_out`: no
/// connection stood in time.
pub fn passed_on_error(host: &str, error: &LegacyError, timed_out: bool) -> Error {
    let sent = !error.is_connect() && !is_never_sent(error.source());
    no_answer_of_http(host, error.source()).unwrap_or_else(|| words(host, sent, timed_out, error.source()))
}

/// hyper reads 100 lines of headers and some 400 KB of them.
fn no_answer_of_http(host: &str, cause: Cause<'_>) -> Option<Error> {
    let what = match first_of_hyper(cause)? {
        error if error.is_parse_too_large() => "has more headers than are read",
        error if error.is_parse() => "is no answer of HTTP",
        _ => return None,
    };
    let error = Error::new(Code::BadResponse, format!("What {host} answers {what}."));
    Some(error.with_hint("Check `base_url`: it may not lead to the API."))
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
    let sent = !error.is_connect() && !error.is_builder() && !is_never_sent(error.source());
    TransportError { error: words(host, sent, error.is_timeout(), error.source()), sent }
}

fn words(host: &str, sent: bool, timed_out: bool, cause: Cause<'_>) -> Error {
    if timed_out {
        return timed_out_at(host);
    }
    match tls_trouble(cause) {
        Some(rustls::Error::InvalidCertificate(why)) => bad_certificate(host, why),
        Some(_) => no_secure_connection(host),
        None => proxy_trouble(host, cause).unwrap_or_else(|| unreached(host, sent)),
    }
}

fn unreached(host: &str, sent: bool) -> Error {
    if sent {
        Error::new(Code::Network, format!("The connection to {host} broke before the answer came."))
            .with_hint("Check the network and try again.")
    } else {
        Error::new(Code::Network, format!("{host} could not be reached."))
            .with_hint("Check the network, and `HTTPS_PROXY` if you need a proxy.")
    }
}

fn bad_certificate(host: &str, why: &rustls::CertificateError) -> Error {
    use rustls::CertificateError as Why;
    let (what, hint) = match why {
        Why::Expired | Why::ExpiredContext { .. } | Why::NotValidYet | Why::NotValidYetContext { .. } => (
            "is not valid at this time",
            "Check this machine's clock; if it is right, whoever runs the server or a proxy in between has to renew it.",
        ),
        Why::NotValidForName | Why::NotValidForNameContext { .. } => {
            ("is for another host", "Something in between may answer in its place; check proxy and network.")
        }
        _ => (
            "is not trusted",
            "A proxy in between needs its CA in the file that `http.ca_file` or `SSL_CERT_FILE` names; one that is \
             named already may be out of date.",
        ),
    };
    Error::new(Code::Network, format!("The certificate of {host} {what}.")).with_hint(hint)
}

pub(super) fn no_secure_connection(host: &str) -> Error {
    Error::new(Code::Network, format!("No secure connection to {host} could be made."))
        .with_hint("Something in between may answer in its place; check proxy and network.")
}

/// What a proxy says to a tunnel. hyper-util keeps the type to itself, so its words are what there is.
fn proxy_trouble(host: &str, mut cause: Cause<'_>) -> Option<Error> {
    while let Some(inner) = cause {
        match inner.to_string().strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => return Some(proxy_wants_password()),
            Some("unsuccessful") => return Some(proxy_refused(host)),
            _ => cause = inner.source(),
        }
    }
    None
}

/// RFC 9110, 15.5.8.
pub(super) fn proxy_wants_password() -> Error {
    Error::new(Code::Network, "The proxy asks for a name and a password (407).").with_hint(
        "Put them into its address, `HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT`; those that are there are not the right ones.",
    )
}

pub(super) fn proxy_refused(host: &str) -> Error {
    Error::new(Code::Network, format!("The proxy does not connect to {host}."))
        .with_hint("Whoever runs it may have to allow that host; `NO_PROXY` lists those that need no proxy.")
}

pub(super) fn cut(host: &str, error: BodyError) -> TransportError {
    let error = match error {
        BodyError::Cut => Error::new(Code::Network, format!("The answer of {host} broke off."))
            .with_hint("Check the network and try again."),
        BodyError::Slow => timed_out_at(host),
        BodyError::TooLarge => {
            Error::new(Code::BadResponse, format!("The answer of {host} is far too long."))
                .with_hint("Something in between may answer in its place; check proxy and network.")
        }
    };
    TransportError { error, sent: true }
}

fn timed_out_at(host: &str) -> Error {
    Error::new(Code::Timeout, format!("{host} did not answer in time."))
        .with_hint(format!("Try again; `http.timeout` in {SETTINGS_FILE} sets the limit."))
}

/// What goes wrong in TLS has no name in the client's errors: it is somewhere in the chain of causes.
pub(super) fn tls_trouble(mut cause: Cause<'_>) -> Option<&rustls::Error> {
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

/// hyper gives a request back whole when a pooled connection was closed before it was written.
fn is_never_sent(cause: Cause<'_>) -> bool {
    first_of_hyper(cause).is_some_and(hyper::Error::is_canceled)
}

fn first_of_hyper(mut cause: Cause<'_>) -> Option<&hyper::Error> {
    while let Some(inner) = cause {
        if let Some(hyper) = inner.downcast_ref() {
            return Some(hyper);
        }
        cause = inner.source();
    }
    None
}
