//! What an operator chooses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::limit::Rates;

/// What an operator chooses.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// What clients call this server: the issuer. Needed for anything but loopback, and then https.
    pub public_url: Option<String>,
    /// Where to serve Prometheus metrics, if at all.
    pub metrics: Option<SocketAddr>,
    /// OpenRouter's address.
    pub upstream: String,
    /// MCP servers that a key may be asked for, beside this server and OpenRouter. Each can spend what it is
    /// given.
    pub resources: Vec<String>,
    /// The operator's file with the secret; the environment goes before it.
    pub secret_file: Option<PathBuf>,
    /// Where a server that only this machine can reach keeps a secret of its own making.
    pub own_secret: PathBuf,
    /// Count requests by the last address in `X-Forwarded-For`: right behind exactly one reverse proxy.
    pub trust_forwarded_for: bool,
    /// How many requests one address may make, if that is limited.
    pub rates: Option<Rates>,
    /// Whether each answer is logged to standard error.
    pub access_log: bool,
    /// Longest time for one call to OpenRouter, well under what clients of a token endpoint wait.
    pub upstream_timeout: Duration,
}

impl Settings {
    /// A server on `listen` in front of `upstream` that keeps its secret in `own_secret`, with everything
    /// else as it is if nobody says.
    pub fn new(listen: SocketAddr, upstream: &str, own_secret: PathBuf) -> Self {
        Self {
            listen,
            public_url: None,
            metrics: None,
            upstream: upstream.to_owned(),
            resources: Vec::new(),
            secret_file: None,
            own_secret,
            trust_forwarded_for: false,
            rates: Some(Rates::default()),
            access_log: true,
            upstream_timeout: Duration::from_secs(20),
        }
    }
}
