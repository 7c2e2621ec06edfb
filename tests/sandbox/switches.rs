//! What tests can turn: every provider's choices, read and changed as JSON by `/_control/switches`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tokens::{Rotation, TokenRules};

/// Who answers the consent pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// The person, by the page's form.
    #[default]
    Ask,
    /// Nobody: approved at once.
    Auto,
    /// Nobody: denied at once.
    Deny,
}

/// All switches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub consent: Consent,
    /// Milliseconds that every provider takes before it does anything.
    pub delay_ms: u64,
    pub openrouter: OpenRouter,
    pub anthropic: Anthropic,
    pub github: GitHub,
    pub openai: OpenAi,
    pub google: Google,
    pub generic: Generic,
    pub kimi: Kimi,
}

/// OpenRouter's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenRouter {
    /// Whether the callback gets back a `state` that the authorize URL carried.
    pub echo_state: bool,
}

/// Anthropic's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Anthropic {
    pub tokens: TokenRules,
    /// Whether the token endpoint takes a form too (the sources disagree).
    pub accept_form: bool,
    /// Whether the token endpoint filters by user agent before it looks at anything.
    pub user_agent_filter: bool,
    /// Whether the token endpoint demands `state`.
    pub require_state: bool,
}

impl Default for Anthropic {
    fn default() -> Self {
        Self {
            tokens: TokenRules::default(),
            accept_form: false,
            user_agent_filter: true,
            require_state: true,
        }
    }
}

/// GitHub's and Copilot's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitHub {
    /// Client ids that are known.
    pub clients: Vec<String>,
    /// Seconds between polls, and seconds that a device code lives.
    pub interval: i64,
    pub device_lifetime: i64,
    /// The Copilot token's; only `lifetime` counts.
    pub tokens: TokenRules,
    pub refresh_in: i64,
    /// Seconds added to what `expires_at` says, as by a clock that is wrong.
    pub skew: i64,
    /// Whether the person has a Copilot plan; without one the exchange answers 403.
    pub copilot_access: bool,
    /// Which host takes the Copilot token.
    pub endpoint: Endpoint,
    /// Whether the API takes a GitHub token without the exchange.
    pub direct: bool,
}

impl Default for GitHub {
    fn default() -> Self {
        let clients = ["Iv1.b507a08c87ecfe98", "Ov23li8tweQw6odWQebz", "178c6fc778ccc68e1d6a"];
        Self {
            clients: clients.map(str::to_owned).to_vec(),
            interval: 5,
            device_lifetime: 900,
            tokens: TokenRules::living(1800),
            refresh_in: 1500,
            skew: 0,
            copilot_access: true,
            endpoint: Endpoint::Individual,
            direct: true,
        }
    }
}

/// The host that a Copilot token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    Individual,
    Business,
    /// The reply has no `endpoints`; the token says `proxy-ep`.
    Unnamed,
}

impl Endpoint {
    /// The part of the host's name that differs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Individual | Self::Unnamed => "individual",
            Self::Business => "business",
        }
    }
}

/// OpenAI's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenAi {
    pub tokens: TokenRules,
    /// The ports that are registered for the redirect; none = any.
    pub ports: Vec<u16>,
    /// Whether the JWTs name the account.
    pub account_claim: bool,
    /// Whether a refresh gives an id token too.
    pub id_token_on_refresh: bool,
    /// Whether `error` is a string.
    pub string_error: bool,
    /// The status of a refused refresh: 401, or 400 by other reports.
    pub refused_status: u16,
    /// Whether the device login is enabled; 404 if not.
    pub device: bool,
    pub device_interval: i64,
    /// How the reply writes the interval.
    pub interval: Interval,
    /// `user_code`, or `usercode`.
    pub user_code_name: String,
    /// The status of a poll that has to go on: 403 or 404.
    pub pending_status: u16,
    /// The redirect that the exchange after a device login must name; empty = this sandbox's.
    pub device_redirect: String,
}

impl Default for OpenAi {
    fn default() -> Self {
        Self {
            tokens: TokenRules::living(864_000),
            ports: vec![1455, 1457],
            account_claim: true,
            id_token_on_refresh: true,
            string_error: false,
            refused_status: 401,
            device: true,
            device_interval: 5,
            interval: Interval::Text,
            user_code_name: "user_code".to_owned(),
            pending_status: 403,
            device_redirect: String::new(),
        }
    }
}

/// How an interval is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interval {
    Text,
    Number,
    Missing,
}

/// Google's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Google {
    pub tokens: TokenRules,
    /// Whether the account has to be verified on a page first.
    pub validation_required: bool,
    /// How many times the long-running operation is not done yet.
    pub operation_polls: u32,
}

impl Default for Google {
    fn default() -> Self {
        let tokens = TokenRules { rotation: Rotation::Omit, ..TokenRules::living(3599) };
        Self { tokens, validation_required: false, operation_polls: 2 }
    }
}

/// Those of the provider that follows the standards.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Generic {
    pub tokens: TokenRules,
    /// The metadata documents that exist.
    pub documents: Vec<Document>,
    pub issuer: IssuerSwitch,
    pub pkce: PkceSwitch,
    /// What `iss` the authorization response carries, and whether the metadata promises one.
    pub iss: IssSwitch,
    pub iss_advertised: bool,
    pub registration: bool,
    /// Whether a registration gives a client secret.
    pub registration_secret: bool,
    /// Whether a `client_id` may be the URL of a metadata document.
    pub cimd: bool,
    /// Whether `offline_access` is offered, and needed for a refresh token.
    pub offline_access: bool,
    /// Whether `offline_access` is ignored without `prompt=consent`.
    pub offline_needs_consent: bool,
    /// Whether access tokens are JWTs.
    pub jwt: bool,
    pub revocation: bool,
    pub device: bool,
    /// Seconds between polls; none = the reply says nothing, and 5 holds.
    pub interval: Option<i64>,
    pub device_lifetime: i64,
    pub verification_uri_complete: bool,
    /// Whether the resource's 401 names its metadata.
    pub resource_hint: bool,
    /// Where the resource's metadata can be found without the hint.
    pub resource_document: ResourceDocument,
    /// Whether the metadata is of the resource that was asked.
    pub resource_matches: bool,
}

impl Default for Generic {
    fn default() -> Self {
        Self {
            tokens: TokenRules::living(3600),
            documents: vec![Document::Rfc8414, Document::OpenidInserted, Document::OpenidAppended],
            issuer: IssuerSwitch::Right,
            pkce: PkceSwitch::S256,
            iss: IssSwitch::Right,
            iss_advertised: true,
            registration: true,
            registration_secret: false,
            cimd: false,
            offline_access: true,
            offline_needs_consent: true,
            jwt: false,
            revocation: true,
            device: true,
            interval: Some(5),
            device_lifetime: 600,
            verification_uri_complete: true,
            resource_hint: true,
            resource_document: ResourceDocument::Both,
            resource_matches: true,
        }
    }
}

/// A metadata document of the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// `/.well-known/oauth-authorization-server/generic`
    Rfc8414,
    /// `/.well-known/openid-configuration/generic`
    OpenidInserted,
    /// `/generic/.well-known/openid-configuration`
    OpenidAppended,
}

/// The `issuer` that the metadata names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerSwitch {
    Right,
    Wrong,
    /// With one slash too many.
    Slash,
}

/// The `code_challenge_methods_supported` of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PkceSwitch {
    S256,
    Plain,
    Absent,
}

/// The `iss` of the authorization response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssSwitch {
    Right,
    Wrong,
    Absent,
}

/// Which well-known paths have the resource's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceDocument {
    Inserted,
    Root,
    Both,
    None,
}

/// Kimi's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kimi {
    pub tokens: TokenRules,
    pub interval: i64,
    pub device_lifetime: i64,
    /// Whether the six `X-Msh` headers must be there.
    pub require_headers: bool,
}

impl Default for Kimi {
    fn default() -> Self {
        Self { tokens: TokenRules::living(900), interval: 5, device_lifetime: 600, require_headers: true }
    }
}

impl Switches {
    /// These switches with those in `patch` set; an unknown name or a wrong type changes nothing.
    pub fn patched(&self, patch: &Value) -> Result<Self, String> {
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        merge(&mut all, patch);
        serde_json::from_value(all).map_err(|error| error.to_string())
    }
}

/// Sets a number under this name everywhere it occurs, as `lifetime` at every provider.
pub fn set_everywhere(value: &mut Value, name: &str, number: i64) {
    let Value::Object(map) = value else { return };
    for (key, inner) in map {
        if key == name {
            *inner = number.into();
        } else {
            set_everywhere(inner, name, number);
        }
    }
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}
