//! The good answers of a token endpoint (RFC 6749, 5.1), and of those that mint a key.
//!
//! Guarantees: what is read as a token can stand in a header; a reply of odd but legal form is taken; nothing
//! of a reply reaches an error.

use serde_json::Value;

use super::failure::{self, Failure, lacking};
use super::{identity, jwt};
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::http::Reply;
use crate::provider::Provider;
use crate::secret::Secret;
use crate::text::is_credential;

/// Longest lifetime that is believed, in seconds: ten years. Past it a number is a mistake of units.
const MAX_LIFETIME: f64 = 315_360_000.0;

/// Reads the tokens of a good answer (RFC 6749, 5.1). `token_type` is not looked at: providers leave it out
/// or write it in any case, and how a token travels is the description's to say.
pub(super) fn tokens(body: &Value, provider: &str, now: i64) -> Result<Tokens, Failure> {
    let secret =
        |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(Secret::new);
    let access_token = credential(body, "access_token").ok_or_else(|| lacking(provider, "access token"))?;
    let id_token = secret("id_token");
    let by_jwt = || jwt::expires_at(access_token.expose(), now);
    let expires_at = match lifetime(body) {
        // What has ended when it comes is not what never ends; a JWT may know better.
        Some(seconds) if seconds <= 0 => by_jwt().or(Some(now)),
        Some(seconds) => Some(now.saturating_add(seconds)),
        None => by_jwt(),
    };
    let mut tokens = Tokens::api_key(access_token, now);
    tokens.refresh_token = secret("refresh_token");
    tokens.expires_at = expires_at;
    tokens.scopes = scopes(body);
    tokens.identity = identity::in_answer(body, id_token.as_ref());
    tokens.organization = identity::organization(body, id_token.as_ref(), &tokens.access_token);
    tokens.extra = identity::account_values(id_token.as_ref(), &tokens.access_token);
    tokens.id_token = id_token;
    Ok(tokens)
}

/// What an API call will carry: one with a line break in it would bring headers of its own.
pub(super) fn credential(body: &Value, key: &str) -> Option<Secret> {
    body.get(key).and_then(Value::as_str).filter(|text| is_credential(text)).map(Secret::new)
}

/// `expires_in` as a number or, against the RFC and seen all the same, as text.
fn lifetime(body: &Value) -> Option<i64> {
    let value = body.get("expires_in")?;
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    #[allow(clippy::cast_possible_truncation)]
    seconds.is_finite().then(|| seconds.clamp(0.0, MAX_LIFETIME) as i64)
}

/// Scopes parted by blanks (RFC 6749, 3.3), or by commas (GitHub).
fn scopes(body: &Value) -> Vec<String> {
    let text = body.get("scope").and_then(Value::as_str).unwrap_or_default();
    text.split([' ', ',']).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// A minted key. OpenRouter answers 403 for a code that is wrong, used or old, and 400 for a method that
/// differs.
pub(super) fn minted(reply: &Reply, provider: &Provider, now: i64) -> Result<Tokens, Failure> {
    if failure::is_json(reply) && matches!(reply.status.as_u16(), 401 | 403) {
        return Err(Failure::Refused(
            Error::new(
                Code::ProviderRefused,
                format!("{} does not accept the code: wrong, used or expired.", provider.name),
            )
            .with_hint("Start the login again; a code works once and for ten minutes."),
        ));
    }
    let body = failure::read(reply, &provider.name)?;
    let key = credential(&body, "key").or_else(|| credential(&body, "api_key"));
    let mut tokens = Tokens::api_key(key.ok_or_else(|| lacking(&provider.name, "key"))?, now);
    let lifetime = body.get("api_key_expires_in").and_then(Value::as_i64).filter(|seconds| *seconds > 0);
    tokens.expires_at = lifetime.map(|seconds| now.saturating_add(seconds));
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Tokens {
        tokens(&body, "P", 1000).unwrap()
    }

    #[test]
    fn odd_but_legal_answers_are_taken() {
        assert_eq!(read(json!({"access_token": "a", "expires_in": 60})).expires_at, Some(1060));
        assert_eq!(read(json!({"access_token": "a", "expires_in": "60"})).expires_at, Some(1060));
        assert_eq!(read(json!({"access_token": "a"})).expires_at, None);
        assert_eq!(read(json!({"access_token": "a", "token_type": "bEaReR"})).expires_at, None);
        assert_eq!(read(json!({"access_token": "a", "expires_in": [], "scope": 7})).scopes.len(), 0);
        assert_eq!(
            read(json!({"access_token": "a", "expires_in": 1e300})).expires_at,
            Some(1000 + 315_360_000)
        );
        for ended in [json!(0), json!(-5), json!("0")] {
            assert_eq!(read(json!({"access_token": "a", "expires_in": ended})).expires_at, Some(1000));
        }
        assert_eq!(read(json!({"access_token": "a", "scope": "x y,z"})).scopes, ["x", "y", "z"]);
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        let two_lines = json!({"access_token": "a\r\nx-evil: 1"});
        for body in [json!({}), json!({"access_token": ""}), json!({"access_token": 7}), two_lines] {
            assert_eq!(tokens(&body, "P", 0).unwrap_err().error().code(), Code::BadResponse);
        }
    }
}
