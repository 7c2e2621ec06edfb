//! OpenRouter, as far as this server talks to it: its sign-in page, the exchange of a code, and what a key
//! is.
//!
//! Guarantees: every answer, however odd, becomes one of three errors; nothing of a body goes into an error.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;
use warp::http::StatusCode;

use super::budget::Budget;
use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// Longest answer that is read, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// What `/me` passes on of OpenRouter's `/api/v1/key`: nothing that names the person.
const KEY_FIELDS: &[&str] = &[
    "label",
    "limit",
    "limit_remaining",
    "limit_reset",
    "usage",
    "usage_daily",
    "usage_weekly",
    "usage_monthly",
    "is_free_tier",
    "expires_at",
];

/// Why OpenRouter gave no useful answer.
#[derive(Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// It does not accept the code or the key.
    Refused,
    /// It cannot be reached, is slow, is limiting or has a fault; with its wish to be left alone, if it named
    /// one.
    Unavailable(Option<Duration>),
    /// Its answer is not what it documents.
    Malformed,
}

/// OpenRouter at one address.
#[derive(Clone)]
pub struct Upstream {
    base: Url,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct KeyReply {
    key: Secret,
}

impl Upstream {
    /// OpenRouter at `base`, which is its own address but in tests; each call takes at most `timeout`.
    ///
    /// # Errors
    /// `config_invalid` for a URL that is neither https nor loopback.
    pub fn new(base: &str, timeout: Duration) -> Result<Self> {
        let invalid =
            || Error::new(Code::ConfigInvalid, "The upstream URL must be https, or http to a loopback host.");
        let base = Url::parse(base.trim_end_matches('/')).map_err(|_| invalid())?;
        if base.scheme() != "https" && !crate::loopback::is_loopback(&base) {
            return Err(invalid());
        }
        let http = crate::http::Trust::default().build(crate::http::builder().timeout(timeout))?;
        Ok(Self { base, http })
    }

    /// Its address.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Its host as the consent page names it.
    pub fn host(&self) -> String {
        let origin = self.base.origin().ascii_serialization();
        origin.strip_prefix("https://").unwrap_or(&origin).to_owned()
    }

    /// The page where the person makes a key (OpenRouter, OAuth PKCE guide). `limit` and the other wishes are
    /// documented for the API beside this page; the page may ignore them.
    pub fn authorize_url(&self, callback_url: &str, challenge: &str, state: &str, budget: &Budget) -> Url {
        let mut url = self.at("/auth");
        let mut query = url.query_pairs_mut();
        query
            .append_pair("callback_url", callback_url)
            .append_pair("code_challenge", challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("state", state);
        if let Some(limit) = budget.limit {
            query.append_pair("limit", &limit.to_string());
        }
        let wishes = [
            ("usage_limit_type", &budget.usage_limit_type),
            ("expires_at", &budget.expires_at),
            ("key_label", &budget.key_label),
        ];
        for (name, value) in wishes {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        drop(query);
        url
    }

    /// Spends a code (OpenRouter, `POST /api/v1/auth/keys`).
    ///
    /// # Errors
    /// An [`UpstreamError`]. A code whose answer was lost is spent all the same; the client has to start
    /// again.
    pub async fn exchange(&self, code: &str, verifier: &str) -> std::result::Result<Secret, UpstreamError> {
        let body = json!({ "code": code, "code_verifier": verifier, "code_challenge_method": "S256" });
        let request = self.http.post(self.at("/api/v1/auth/keys")).json(&body);
        let reply: KeyReply = read(request).await?;
        if reply.key.is_empty() { Err(UpstreamError::Malformed) } else { Ok(reply.key) }
    }

    /// What OpenRouter says about a key (`GET /api/v1/key`).
    ///
    /// # Errors
    /// An [`UpstreamError`]; `Refused` if the key is not valid.
    pub async fn key_info(&self, key: &Secret) -> std::result::Result<Map<String, Value>, UpstreamError> {
        #[derive(Deserialize)]
        struct Reply {
            data: Map<String, Value>,
        }
        let Ok(mut value) = reqwest::header::HeaderValue::from_str(&format!("Bearer {}", key.expose()))
        else {
            return Err(UpstreamError::Refused);
        };
        value.set_sensitive(true);
        let request = self.http.get(self.at("/api/v1/key")).header(reqwest::header::AUTHORIZATION, value);
        let reply: Reply = read(request).await?;
        Ok(reply.data.into_iter().filter(|(name, _)| KEY_FIELDS.contains(&name.as_str())).collect())
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }
}

async fn read<T: serde::de::DeserializeOwned>(
    request: reqwest::RequestBuilder,
) -> std::result::Result<T, UpstreamError> {
    let response = request.send().await.map_err(|_| UpstreamError::Unavailable(None))?;
    let status = response.status();
    if status == StatusCode::OK {
        let body =
            crate::http::read_body(response, MAX_BODY).await.map_err(|_| UpstreamError::Unavailable(None))?;
        return serde_json::from_slice(&body).map_err(|_| UpstreamError::Malformed);
    }
    Err(match status.as_u16() {
        // 403 is what OpenRouter documents for a code that is wrong, used or old; 400 for one it cannot read.
        400 | 401 | 403 | 404 => UpstreamError::Refused,
        408 | 409 | 425 | 429 | 500..=599 => {
            UpstreamError::Unavailable(crate::http::retry_after(response.headers()))
        }
        _ => UpstreamError::Malformed,
    })
}
