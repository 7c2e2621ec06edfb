//! Everything the pretend providers remember.

use crate::anthropic::Anthropic;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::generic::Generic;
use crate::github::GitHub;
use crate::google::Google;
use crate::huggingface::HuggingFace;
use crate::keys::Keys;
use crate::kimi::Kimi;
use crate::llmgateway::LlmGateway;
use crate::nanogpt::NanoGpt;
use crate::openai::OpenAi;
use crate::openrouter::OpenRouter;
use crate::poe::Poe;
use crate::provider::Provider;
use crate::switches::Switches;
use crate::tetrate::Tetrate;
use crate::workload::Workload;

/// The state behind one lock. Handlers hold it only while they compute an answer.
#[derive(Debug, Default)]
pub struct World {
    /// `http://127.0.0.1:PORT`, without a slash at the end.
    pub base: String,
    pub clock: Clock,
    pub switches: Switches,
    /// The switches of the command line, to which a reset goes back.
    pub first_switches: Switches,
    pub faults: Faults,
    pub calls: Calls,
    pub openrouter: OpenRouter,
    pub anthropic: Anthropic,
    pub github: GitHub,
    pub openai: OpenAi,
    pub google: Google,
    pub generic: Generic,
    pub kimi: Kimi,
    pub kimi_ai: Kimi,
    pub huggingface: HuggingFace,
    pub llmgateway: LlmGateway,
    pub nanogpt: NanoGpt,
    pub poe: Poe,
    pub keys: Keys,
    pub tetrate: Tetrate,
    pub workload: Workload,
}

/// The providers' names, as `/_control` knows them.
pub const PROVIDERS: &[&str] = &[
    "openrouter",
    "anthropic",
    "github",
    "openai",
    "google",
    "generic",
    "huggingface",
    "kimi",
    "kimi-ai",
    "key",
    "llmgateway",
    "nanogpt",
    "poe",
    "tetrate",
    "workload",
];

impl World {
    /// A fresh world.
    pub fn new(base: String, switches: Switches) -> Self {
        Self { base, first_switches: switches.clone(), switches, ..Self::default() }
    }

    /// Forgets everything but the address and the command line.
    pub fn reset(&mut self) {
        *self = Self::new(self.base.clone(), self.first_switches.clone());
    }

    /// Unix seconds by the providers' clock.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// A provider by its name.
    pub fn provider(&mut self, name: &str) -> Option<&mut dyn Provider> {
        Some(match name {
            "openrouter" => &mut self.openrouter,
            "anthropic" => &mut self.anthropic,
            "github" => &mut self.github,
            "openai" => &mut self.openai,
            "google" => &mut self.google,
            "generic" => &mut self.generic,
            "huggingface" => &mut self.huggingface,
            "kimi" => &mut self.kimi,
            "kimi-ai" => &mut self.kimi_ai,
            "llmgateway" => &mut self.llmgateway,
            "nanogpt" => &mut self.nanogpt,
            "poe" => &mut self.poe,
            "key" => &mut self.keys,
            "tetrate" => &mut self.tetrate,
            "workload" => &mut self.workload,
            _ => return None,
        })
    }
}
