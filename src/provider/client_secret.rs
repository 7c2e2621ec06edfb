//! The secret of a client that has one: where it comes from, and how it is shown.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Program;

/// Where the client secret of a provider of one's own comes from; never from a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientSecret {
    /// The store, under the login that [`Provider::client_login`] names.
    Store,
    /// An environment variable.
    Env(String),
    /// A file, read at each use.
    File(PathBuf),
    /// What a command prints, run at each use.
    Command(Program),
}

/// How a client with a secret proves itself at the token endpoint, by the names of RFC 7591, 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the body, beside the client id.
    #[default]
    ClientSecretPost,
    /// By HTTP Basic.
    ClientSecretBasic,
    /// By a statement signed with the client's key, which is the secret (RFC 7523).
    PrivateKeyJwt,
}
