//! What a machine can prove of itself in place of a person, as data: where its identity token comes from, and
//! where that becomes an access token (`:h conv-workload`).
//!
//! Pure data; what may stand there is checked in `resolve_workload`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use url::Url;

use super::Program;
use super::login_method::Encoding;
use crate::credential::Kind;

/// Which grant takes the identity token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadGrant {
    /// RFC 8693.
    #[default]
    TokenExchange,
    /// RFC 7523, 2.1.
    JwtBearer,
}

/// Where an identity token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionSource {
    /// A variable.
    Env(String),
    /// A file, read again at each use.
    File(PathBuf),
    /// A variable that names a file.
    EnvFile(String),
    /// GitHub Actions, which is asked for one.
    Github,
    /// What a command prints.
    Command(Program),
}

/// The source `workload` of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Which grant takes the identity token.
    pub grant: WorkloadGrant,
    /// Where it becomes an access token.
    pub token_url: Url,
    /// Encoding of that request.
    pub token_encoding: Encoding,
    /// Where it comes from, in order.
    pub assertion: Vec<AssertionSource>,
    /// Whom it has to be made for.
    pub audience: Option<String>,
    /// RFC 8693, 3.
    pub subject_token_type: String,
    /// Parameters of the request.
    pub params: BTreeMap<String, String>,
    /// Those that variables give, by the variable's name.
    pub env_params: BTreeMap<String, String>,
    /// Those that must be there; the first says whether there is a workload identity at all.
    pub required: Vec<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Headers of the request.
    pub request_headers: BTreeMap<String, String>,
    /// How the access token travels.
    pub kind: Kind,
    /// Where it is described, such as `providers.openai.workload`, for hints.
    pub setting: String,
}

impl Workload {
    /// What an access token of these very settings is known by.
    pub fn binding(&self) -> String {
        let digest = Sha256::digest(format!("{self:?}").as_bytes());
        let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("workload:{hex}")
    }
}
