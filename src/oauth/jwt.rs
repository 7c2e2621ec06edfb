//! Claims of a JWT, read and not verified: they come from the token endpoint over TLS and decide nothing but names,
//! account ids and when to refresh.

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

/// When the token says it ends, Unix seconds (RFC 7519, 4.1.4: it may have a fraction).
pub fn expires_at(token: &str) -> Option<i64> {
    let exp = claims(token)?.get("exp")?.as_f64()?;
    // 253402300799 is the last second of the year 9999: past it a number is no time.
    #[allow(clippy::cast_possible_truncation)]
    (0.0..=253_402_300_799.0).contains(&exp).then_some(exp as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_url_safe_payloads_only() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1780000000,"name":"ÿþ?>"}"#);
        let token = format!("h.{payload}.s");
        assert_eq!(expires_at(&token), Some(1_780_000_000));
        assert!(payload.contains('_') || payload.contains('-'), "the case that plain base64 gets wrong");
        for bad in ["", "a.b", "a.b.c", "a.b.c.d", &format!("h.{}.s", URL_SAFE_NO_PAD.encode("[1]"))] {
            assert_eq!(claims(bad), None, "{bad}");
        }
        let huge = URL_SAFE_NO_PAD.encode(r#"{"exp":1e300}"#);
        assert_eq!(expires_at(&format!("h.{huge}.s")), None);
    }
}
