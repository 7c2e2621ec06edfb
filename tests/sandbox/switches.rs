//! What tests can turn: every provider's choices, read and changed as JSON by `/_control/switches`. Providers
//! with many keep them in a file of their own.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tokens::{Revocation, Rotation, TokenRules};
use crate::{generic, github, openai};

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
    pub github: github::Switches,
    pub openai: openai::Switches,
    pub google: Google,
    pub generic: generic::Switches,
    pub huggingface: HuggingFace,
    pub kimi: Kimi,
    pub nanogpt: NanoGpt,
    pub poe: Poe,
    pub tetrate: Tetrate,
    pub workload: Workload,
}

/// OpenRouter's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenRouter {
    /// Whether the callback gets back a `state` that the authorize URL carried.
    pub echo_state: bool,
    /// Whether a callback address or referrer that differs from the first one's in its port is answered 409
    /// too, as it was seen before any port was taken.
    pub one_callback: bool,
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
        let (rotation, revocation) = (Rotation::Omit, Revocation::AllLogins);
        let tokens = TokenRules { rotation, revocation, ..TokenRules::living(3599) };
        Self { tokens, validation_required: false, operation_polls: 2 }
    }
}

/// Hugging Face's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HuggingFace {
    pub tokens: TokenRules,
    pub interval: i64,
    /// Ports of the redirect that was registered; empty = any, as no real app has it.
    pub ports: Vec<u16>,
}

impl Default for HuggingFace {
    fn default() -> Self {
        Self { tokens: TokenRules::default(), interval: 5, ports: vec![17421] }
    }
}

/// NanoGPT's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NanoGpt {
    pub interval: i64,
    /// Whether accounts have a plan, of which the usage is told.
    pub plan: bool,
}

impl Default for NanoGpt {
    fn default() -> Self {
        Self { interval: 2, plan: true }
    }
}

/// Poe's.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Poe {
    /// Seconds that the key lives; none = for ever, said as null.
    pub expires_in: Option<i64>,
}

/// Kimi's, in both regions.
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

/// Tetrate's.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tetrate {
    /// The name of the key in the reply: `key`, or `api_key` as Poe has it.
    pub key_name: String,
    /// Seconds that the key lives, named as Poe does; none = not named.
    pub expires_in: Option<i64>,
}

impl Default for Tetrate {
    fn default() -> Self {
        Self { key_name: "key".to_owned(), expires_in: None }
    }
}

/// Identity tokens of machines.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Workload {
    /// Whether an identity token works once (`jti`; RFC 7523, 3).
    pub once: bool,
    /// Seconds that an access token lives which was given for one, where the provider does not say.
    pub lifetime: i64,
}

impl Default for Workload {
    fn default() -> Self {
        Self { once: false, lifetime: 900 }
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
