//! What can be typed.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use super::complete;

/// What each exit status means.
pub const EXIT_STATUS: &[(u8, &str)] = &[
    (0, "done"),
    (2, "wrong usage, settings or names"),
    (3, "not logged in, or the login has expired: log in"),
    (4, "the provider or the person refused"),
    (5, "network, time limit or a fault at the provider: worth another try"),
    (6, "the store (keyring or file) cannot be read or written"),
    (126, "exec: the program cannot be run"),
    (127, "exec: there is no such program"),
    (130, "cancelled"),
];

/// Behind the help of the program.
fn exit_status() -> String {
    let rows: Vec<String> =
        EXIT_STATUS.iter().map(|(status, what)| format!("  {status:<4} {what}")).collect();
    format!("Exit status:\n{}", rows.join("\n"))
}

/// What `--version` says: the version, the commit of the sources and the target. The editor holds a
/// downloaded program against it before it is used (lua/conv/install/init.lua).
fn version() -> &'static str {
    concat!(
        env!("CARGO_PKG_VERSION"),
        " (",
        env!("CONVOCATIONS_COMMIT"),
        " ",
        env!("CONVOCATIONS_TARGET"),
        ")"
    )
}

/// Sign in to AI providers once; every tool gets a token that is always fresh.
#[derive(Parser)]
#[command(name = "convocations", version = version(), arg_required_else_help = true, after_help = exit_status())]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve Neovim: msgpack-RPC on standard input and output
    Rpc,
    /// Log in
    Login {
        /// PROVIDER, or PROVIDER@ACCOUNT for a further account; asked for if left out
        #[arg(add = ArgValueCompleter::new(complete::to_log_in))]
        login: Option<String>,
        /// One of the provider's methods; `convocations providers` lists them
        #[arg(long, add = ArgValueCompleter::new(complete::methods))]
        method: Option<String>,
        /// Paste or device code only
        #[arg(long)]
        no_browser: bool,
        /// The `WWW-Authenticate` header of an API that asks for more than the login may do
        #[arg(long, value_name = "HEADER")]
        challenge: Option<String>,
        /// Which of your organizations: the id of a workspace, or a GitHub Enterprise host
        #[arg(long, value_name = "ID")]
        organization: Option<String>,
    },
    /// Describe an MCP server as a provider, after a look at it
    Mcp(super::mcp::Wanted),
    /// Forget a login, and revoke it where the provider can
    Logout {
        /// PROVIDER or PROVIDER@ACCOUNT
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        #[arg(add = ArgValueCompleter::new(complete::stored))]
        login: Option<String>,
        /// Every stored login
        #[arg(long)]
        all: bool,
    },
    /// Print a fresh token and a newline, nothing else
    Token {
        /// PROVIDER or PROVIDER@ACCOUNT
        #[arg(add = ArgValueCompleter::new(complete::usable))]
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
        /// Give it a local base URL and a key for that, and no secret
        #[arg(long)]
        gateway: bool,
        /// PROVIDER or PROVIDER@ACCOUNT
        #[arg(add = ArgValueCompleter::new(complete::usable))]
        login: String,
        /// The program and its arguments, behind `--`
        #[arg(required = true, last = true, value_name = "CMD")]
        command: Vec<OsString>,
    },
    /// Show every login and its state; of one, with an exit status that says whether a token can be had
    Status {
        /// PROVIDER or PROVIDER@ACCOUNT; all if left out
        #[arg(add = ArgValueCompleter::new(complete::usable))]
        login: Option<String>,
        /// As JSON, in the shape that doc/rpc.md describes
        #[arg(long)]
        json: bool,
    },
    /// Show how much of what each login may use is used, as far as its provider says
    Usage {
        /// PROVIDER or PROVIDER@ACCOUNT; all if left out
        #[arg(add = ArgValueCompleter::new(complete::usable))]
        login: Option<String>,
        /// As JSON, in the shape that doc/rpc.md describes
        #[arg(long)]
        json: bool,
    },
    /// Show every provider and its methods
    Providers {
        /// As JSON, in the shape that doc/rpc.md describes
        #[arg(long)]
        json: bool,
    },
    /// Find the usual troubles and say what to do about them
    Doctor {
        /// Also walk the way to each provider in use: name, connection, proxy, TLS, answer, clock
        #[arg(long)]
        online: bool,
        /// As JSON, in the shape that doc/rpc.md describes
        #[arg(long)]
        json: bool,
    },
    /// Store or remove a key; typed hidden, or one line on standard input
    Secret {
        #[command(subcommand)]
        action: SecretAction,
    },
    /// Serve a local address that adds the credential to each request, for programs that take a base URL and
    /// a key
    Gateway(GatewayArgs),
    /// Lend logins to whoever reaches a socket: for containers, and for other hosts by a forwarded one
    Agent(AgentArgs),
    /// Open an ssh session that may use logins of this machine, for as long as it lasts
    #[command(after_help = SSH_HELP)]
    Ssh(SshArgs),
    /// Show what is lent, to whom, and what it was used for
    Grants {
        #[command(subcommand)]
        action: Option<GrantsAction>,
        /// As JSON, in the shape that doc/rpc.md describes
        #[arg(long)]
        json: bool,
    },
    /// Serve the OAuth authorization server in front of OpenRouter, for MCP clients
    Authority(AuthorityArgs),
    /// Print what makes a shell complete commands, logins, providers and methods
    Completions {
        /// The shell that reads it: `source <(convocations completions bash)`
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write those of all commands
    Man {
        /// A folder that gets `convocations.1` and one for each command
        #[arg(long, value_name = "FOLDER")]
        dir: Option<PathBuf>,
    },
}

impl Command {
    /// What is typed for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rpc => "rpc",
            Self::Login { .. } => "login",
            Self::Mcp(_) => "mcp",
            Self::Logout { .. } => "logout",
            Self::Token { .. } => "token",
            Self::Exec { .. } => "exec",
            Self::Status { .. } => "status",
            Self::Usage { .. } => "usage",
            Self::Providers { .. } => "providers",
            Self::Doctor { .. } => "doctor",
            Self::Secret { .. } => "secret",
            Self::Authority(_) => "authority",
            Self::Gateway(_) => "gateway",
            Self::Agent(_) => "agent",
            Self::Ssh(_) => "ssh",
            Self::Grants { .. } => "grants",
            Self::Completions { .. } => "completions",
            Self::Man { .. } => "man",
        }
    }
}

#[derive(Subcommand)]
pub enum SecretAction {
    /// Store an OpenRouter key
    SetOpenrouterKey,
    /// Remove the stored OpenRouter key
    ClearOpenrouterKey,
    /// Store a key
    Set {
        /// PROVIDER or PROVIDER@ACCOUNT
        #[arg(add = ArgValueCompleter::new(complete::to_log_in))]
        login: String,
    },
    /// Remove what is stored
    Clear {
        /// PROVIDER or PROVIDER@ACCOUNT
        #[arg(add = ArgValueCompleter::new(complete::stored))]
        login: String,
    },
}

#[derive(clap::Args)]
pub struct GatewayArgs {
    /// PROVIDER or PROVIDER@ACCOUNT; all that you are logged in to, if none is named
    #[arg(value_name = "LOGIN", add = ArgValueCompleter::new(complete::usable))]
    pub logins: Vec<String>,
    /// Where to listen: this machine only, port 0 for a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", conflicts_with = "socket")]
    pub listen: SocketAddr,
    /// A unix socket to listen on instead
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print one line of JSON, once it listens
    #[arg(long)]
    pub json: bool,
}

#[derive(clap::Args)]
pub struct AgentArgs {
    /// PROVIDER or PROVIDER@ACCOUNT; all that you are logged in to, if none is named
    #[arg(value_name = "LOGIN", add = ArgValueCompleter::new(complete::usable))]
    pub logins: Vec<String>,
    /// The unix socket to listen on, in a folder of your own
    #[arg(long, value_name = "PATH", required_unless_present = "listen", conflicts_with = "listen")]
    pub socket: Option<PathBuf>,
    /// Where to listen instead, with a key: this machine only, port 0 for a free one
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    #[command(flatten)]
    pub terms: TermsArgs,
    /// End at the end of standard input too: with whoever started it
    #[arg(long)]
    pub until_eof: bool,
    /// Print one line of JSON, once it listens
    #[arg(long)]
    pub json: bool,
}

/// Behind the help of `convocations ssh`.
const SSH_HELP: &str = "\
Without it, the same by ssh_config, for a server with `StreamLocalBindUnlink yes`:
  Host FAR
    RemoteForward /home/ME/.convocations-agent ${XDG_RUNTIME_DIR}/lent/agent.sock

with `convocations agent --socket $XDG_RUNTIME_DIR/lent/agent.sock` running here, and there
  export CONVOCATIONS_AGENT=unix:/home/ME/.convocations-agent";

#[derive(clap::Args)]
pub struct SshArgs {
    /// A login to lend; all that you are logged in to, if none is named (repeatable)
    #[arg(long, value_name = "LOGIN", add = ArgValueCompleter::new(complete::usable))]
    pub login: Vec<String>,
    #[command(flatten)]
    pub terms: TermsArgs,
    /// Print one line of JSON before the session
    #[arg(long)]
    pub json: bool,
    /// As ssh takes it: a host, USER@HOST, or a name of ssh_config
    pub destination: String,
    /// ssh's own options, and the command to run there; a shell without one
    #[arg(value_name = "SSH ARGUMENTS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<OsString>,
}

/// What a grant allows.
#[derive(clap::Args)]
pub struct TermsArgs {
    /// Hand out access tokens too; without it requests are sent from here, and no secret leaves
    #[arg(long)]
    pub token: bool,
    /// And keys that last, which cannot be revoked from here
    #[arg(long, requires = "token")]
    pub lasting: bool,
    /// How long, such as `8h`; until the program ends, if left out
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<std::time::Duration>,
    /// Whom it is for, in your words
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Ask at each use: at this terminal, or by `convocations grants watch` in another; no answer within 30 s
    /// is no
    #[arg(long)]
    pub confirm: bool,
}

#[derive(Subcommand)]
pub enum GrantsAction {
    /// End one at once, with what is under way
    Revoke {
        /// Its id; `convocations grants` shows it
        id: String,
    },
    /// Answer here what grants ask that were made with `--confirm`
    Watch,
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
    /// An MCP server that a key may be asked for, and that will be able to spend it; the page names it
    /// (repeatable)
    #[arg(long, value_name = "URL")]
    pub resource: Vec<String>,
    /// The secret's file: current on the first line, previous on the second. `CONVOCATIONS_AUTHORITY_SECRET`
    /// in the environment wins
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// OpenRouter's address
    #[arg(long, value_name = "URL", default_value = "https://openrouter.ai")]
    pub upstream: String,
    /// Count requests by the last address in X-Forwarded-For: behind exactly one reverse proxy
    #[arg(long)]
    pub trust_forwarded_for: bool,
    /// Requests of one address: register=20/1h, authorize=100/15m, token=50/15m are what holds without
    /// (repeatable)
    #[arg(long, value_name = "NAME=COUNT/TIME")]
    pub rate_limit: Vec<String>,
    /// Do not limit requests per address: where the reverse proxy does
    #[arg(long)]
    pub no_rate_limit: bool,
}

/// A time as it is typed: `8h`, `30m`, `1h 30m`.
///
/// # Errors
/// What is allowed.
fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time >= Duration::from_secs(1) => Ok(time),
        _ => Err("a time such as `8h`, `30m` or `1h 30m`".to_owned()),
    }
}
