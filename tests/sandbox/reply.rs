//! What a pretend provider answers, before faults and the wire.

use serde_json::{Value, json};

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// A JSON document that nobody may keep (RFC 6749, 5.1).
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string()).with("cache-control", "no-store")
    }

    /// A page for the browser.
    pub fn html(status: u16, page: String) -> Self {
        Self::text(status, "text/html; charset=utf-8", page)
            .with("cache-control", "no-store")
            .with("referrer-policy", "no-referrer")
    }

    /// Any text.
    pub fn text(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let reply = Self { status, headers: Vec::new(), body: body.into() };
        reply.with("content-type", media_type)
    }

    /// Sends the browser on; 303 so that a form's POST becomes a GET.
    pub fn redirect(location: &str) -> Self {
        Self::text(303, "text/plain", "").with("location", location)
    }

    /// An OAuth error (RFC 6749, 5.2).
    pub fn oauth_error(status: u16, error: &str, description: &str) -> Self {
        Self::json(status, &json!({ "error": error, "error_description": description }))
    }

    /// Adds a header, or replaces the one of that name.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The body as JSON, if it is.
    pub fn body_json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// `url` with parameters added; what it already has stays as it is.
pub fn add_query(url: &str, params: &[(&str, &str)]) -> String {
    let Ok(mut url) = url::Url::parse(url) else {
        return url.to_owned();
    };
    url.query_pairs_mut().extend_pairs(params);
    url.into()
}
