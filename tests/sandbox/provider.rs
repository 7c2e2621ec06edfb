//! What `/_control` can do with every provider alike.

use serde_json::Value;

use crate::tokens::Tokens;

/// The tokens of one pretend provider, whatever they are.
pub trait Provider {
    /// What works at `now`, and everything that was ever given out.
    fn report(&self, now: i64) -> Value;
    /// The tokens of its logins; none where it hands out keys.
    fn tokens(&mut self) -> Option<&mut Tokens> {
        None
    }
    /// Ends every access token before its time; refresh tokens stay good.
    fn end_access(&mut self) {
        if let Some(tokens) = self.tokens() {
            tokens.end_access();
        }
    }
    /// Ends everything.
    fn end_all(&mut self) {
        if let Some(tokens) = self.tokens() {
            tokens.end_all();
        }
    }
    /// Ends one token.
    fn revoke(&mut self, token: &str) {
        if let Some(tokens) = self.tokens() {
            tokens.revoke(token);
        }
    }
}
