//! What `/_control` can do with every provider alike.

use serde_json::Value;

/// The tokens of one pretend provider, whatever they are.
pub trait Provider {
    /// What works at `now`, and everything that was ever given out.
    fn report(&self, now: i64) -> Value;
    /// Ends every access token before its time; refresh tokens stay good.
    fn end_access(&mut self);
    /// Ends everything.
    fn end_all(&mut self);
    /// Ends one token.
    fn revoke(&mut self, token: &str);
}
