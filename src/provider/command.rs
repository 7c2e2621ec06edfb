//! Commands that print a credential or a secret: what runs, and what is made of it (`:h conv-command`).
//!
//! Guarantees: `Debug` shows no argument, which may be what people take no care of.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::credential::Kind;
use crate::text::short;

/// Longest name of a program that is repeated, in characters.
const MAX_NAME: usize = 40;

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandFormat {
    /// One line, which is the credential.
    #[default]
    Text,
    /// `{ token, expires_at?, headers? }`.
    Json,
}

/// Where the answer of a command is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandCache {
    /// In the memory of each process.
    #[default]
    Memory,
    /// Sealed in the store, for all processes.
    Store,
}

/// A program of the person's settings, with its arguments.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    argv: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// Where it is described, such as `providers.openai.command`, for hints.
    pub setting: String,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({}, …)", self.name())
    }
}

impl Program {
    /// A program that was checked: its words, its time limit, and where it is described.
    pub fn new(argv: Vec<String>, timeout: Duration, setting: impl Into<String>) -> Self {
        Self { argv, timeout, setting: setting.into() }
    }

    /// The program: a bare name, or an absolute path.
    pub fn path(&self) -> PathBuf {
        self.argv.first().map(PathBuf::from).unwrap_or_default()
    }

    /// What it is given.
    pub fn arguments(&self) -> &[String] {
        self.argv.get(1..).unwrap_or_default()
    }

    /// The program's name for people, without folders.
    pub fn name(&self) -> String {
        let path = self.path();
        short(&path.file_name().unwrap_or_default().to_string_lossy(), MAX_NAME)
    }
}

/// The source `command` of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSource {
    /// What runs.
    pub program: Program,
    /// What it prints.
    pub format: CommandFormat,
    /// Seconds that an answer without an end is used.
    pub ttl: i64,
    /// Where an answer is kept.
    pub cache: CommandCache,
    /// How it travels.
    pub kind: Kind,
}

impl CommandSource {
    /// What an answer of this very command is bound to: another one's is not used in its place. Tells nothing
    /// of the arguments.
    pub fn binding(&self) -> String {
        let mut digest = Sha256::new();
        for word in &self.program.argv {
            digest.update(word.as_bytes());
            digest.update([0]);
        }
        digest.update([u8::from(self.format == CommandFormat::Json), u8::from(self.kind == Kind::Oauth)]);
        let hex: String = digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("command:{hex}")
    }
}
