//! What can be typed.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Sign in to AI providers once; every tool gets a token that is always fresh.
#[derive(Parser)]
#[command(name = "convocations", version, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve Neovim: msgpack-RPC on standard input and output
    Rpc,
    /// Log in: PROVIDER or PROVIDER@ACCOUNT
    Login {
        login: Option<String>,
        /// One of the provider's methods; `convocations providers` lists them
        #[arg(long)]
        method: Option<String>,
        /// Paste or device code only
        #[arg(long)]
        no_browser: bool,
    },
    /// Forget a login, and revoke it where the provider can
    Logout {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        login: Option<String>,
        /// Every stored login
        #[arg(long)]
        all: bool,
    },
    /// Print a fresh token and a newline, nothing else
    Token {
        login: String,
        /// The whole credential as JSON: headers, base URL, expiry
        #[arg(long)]
        json: bool,
        /// Seconds that the token must still be good for
        #[arg(long, value_name = "SECONDS")]
        min_validity: Option<u32>,
        /// The API refused the token that is read from standard input: get another
        #[arg(long)]
        rejected: bool,
    },
    /// Run a program with the provider's own variables in its environment
    Exec {
        login: String,
        #[arg(required = true, last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Show every login
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Show every provider and its methods
    Providers {
        #[arg(long)]
        json: bool,
    },
    /// Find the usual troubles and say what to do about them
    Doctor {
        /// Also ask the providers whether they can be reached and what time it is
        #[arg(long)]
        online: bool,
    },
    /// Store or remove a key; typed hidden, or one line on standard input
    Secret {
        #[command(subcommand)]
        action: SecretAction,
    },
    /// Serve the OAuth authorization server in front of OpenRouter, for MCP clients
    Authority(AuthorityArgs),
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

impl Command {
    /// What is typed for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Login { .. } => "login",
            Self::Logout { .. } => "logout",
            Self::Token { .. } => "token",
            Self::Exec { .. } => "exec",
            Self::Status { .. } => "status",
            Self::Providers { .. } => "providers",
            Self::Doctor { .. } => "doctor",
            Self::Secret { .. } => "secret",
            Self::Authority(_) => "authority",
            Self::Completions { .. } => "completions",
        }
    }
}

#[derive(Subcommand)]
pub enum SecretAction {
    /// Store an OpenRouter key
    SetOpenrouterKey,
    /// Remove the stored OpenRouter key
    ClearOpenrouterKey,
    /// Store a key for PROVIDER or PROVIDER@ACCOUNT
    Set { login: String },
    /// Remove what is stored for PROVIDER or PROVIDER@ACCOUNT
    Clear { login: String },
}

#[derive(clap::Args)]
pub struct AuthorityArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// What clients call this server (https); needed for anything but loopback
    #[arg(long, value_name = "URL")]
    pub public_url: Option<String>,
    /// Where to serve Prometheus metrics
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// The secret's file: current on the first line, previous on the second. `SECRET` in the environment wins
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// OpenRouter's address
    #[arg(long, value_name = "URL", default_value = "https://openrouter.ai")]
    pub upstream: String,
    /// Count requests by the last address in X-Forwarded-For: behind exactly one reverse proxy
    #[arg(long)]
    pub trust_forwarded_for: bool,
    /// Do not limit requests per address: where the reverse proxy does
    #[arg(long)]
    pub no_rate_limit: bool,
}
