//! What a token endpoint's answer means for a login (rule 4; RFC 6749, 5.2; peers of the real world).
//!
//! Guarantees: only an OAuth error that is about this very code or refresh token is `Refused`; whatever a
//! captive portal, a proxy, an outage or a wrong setting can produce leaves the login alone. No word of an
//! answer is passed on: known error codes become sentences of ours.

use std::time::Duration;

use serde_json::Value;

use crate::error::{Code, Error};
use crate::http::{Reply, TransportError};
use crate::paths::SETTINGS_FILE;

/// Why a call gave nothing. What becomes of a stored login depends on the class alone:
///
/// | class | a refresh that ends so | belongs here |
/// |---|---|---|
/// | `Refused` | ends the login: this refresh token is never sent again | an OAuth error about this very grant, or the person's no |
/// | `UnknownClient` | keeps the login, is not repeated; the next login registers anew | `invalid_client` and its relatives |
/// | `Configuration` | keeps the login, is not repeated within the call | every other answer that the same request would get again |
/// | `Transient` | keeps the login and is tried again | whatever a network, proxy, outage or limit can bring about |
///
/// In doubt a new failure is `Transient`: the worst of it is one more request. `Refused` needs proof.
#[derive(Debug, Clone)]
pub enum Failure {
    /// The provider refuses exactly this code or refresh token, for good.
    Refused(Error),
    /// The server does not know this program, or not any more.
    UnknownClient(Error),
    /// The request itself is wrong (scope, address, grant): trying again changes nothing.
    Configuration(Error),
    /// It may work later.
    Transient {
        /// For the person.
        error: Error,
        /// How long the provider asks to be left alone.
        retry_after: Option<Duration>,
        /// Whether the request can have reached the provider, so that what it carried may be spent.
        sent: bool,
    },
}

impl Failure {
    /// The error for the person.
    pub fn error(&self) -> &Error {
        match self {
            Self::Refused(error)
            | Self::UnknownClient(error)
            | Self::Configuration(error)
            | Self::Transient { error, .. } => error,
        }
    }

    /// [`Failure::error`] by value.
    pub fn into_error(self) -> Error {
        match self {
            Self::Refused(error) | Self::UnknownClient(error) | Self::Configuration(error) => error,
            Self::Transient { error, retry_after, .. } => error.with_retry_after(retry_after),
        }
    }

    /// A passing fault whose request was answered.
    pub fn answered(error: Error, retry_after: Option<Duration>) -> Self {
        Self::Transient { error, retry_after, sent: false }
    }
}

impl From<TransportError> for Failure {
    fn from(trouble: TransportError) -> Self {
        Self::Transient { error: trouble.error, retry_after: None, sent: trouble.sent }
    }
}

/// What an OAuth error code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Grant,
    Denied,
    Client,
    Setting,
    Passing,
    Limited,
}

/// Codes of RFC 6749, 4.1.2.1 and 5.2, RFC 8628, 3.5, and of the providers' own (facts of GitHub, OpenAI,
/// Anthropic).
const CODES: &[(&str, Meaning)] = &[
    ("invalid_grant", Meaning::Grant),
    ("invalid_subject_token", Meaning::Grant),
    ("refresh_token_reused", Meaning::Grant),
    ("refresh_token_expired", Meaning::Grant),
    ("refresh_token_invalidated", Meaning::Grant),
    ("bad_refresh_token", Meaning::Grant),
    ("bad_verification_code", Meaning::Grant),
    ("incorrect_device_code", Meaning::Grant),
    ("expired_token", Meaning::Grant),
    ("token_expired", Meaning::Grant),
    ("access_denied", Meaning::Denied),
    ("invalid_client", Meaning::Client),
    ("incorrect_client_credentials", Meaning::Client),
    ("unauthorized_client", Meaning::Client),
    ("invalid_scope", Meaning::Setting),
    ("invalid_target", Meaning::Setting),
    ("invalid_request", Meaning::Setting),
    ("invalid_request_error", Meaning::Setting),
    ("redirect_uri_mismatch", Meaning::Setting),
    ("device_flow_disabled", Meaning::Setting),
    ("unsupported_grant_type", Meaning::Setting),
    ("unsupported_token_type", Meaning::Setting),
    ("temporarily_unavailable", Meaning::Passing),
    ("server_error", Meaning::Passing),
    ("temporary-failure", Meaning::Passing),
    ("api_error", Meaning::Passing),
    ("overloaded_error", Meaning::Passing),
    ("slow_down", Meaning::Limited),
    ("rate_limit_error", Meaning::Limited),
];

/// The error codes that an answer names: `error` as text, or `code` and `type` of `error` as an object.
pub fn codes(body: &Value) -> Vec<&str> {
    let error = match body.get("error") {
        Some(Value::String(code)) => return vec![code],
        Some(Value::Object(error)) => error,
        _ => return Vec::new(),
    };
    ["code", "type"].iter().filter_map(|key| error.get(*key)?.as_str()).collect()
}

/// The JSON object of a good answer, or what a bad one means.
///
/// # Errors
/// The [`Failure`], whatever the status: GitHub and others send errors with 200.
pub fn read(reply: &Reply, provider: &str) -> Result<Value, Failure> {
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok().filter(Value::is_object);
    let status = reply.status.as_u16();
    match (status, body) {
        (200..=299, Some(body)) if body.get("error").is_none_or(Value::is_null) => Ok(body),
        (408 | 425 | 429 | 500..=599, body) => {
            Err(passing(status, body.as_ref(), reply.retry_after, provider))
        }
        (200..=299, None) if is_cut_json(&reply.body) => Err(broken_off(provider)),
        (300..=399, _) => Err(odd(provider, "with a redirect", reply.retry_after)),
        (_, None) => Err(odd(provider, "with something that is no token answer", reply.retry_after)),
        (_, Some(body)) => Err(refused(status, &body, reply.retry_after, provider)),
    }
}

/// Whether the answer is a JSON object, and so no page of a server in between.
pub fn is_json(reply: &Reply) -> bool {
    serde_json::from_slice::<Value>(&reply.body).is_ok_and(|body| body.is_object())
}

fn passing(status: u16, body: Option<&Value>, retry_after: Option<Duration>, provider: &str) -> Failure {
    let limited = body.is_some_and(|body| meaning(body) == Some(Meaning::Limited));
    let error = match status {
        429 => too_many(provider),
        _ if limited => too_many(provider),
        408 => Error::new(Code::Timeout, format!("{provider} gave up waiting for the request."))
            .with_hint("Try again in a moment; your login is kept."),
        _ => own_trouble(provider, &format!("HTTP {status}")),
    };
    // A gateway's page (524 is Cloudflare's): the server behind it may have got the request, and its answer
    // was lost.
    Failure::Transient { error, retry_after, sent: body.is_none() && matches!(status, 502 | 504 | 524) }
}

fn own_trouble(provider: &str, what: &str) -> Error {
    Error::new(Code::ProviderError, format!("{provider} reports a fault of its own ({what})."))
        .with_hint("Try again in a moment; your login is kept.")
}

fn refused(status: u16, body: &Value, retry_after: Option<Duration>, provider: &str) -> Failure {
    match known(body) {
        Some((_, Meaning::Grant)) => Failure::Refused(
            Error::new(
                Code::ProviderRefused,
                format!("{provider} does not accept the code: wrong, used or expired."),
            )
            .with_hint("Start the login again."),
        ),
        Some((_, Meaning::Denied)) => Failure::Refused(
            Error::new(Code::LoginDenied, format!("The login to {provider} was denied."))
                .with_hint("Start the login again and allow it, or choose another account."),
        ),
        Some((code, Meaning::Passing)) => {
            Failure::answered(own_trouble(provider, &format!("`{code}`")), retry_after)
        }
        Some((_, Meaning::Limited)) => Failure::answered(too_many(provider), retry_after),
        Some((_, Meaning::Client)) => Failure::UnknownClient(setting(status, body, provider)),
        Some((_, Meaning::Setting)) | None => Failure::Configuration(setting(status, body, provider)),
    }
}

fn setting(status: u16, body: &Value, provider: &str) -> Error {
    let message = match known(body) {
        Some((code, _)) => format!("{provider} refused the request itself (`{code}`)."),
        None => format!("{provider} refused the request (HTTP {status})."),
    };
    Error::new(Code::ProviderRefused, message).with_hint(format!(
        "Check client id, scopes and URLs of this provider in {SETTINGS_FILE}; your login is kept."
    ))
}

fn meaning(body: &Value) -> Option<Meaning> {
    known(body).map(|(_, what)| *what)
}

/// The first code of an answer that stands in our table, so that no word of the answer is passed on.
fn known(body: &Value) -> Option<&'static (&'static str, Meaning)> {
    codes(body).into_iter().find_map(|code| CODES.iter().find(|(known, _)| *known == code))
}

fn odd(provider: &str, what: &str, retry_after: Option<Duration>) -> Failure {
    let error = Error::new(Code::BadResponse, format!("{provider} seems to answer {what}."))
        .with_hint("A captive portal or proxy may stand in between; your login is kept.");
    Failure::answered(error, retry_after)
}

/// An answer that was to be JSON and is not whole: what it answered has happened.
fn is_cut_json(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

fn broken_off(provider: &str) -> Failure {
    let error = Error::new(Code::BadResponse, format!("The answer of {provider} broke off."))
        .with_hint("Check the network and try again.");
    Failure::Transient { error, retry_after: None, sent: true }
}

fn too_many(provider: &str) -> Error {
    Error::new(Code::RateLimited, format!("{provider} asks for fewer requests."))
        .with_hint("Wait a little; your login is kept.")
}

/// A reply that has the right form and lacks what it is for. Whatever was asked for may have happened all the
/// same.
pub fn lacking(provider: &str, what: &str) -> Failure {
    let error = Error::new(Code::BadResponse, format!("The answer of {provider} has no {what}."))
        .with_hint("Try again; if it stays, the provider may have changed its login.");
    Failure::Transient { error, retry_after: None, sent: true }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            date: None,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    fn class(status: u16, body: &str) -> (&'static str, Code) {
        match read(&reply(status, body), "P").unwrap_err() {
            Failure::Refused(error) => ("refused", error.code()),
            Failure::UnknownClient(error) => ("client", error.code()),
            Failure::Configuration(error) => ("configuration", error.code()),
            Failure::Transient { error, .. } => ("transient", error.code()),
        }
    }

    #[test]
    fn only_an_oauth_answer_about_the_grant_is_final() {
        for (status, body) in [
            (400, r#"{"error":"invalid_grant","error_description":"planted"}"#),
            (200, r#"{"error":"invalid_grant"}"#),
            (
                401,
                r#"{"error":{"message":"planted","type":"invalid_request_error","code":"refresh_token_reused"}}"#,
            ),
            (401, r#"{"error":{"code":"refresh_token_expired"}}"#),
            (200, r#"{"error":"bad_verification_code"}"#),
        ] {
            assert_eq!(class(status, body), ("refused", Code::ProviderRefused), "{body}");
        }
        assert_eq!(class(400, r#"{"error":"access_denied"}"#), ("refused", Code::LoginDenied));
    }

    #[test]
    fn settings_are_told_apart() {
        for body in [r#"{"error":"invalid_client"}"#, r#"{"error":"unauthorized_client"}"#] {
            assert_eq!(class(401, body).0, "client", "{body}");
        }
        for body in [
            r#"{"error":"invalid_scope"}"#,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"planted"}}"#,
            r#"{"error":"never_heard_of"}"#,
            r#"{"message":"planted"}"#,
        ] {
            assert_eq!(class(401, body).0, "configuration", "{body}");
        }
    }

    #[test]
    fn everything_else_passes() {
        for (status, body, code) in [
            (500, "", Code::ProviderError),
            (503, r#"{"error":"invalid_grant"}"#, Code::ProviderError),
            (429, "x", Code::RateLimited),
            (408, "", Code::Timeout),
            (200, "<html>portal</html>", Code::BadResponse),
            (200, "", Code::BadResponse),
            (200, r#"{"access_tok"#, Code::BadResponse),
            (200, "[1]", Code::BadResponse),
            (302, "", Code::BadResponse),
            (403, "<html>", Code::BadResponse),
            (400, r#"{"error":"temporarily_unavailable"}"#, Code::ProviderError),
            (400, r#"{"error":"server_error"}"#, Code::ProviderError),
            (200, r#"{"error":"slow_down"}"#, Code::RateLimited),
            (400, r#"{"error":{"type":"rate_limit_error","message":"planted"}}"#, Code::RateLimited),
        ] {
            assert_eq!(class(status, body), ("transient", code), "{status} {body}");
        }
    }

    #[test]
    fn no_word_of_an_answer_is_passed_on() {
        for body in [
            r#"{"error":"planted"}"#,
            r#"{"error":"invalid_grant","error_description":"planted"}"#,
            "planted",
        ] {
            for status in [200, 302, 400, 403, 429, 500] {
                let failure = read(&reply(status, body), "P").unwrap_err();
                let shown = format!("{failure:?} {}", failure.error());
                assert!(!shown.contains("planted"), "{shown}");
            }
        }
    }

    #[test]
    fn random_json_never_panics() {
        let values =
            ["null", "1", "-1e999", "\"x\"", "[]", "{}", "[{}]", "{\"code\":1}", "{\"type\":[]}", "true"];
        for value in values {
            for status in [200, 400, 401, 500] {
                let _ = read(&reply(status, &format!(r#"{{"error":{value}}}"#)), "P");
                let _ = read(&reply(status, value), "P");
            }
        }
    }
}
