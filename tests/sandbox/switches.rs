//! What tests can turn: every provider's choices, read and changed as JSON by `/_control/switches`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tokens::TokenRules;

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
