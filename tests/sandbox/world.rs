//! Everything the pretend providers remember.

use crate::anthropic::Anthropic;
use crate::calls::Calls;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::generic::Generic;
use crate::github::GitHub;
use crate::google::Google;
use crate::keys::Keys;
use crate::kimi::Kimi;
use crate::openai::OpenAi;
use crate::openrouter::OpenRouter;
use crate::provider::Provider;
use crate::switches::Switches;
use crate::tetrate::Tetrate;

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
    pub keys: Keys,
    pub tetrate: Tetrate,
}

/// The providers' names, as `/_control` knows them.
pub const PROVIDERS: &[&str] =
    &["openrouter", "anthropic", "github", "openai", "google", "generic", "kimi", "key", "tetrate"];

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
            "kimi" => &mut self.kimi,
            "key" => &mut self.keys,
            "tetrate" => &mut self.tetrate,
            _ => return None,
        })
    }
}
