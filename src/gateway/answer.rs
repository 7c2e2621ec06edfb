//! Answers of the gateway's own, in the shape of the API that the client speaks, so that the client shows
//! them.
//!
//! Guarantees: one sentence and what to do next, and nothing of the request.

use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::Body;
use super::admit::Refused;
use super::target::BadTarget;
use crate::error::{Code, Error};
use crate::provider::ApiShape;
use crate::wording::Face;

/// An error of this program as an answer, in the words of where the gateway was started.
pub fn error(shape: ApiShape, error: &Error, face: Face) -> Response<Body> {
    let status = status_of(error.code());
    let mut response = respond(shape, status, error.code().as_str(), &face.say(&sentence(error)));
    if let Some(wait) = error.retry_after()
        && let Ok(value) = HeaderValue::try_from(wait.as_secs().max(1).to_string())
    {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// A refusal. The connection of one whose framing or form cannot be trusted is closed.
pub fn refused(why: Refused) -> Response<Body> {
    let (status, text) = match why {
        Refused::Form => (StatusCode::BAD_REQUEST, "The gateway takes paths of its own only: `/LOGIN/…`."),
        Refused::Method => (StatusCode::METHOD_NOT_ALLOWED, "The gateway does not carry TRACE."),
        Refused::Host => (StatusCode::FORBIDDEN, "The gateway answers to its own address only."),
        Refused::Origin => (StatusCode::FORBIDDEN, "The gateway does not serve web pages."),
        Refused::Key => {
            (StatusCode::UNAUTHORIZED, "The gateway needs its own key; `convocations gateway` prints it.")
        }
        Refused::Framing => (StatusCode::BAD_REQUEST, "The request gives its length in two ways."),
    };
    let mut response = respond(ApiShape::Openai, status, "invalid_request", text);
    if why == Refused::Framing {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if why == Refused::Method {
        let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// A target that leads nowhere.
pub fn bad_target(why: BadTarget) -> Response<Body> {
    let text = match why {
        BadTarget::NoLogin => "The path must begin with a login: `/LOGIN/…`.",
        BadTarget::Path => "The path holds dot segments or characters that no path holds.",
        BadTarget::Address => "The path does not fit the address of this login's API.",
    };
    let status = if why == BadTarget::NoLogin { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
    respond(ApiShape::Openai, status, "invalid_request", text)
}

/// The client's own body is none, so that nothing was answered upstream.
pub fn broken_body(shape: ApiShape) -> Response<Body> {
    let text = "The body of the request breaks off, or its chunks have no form that HTTP knows.";
    let mut response = respond(shape, StatusCode::BAD_REQUEST, "invalid_request", text);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The upstream has no WebSocket there: the one status at which Codex goes on by HTTP at once.
pub fn no_upgrade(shape: ApiShape) -> Response<Body> {
    let text = "The API does not speak WebSocket here; use HTTP.";
    let mut response = respond(shape, StatusCode::UPGRADE_REQUIRED, "invalid_request", text);
    response.headers_mut().insert(http::header::UPGRADE, HeaderValue::from_static("HTTP/1.1"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response
}

/// One sentence, and the hint behind it.
fn sentence(error: &Error) -> String {
    error.hint().map_or_else(|| error.message().to_owned(), |hint| format!("{} {hint}", error.message()))
}

fn respond(shape: ApiShape, status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let body = shaped(shape, status, code, message).to_string();
    let mut response = Response::new(Body::from(body.into_bytes()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn shaped(shape: ApiShape, status: StatusCode, code: &str, message: &str) -> Value {
    match shape {
        ApiShape::Openai => {
            json!({ "error": { "message": message, "type": openai_type(status), "param": null, "code": code } })
        }
        ApiShape::Anthropic => {
            json!({ "type": "error", "error": { "type": anthropic_type(status), "message": message } })
        }
        ApiShape::Gemini => {
            json!({ "error": { "code": status.as_u16(), "message": message, "status": google_status(status) } })
        }
    }
}

fn openai_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

/// google.rpc.Code by name.
fn google_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        504 => "DEADLINE_EXCEEDED",
        500.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

/// The status that tells of an error.
pub fn status_of(code: Code) -> StatusCode {
    match code {
        Code::NotLoggedIn | Code::LoginExpired => StatusCode::UNAUTHORIZED,
        Code::UnknownLogin => StatusCode::NOT_FOUND,
        Code::LoginDenied | Code::ProviderRefused | Code::InvalidArgument => StatusCode::FORBIDDEN,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Network | Code::BadResponse | Code::ProviderError => StatusCode::BAD_GATEWAY,
        Code::LoginTimeout
        | Code::Cancelled
        | Code::Busy
        | Code::Starting
        | Code::ConfigInvalid
        | Code::StateMismatch
        | Code::PortInUse
        | Code::KeyringLocked
        | Code::KeyringUnavailable
        | Code::StoreUnreadable
        | Code::StoreUnwritable
        | Code::BackendMissing
        | Code::BackendCrashed
        | Code::ProtocolMismatch => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_is_answered_in_its_own_shape() {
        let text = "Log in.";
        let unauthorized = |shape| shaped(shape, StatusCode::UNAUTHORIZED, "login_expired", text);
        assert_eq!(
            unauthorized(ApiShape::Openai),
            json!({ "error": { "message": text, "type": "authentication_error", "param": null, "code": "login_expired" } })
        );
        assert_eq!(
            unauthorized(ApiShape::Anthropic),
            json!({ "type": "error", "error": { "type": "authentication_error", "message": text } })
        );
        assert_eq!(
            unauthorized(ApiShape::Gemini),
            json!({ "error": { "code": 401, "message": text, "status": "UNAUTHENTICATED" } })
        );
    }

    #[test]
    fn an_error_says_what_to_type_and_how_long_to_wait() {
        let login = Error::new(Code::NotLoggedIn, "Nobody is logged in.").with_hint("Type it.");
        assert_eq!(sentence(&login), "Nobody is logged in. Type it.");
        for (code, status) in [
            (Code::NotLoggedIn, 401),
            (Code::LoginExpired, 401),
            (Code::ProviderRefused, 403),
            (Code::Network, 502),
            (Code::Timeout, 504),
        ] {
            assert_eq!(
                error(ApiShape::Openai, &Error::new(code, "x"), Face::Editor).status(),
                status,
                "{code:?}"
            );
        }
    }
}
