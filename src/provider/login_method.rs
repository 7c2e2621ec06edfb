//! One way to log in, as it is used: described, checked and complete.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ClientAuth, CodeForm, Redirect};
use crate::credential::{Kind, Share};
pub use crate::protocol::Grant;

/// How a request body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    #[default]
    Form,
    /// `application/json`.
    Json,
}

/// How the device flow is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceDialect {
    /// As RFC 8628 has it; errors at HTTP 200 are understood too (GitHub).
    #[default]
    Rfc8628,
    /// OpenAI's own: the server makes the PKCE pair.
    Openai,
    /// NanoGPT's: JSON, polls that are answered by HTTP status, and a lasting key at the end.
    Nanogpt,
}

/// What the callback of a method that mints a key brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallbackBrings {
    /// A code, which is exchanged for the key.
    #[default]
    Code,
    /// The key itself.
    Key,
}

/// A step in code that makes the credential out of a login's tokens, for what data cannot say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondStep {
    /// Makes an API key with the token and drops the tokens (Anthropic's console).
    AnthropicConsoleKey,
    /// Exchanges the GitHub token, which is kept, for a Copilot token of half an hour.
    CopilotToken,
}

/// One way to log in.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its name: `subscription`, `api-key` …
    pub id: String,
    /// What people choose it by.
    pub label: String,
    /// Shown, and to be confirmed, before the first login by this method.
    pub notice: Option<String>,
    /// What is asked of the provider.
    pub grant: Grant,
    /// RFC 6749, 3.1; absent where discovery will bring it.
    pub authorize_url: Option<Url>,
    /// Parameters beside the standard ones.
    pub authorize_params: BTreeMap<String, String>,
    /// RFC 6749, 3.2; absent where discovery will bring it.
    pub token_url: Option<Url>,
    /// Encoding of the token request.
    pub token_encoding: Encoding,
    /// Encoding of the refresh request.
    pub refresh_encoding: Encoding,
    /// RFC 6749, 2.2; absent for a grant without one, or where registration will bring it.
    pub client_id: Option<String>,
    /// Where the person registers this program, which the provider knows by no id of its own.
    pub client_page: Option<String>,
    /// How a client secret is shown to the token endpoint; absent where nobody says.
    pub client_auth: Option<ClientAuth>,
    /// Which of the client's keys signs (RFC 7517, 4.5).
    pub client_key_id: Option<String>,
    /// RFC 6749, 3.3.
    pub scopes: Vec<String>,
    /// Where the answer goes; absent where the code is only ever shown.
    pub redirect: Option<Redirect>,
    /// What its codes look like, for those that are pasted.
    pub code: CodeForm,
    /// What its callback brings.
    pub callback: CallbackBrings,
    /// Seconds that its keys last, where the answer does not say.
    pub key_lifetime: Option<i64>,
    /// Name of the parameter that carries the redirect URI.
    pub redirect_param: String,
    /// Whether the token request repeats `state`.
    pub state_in_token_request: bool,
    /// Revocation endpoint.
    pub revoke_url: Option<Url>,
    /// Encoding of the revocation request.
    pub revoke_encoding: Encoding,
    /// RFC 8628, 3.1.
    pub device_authorization_url: Option<Url>,
    /// Where the person types the code, for a dialect that does not say.
    pub verification_url: Option<Url>,
    /// How the device flow is spoken.
    pub device_dialect: DeviceDialect,
    /// The step in code that makes the credential out of the tokens.
    pub second_step: Option<SecondStep>,
    /// Where the second step asks.
    pub second_step_url: Option<Url>,
    /// Where the person's name can be asked for with the token.
    pub identity_url: Option<Url>,
    /// Headers of the token, device and second-step requests.
    pub request_headers: BTreeMap<String, String>,
    /// Page where a key is made by hand.
    pub page: Option<String>,
    /// RFC 8707: sent with authorize and token requests.
    pub resource: Option<String>,
    /// Whether the endpoints come from discovery.
    pub discover: bool,
    /// Who may use what it yields.
    pub share: Share,
}

impl Method {
    /// Whether the answer comes back to this machine alone: there is no page to paste from, no device code,
    /// no key to type.
    pub fn needs_callback(&self) -> bool {
        let has_page = |redirect: &Redirect| redirect.page.is_some();
        match self.grant {
            Grant::AuthorizationCode | Grant::MintKey => {
                self.redirect.as_ref().is_some_and(|at| !has_page(at))
            }
            Grant::DeviceCode | Grant::ClientCredentials | Grant::ApiKey => false,
        }
    }

    /// How what this method yields travels.
    pub fn kind(&self) -> Kind {
        let dialect_makes_key =
            self.grant == Grant::DeviceCode && self.device_dialect == DeviceDialect::Nanogpt;
        match (self.grant, self.second_step) {
            (Grant::ApiKey | Grant::MintKey, _) | (_, Some(SecondStep::AnthropicConsoleKey)) => Kind::ApiKey,
            _ if dialect_makes_key => Kind::ApiKey,
            _ => Kind::Oauth,
        }
    }

    /// Whether its authorization and token requests are those of RFC 6749, 4.1. Those that mint a key without
    /// a client have a form of their own.
    pub fn speaks_rfc6749(&self) -> bool {
        self.grant != Grant::MintKey || self.client_id.is_some()
    }

    /// Whether the person has to register this program before they can log in by it.
    pub fn lacks_client(&self) -> bool {
        self.client_page.is_some() && self.client_id.is_none()
    }
}
