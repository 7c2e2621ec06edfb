//! Claims of a JWT, read and not verified: they come from the token endpoint over TLS and decide nothing but
//! names, account ids and when to refresh.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

/// Longest token that is looked into, in bytes.
const MAX_LEN: usize = 64 * 1024;

/// The claims of a compact JWT; `None` for any other text.
pub fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || token.len() > MAX_LEN {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
}

/// Difference between two clocks that does no harm, in seconds.
const BEARABLE: i64 = 600;

/// When a token that has just come ends, Unix seconds by the clock that shows `now`.
///
/// `exp` is by the server's clock. Where that cannot be ours (the new token would have ended, or would live
/// longer than it was made for), the life between `iat` and `exp` counts.
pub fn expires_at(token: &str, now: i64) -> Option<i64> {
    let claims = claims(token)?;
    let exp = seconds(claims.get("exp")?)?;
    let life = claims.get("iat").and_then(seconds).map(|iat| exp - iat).filter(|life| *life > 0);
    Some(match life {
        Some(life) if exp <= now || exp > now + life + BEARABLE => now + life,
        _ => exp,
    })
}

/// A time (RFC 7519, 2: it may have a fraction).
fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64()?;
    // 253402300799 is the last second of the year 9999: past it a number is no time.
    #[allow(clippy::cast_possible_truncation)]
    (0.0..=253_402_300_799.0).contains(&seconds).then_some(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_url_safe_payloads_only() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1780000000,"name":"ÿþ?>"}"#);
        let token = format!("h.{payload}.s");
        assert_eq!(expires_at(&token, 0), Some(1_780_000_000));
        assert!(payload.contains('_') || payload.contains('-'), "the case that plain base64 gets wrong");
        for bad in ["", "a.b", "a.b.c", "a.b.c.d", &format!("h.{}.s", URL_SAFE_NO_PAD.encode("[1]"))] {
            assert_eq!(claims(bad), None, "{bad}");
        }
        let huge = URL_SAFE_NO_PAD.encode(r#"{"exp":1e300}"#);
        assert_eq!(expires_at(&format!("h.{huge}.s"), 0), None);
    }

    #[test]
    fn a_clock_that_is_off_does_not_end_a_new_token() {
        let token = |claims: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
        let hour = token(r#"{"iat":100000,"exp":103600}"#);
        assert_eq!(expires_at(&hour, 100_005), Some(103_600), "clocks that agree");
        assert_eq!(expires_at(&hour, 101_800), Some(103_600), "a token that is not quite new");
        assert_eq!(expires_at(&hour, 150_000), Some(153_600), "ours is ahead");
        assert_eq!(expires_at(&hour, 50_000), Some(53_600), "ours is behind");
        assert_eq!(expires_at(&token(r#"{"exp":103600}"#), 150_000), Some(103_600), "nothing to go by");
        assert_eq!(expires_at(&token(r#"{"iat":103600,"exp":100000}"#), 150_000), Some(100_000));
    }
}
