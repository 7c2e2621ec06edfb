//! One HTTP request as the pretend providers see it: read whole, with strict readers for its parts.

use serde_json::{Map, Value};
use warp::http::{HeaderMap, Method};

/// A request whose body has been read.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Percent-encoded, without the query.
    pub path: String,
    pub query: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, if there is exactly one and it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let first = values.next()?.to_str().ok()?;
        values.next().is_none().then_some(first)
    }

    /// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter (RFC 7235).
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the body says that it is of `media_type`, whatever the charset.
    pub fn content_is(&self, media_type: &str) -> bool {
        let given = self.header("content-type").unwrap_or_default();
        let given = given.split(';').next().unwrap_or_default().trim();
        given.eq_ignore_ascii_case(media_type)
    }

    /// The query's parameters.
    pub fn params(&self) -> Params {
        Params::parse(self.query.as_bytes())
    }

    /// The body as JSON object, if it is declared and formed as one.
    pub fn json(&self) -> Option<Fields> {
        let declared = self.content_is("application/json");
        let parsed = serde_json::from_slice::<Map<String, Value>>(&self.body);
        declared.then_some(Fields(parsed.ok()?))
    }

    /// The body as a form, if it is declared as one and names no field twice.
    pub fn form(&self) -> Option<Fields> {
        if !self.content_is("application/x-www-form-urlencoded") {
            return None;
        }
        let params = Params::parse(&self.body);
        params.repeated().is_none().then(|| params.into_fields())
    }

    /// JSON or form, whichever is declared.
    pub fn fields(&self) -> Option<Fields> {
        self.json().or_else(|| self.form())
    }
}

/// Decoded parameters of a query or a form, in their order.
#[derive(Debug, Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    fn parse(text: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(text).into_owned().collect())
    }

    /// A parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name)?;
        Some(found.1.as_str()).filter(|value| !value.is_empty())
    }

    /// [`Params::get`], owned.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// The first parameter that occurs twice, which OAuth forbids (RFC 6749, 3.1).
    pub fn repeated(&self) -> Option<&str> {
        let twice = |(at, (key, _)): (usize, &(String, String))| {
            self.0[..at].iter().any(|(earlier, _)| earlier == key).then_some(at)
        };
        self.0.iter().enumerate().find_map(twice).map(|at| self.0[at].0.as_str())
    }

    /// The words of the `scope` parameter.
    pub fn scopes(&self) -> Vec<String> {
        words(self.get("scope").unwrap_or_default())
    }

    fn into_fields(self) -> Fields {
        let values = self.0.into_iter().map(|(key, value)| (key, Value::String(value)));
        Fields(values.collect())
    }
}

/// The fields of a body, JSON or form.
#[derive(Debug, Clone)]
pub struct Fields(pub Map<String, Value>);

impl Fields {
    /// A field that is text and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str().filter(|value| !value.is_empty())
    }

    /// [`Fields::get`], or nothing.
    pub fn or_empty(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }
}

/// Splits a scope text at its blanks.
pub fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
