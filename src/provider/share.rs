//! Who may use what a method of login yields, how an API shapes its errors, and what points a program at the gateway.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Provider, template};
use crate::credential::Credential;
use crate::error::{Code, Error, Result};

/// Who may use a login's token, by its vendor's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Any program of this person.
    #[default]
    Any,
    /// The editor that asks for it; it is not served to other programs, here or elsewhere.
    Editor,
}

/// The form in which an API answers, and expects answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApiShape {
    /// `{ "error": { "message", "type", "code" } }`, which most others took over.
    #[default]
    Openai,
    /// `{ "type": "error", "error": { "type", "message" } }`.
    Anthropic,
    /// `{ "error": { "code", "message", "status" } }`.
    Gemini,
}

impl Provider {
    /// Who may use a credential: the strictest word of the methods that yield its kind, since a token from a variable
    /// does not tell which it came by.
    pub fn share(&self, credential: &Credential) -> Share {
        let of_kind = self.methods.iter().filter(|method| method.kind() == credential.kind);
        of_kind.map(|method| method.share).max().unwrap_or_default()
    }

    /// # Errors
    /// `provider_refused` if the vendor keeps this kind of login to the program that signed in.
    pub fn check_shared(&self, credential: &Credential) -> Result<()> {
        if self.share(credential) == Share::Any {
            return Ok(());
        }
        let message =
            format!("{} does not allow this kind of login to be used by other programs.", self.name);
        let own = self.methods.iter().find(|method| method.share == Share::Any);
        let hint = own.map_or_else(
            || "Use another provider here.".to_owned(),
            |method| format!("Log in to it by `{}`.", method.id),
        );
        Err(Error::new(Code::ProviderRefused, message).with_hint(hint))
    }

    /// Variables that point a program at a gateway which serves this provider, by name. Where the description names
    /// none, those that programs for OpenAI's API read, if the API is of that form.
    pub fn exec_gateway_variables(&self, url: &str, key: &str) -> BTreeMap<String, String> {
        let fill = |template: &String| {
            template::fill(template, |name| match name {
                "gateway_url" => Some(url.to_owned()),
                "gateway_key" => Some(key.to_owned()),
                other => self.options.get(other).cloned(),
            })
        };
        let variables = self.exec_gateway.iter();
        let mut filled: BTreeMap<String, String> =
            variables.filter_map(|(name, template)| Some((name.clone(), fill(template)?))).collect();
        if self.api == ApiShape::Openai {
            for (name, value) in openai_variables(url, key) {
                filled.entry(name.to_owned()).or_insert(value);
            }
        }
        filled
    }
}

/// What OpenAI's SDKs and the programs on top of them read.
fn openai_variables(url: &str, key: &str) -> [(&'static str, String); 3] {
    let base = format!("{url}/v1");
    [("OPENAI_BASE_URL", base.clone()), ("OPENAI_API_BASE", base), ("OPENAI_API_KEY", key.to_owned())]
}
