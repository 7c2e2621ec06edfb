//! What is secret, how it may be written, and where it is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::Value;

use crate::common::{Sandbox, TestDir};

/// Parameters that are secret whoever sends them.
const FIELDS: &[&str] = &[
    "code",
    "code_verifier",
    "state",
    "refresh_token",
    "device_code",
    "device_auth_id",
    "client_secret",
    "token",
    "authorization_code",
    "access_token",
];
/// Shorter ones could stand anywhere by chance.
const SHORTEST: usize = 12;

/// Everything secret that the sandbox has handed out or was shown.
pub fn secrets(sandbox: &Sandbox) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = sandbox.secrets().into_iter().collect();
    for call in sandbox.calls()["list"].as_array().unwrap() {
        let bearer = call["headers"]["authorization"].as_str().and_then(|text| text.split_once(' '));
        found.extend(bearer.map(|(_, token)| token.to_owned()));
        for field in FIELDS {
            found.extend(call["fields"][field].as_str().map(str::to_owned));
            found.extend(parameter(call["query"].as_str().unwrap_or_default(), field));
        }
    }
    found.retain(|secret| secret.len() >= SHORTEST && !secret.starts_with("urn:"));
    found
}

fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// How a secret may be written.
fn forms(secret: &str) -> [String; 4] {
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let encoded = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // base64 of a text inside another: without the edges, which depend on the position.
    let base64 = STANDARD_NO_PAD.encode(secret);
    [secret.to_owned(), encoded, hex, base64[4..base64.len() - 4].to_owned()]
}

/// Texts by where they stand.
#[derive(Default)]
pub struct Places(BTreeMap<String, Vec<u8>>);

impl Places {
    pub fn add(&mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.entry(name.into()).or_default().extend(content.into());
    }

    /// Every file below a test's folder: store, log, state, data, cache, temporary files.
    pub fn add_files(&mut self, dir: &TestDir) {
        self.add_folder(dir.path());
    }

    fn add_folder(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                self.add_folder(&path);
            } else if kind.is_file() {
                // Lock and temporary files may be gone again.
                self.add(path.display().to_string(), std::fs::read(&path).unwrap_or_default());
            }
        }
    }

    /// What the system tells everybody about a process.
    pub fn add_process(&mut self, name: &str, pid: u32) {
        for file in ["cmdline", "environ", "comm"] {
            self.add(
                format!("{file} of {name}"),
                std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default(),
            );
        }
    }

    /// Whether a place was looked at and has something in it.
    #[track_caller]
    pub fn has(&self, part: &str) -> &Self {
        let found = self.0.iter().any(|(name, content)| name.contains(part) && !content.is_empty());
        assert!(found, "nothing was found of {part}: {:?}", self.0.keys());
        self
    }

    /// Panics with every place that holds a secret in any form.
    #[track_caller]
    pub fn hold_none_of(&self, secrets: &BTreeSet<String>) {
        let mut found = Vec::new();
        let forms: Vec<(&String, [String; 4])> =
            secrets.iter().map(|secret| (secret, forms(secret))).collect();
        for (place, content) in &self.0 {
            let content = String::from_utf8_lossy(content);
            let leaked =
                forms.iter().filter(|(_, forms)| forms.iter().any(|form| content.contains(form.as_str())));
            found.extend(leaked.map(|(secret, _)| format!("{secret} in {place}")));
        }
        assert!(found.is_empty(), "{found:#?}");
    }
}

/// The texts of a JSON value, for expectations about it.
pub fn shown(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
