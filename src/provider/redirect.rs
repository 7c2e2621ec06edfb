//! Where the answer of a browser login goes, and what its code looks like.

/// Ports that a provider takes in a loopback redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectPorts {
    /// Any (RFC 8252, 7.3).
    Any,
    /// Registered ones, in the order they are tried.
    Fixed(Vec<u16>),
}

/// Where the answer of a browser login goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Host as the provider has it registered.
    pub host: String,
    /// Ports it takes.
    pub ports: RedirectPorts,
    /// Path of the callback, starting with `/`.
    pub path: String,
    /// Page of the provider that shows a code to paste.
    pub page: Option<String>,
    /// Whether a random part, new for each login, follows the path: for a provider that gives no `state` back
    /// and does not mind a new address at each login.
    pub nonce: bool,
}

/// What a provider's authorization codes look like, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeForm {
    /// Shortest one, in characters.
    pub min_length: usize,
    /// Characters beside letters and digits; any visible ASCII if absent.
    pub characters: Option<String>,
}

impl CodeForm {
    /// Whether a text may be such a code.
    pub fn fits(&self, text: &str) -> bool {
        let is_known = |c: char| {
            c.is_ascii_alphanumeric() || self.characters.as_ref().is_none_or(|others| others.contains(c))
        };
        text.len() >= self.min_length && text.chars().all(is_known)
    }
}
