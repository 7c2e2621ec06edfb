//! Who may use what a method of login yields, how an API shapes its errors, and what points a program at the
//! gateway.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Provider, Source};
use crate::credential::{Kind, Share};
use crate::error::{Code, Error, Result};
use crate::protocol::Credential;
use crate::template;

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
    /// Who may use a credential of a kind: the strictest word of the methods that yield it, since a token
    /// from a variable does not tell which it came by.
    pub fn share_of(&self, kind: Kind) -> Share {
        let of_kind = self.methods.iter().filter(|method| method.kind() == kind);
        of_kind.map(|method| method.share).max().unwrap_or_default()
    }

    /// Variables in which programs look for a key of this provider.
    pub fn key_variables(&self) -> BTreeSet<&str> {
        let read = self.sources.iter().filter_map(|source| match source {
            Source::Env { var, .. } => Some(var.as_str()),
            Source::Login | Source::Command | Source::Workload | Source::App => None,
        });
        self.exec.values().flat_map(BTreeMap::keys).map(String::as_str).chain(read).collect()
    }

    /// # Errors
    /// `provider_refused` if the vendor keeps this kind of login to the program that signed in.
    pub fn check_shared(&self, credential: &Credential) -> Result<()> {
        match credential.share {
            Share::Any => Ok(()),
            Share::Editor => Err(self.kept_to_its_own_programs()),
        }
    }

    /// Why a login is not shared, and what could be.
    pub fn kept_to_its_own_programs(&self) -> Error {
        let message =
            format!("{} does not allow this kind of login to be used by other programs.", self.name);
        let own = self.methods.iter().find(|method| method.share == Share::Any);
        let hint = own.map_or_else(
            || "Use another provider here.".to_owned(),
            |method| format!("Log in to it by `{}`.", method.id),
        );
        Error::new(Code::ProviderRefused, message).with_hint(hint)
    }

    /// Variables that point a program at a gateway which serves this provider, by name. Where the description
    /// names none, those that programs for OpenAI's API read, if the API is of that form.
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
