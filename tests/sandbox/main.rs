//! The sandbox: pretend AI providers on loopback, as strict as the real ones are known to be.
//!
//! Tests and `make demo` sign in here; nothing of it is in the shipped binary. It prints one JSON line when
//! it is ready, `{"port":N,"url":"http://127.0.0.1:N"}` (and `config_toml` with `--config-toml`, `tls_url`
//! and `ca_pem` with `--tls`), and ends when it is killed or, with `--stdin`, when its standard input ends.
//!
//! # Providers
//!
//! One port; each provider under a path. `GET /_control/routes` lists every route by its name, which is what
//! faults and counts go by (`anthropic.token`, `openrouter.keys`, `github.copilot-token` …). The rules are in
//! each module's comment and, as tests, in `tests/sandbox_rules`.
//!
//! | path | plays | module |
//! |---|---|---|
//! | `/openrouter` | consent page, headless page, key exchange, key info, key pages, chat | `openrouter`, `chat` |
//! | `/anthropic` | authorize (claude.ai, console), code page, token, key creation, profile, messages | `anthropic`, `chat` |
//! | `/github` | device login, Copilot token, Copilot API by host | `github` |
//! | `/openai` | authorize, token, revoke, device dialect, ChatGPT backend, platform API | `openai` |
//! | `/google` | authorize and token with client secret, Code Assist set-up | `google` |
//! | `/generic` | a standards-following server: metadata, registration, device grant, revocation, an MCP resource | `generic` |
//! | `/huggingface` | authorize, token and device login for a registered client; router | `huggingface` |
//! | `/kimi`, `/kimi-ai` | device login by form, with device headers, in two regions | `kimi` |
//! | `/llmgateway` | a page that sends the key itself to the callback | `llmgateway` |
//! | `/nanogpt` | device login with answers by status, and a key at the end | `nanogpt` |
//! | `/poe` | authorize for a client that was registered, and a key for the code | `poe` |
//! | `/tetrate` | OpenRouter's relative: consent page and key exchange | `tetrate` |
//! | `/workload` | GitHub Actions' identity tokens, and a server that takes them by the standards | `workload` |
//! | `/key/HOST` | every other provider, which knows only keys | `keys` |
//!
//! The people are `ada` (who approves if nobody is chosen) and `grace`, see `account`. Clients that are known
//! from the start: the real providers' own ids; `sandbox-client` at `/huggingface` and `/poe`;
//! `sandbox-public` and `sandbox-confidential` (secret `sandbox-confidential-secret`) at `/generic`;
//! `sandbox.apps.googleusercontent.test` (secret `sandbox-google-secret`) at `/google`.
//!
//! # Control
//!
//! JSON in and out under `/_control/`; unknown fields are refused with 400. Requests here are not counted.
//!
//! | request | does |
//! |---|---|
//! | `GET config` | config.toml that points all built-in providers here |
//! | `POST fault {route, grant?, times?, skip?, fault}` | plants a fault: `route` a name or a beginning and `*`, `grant` a `grant_type`, `times` for ever if absent, `skip` calls that go by first |
//! | `DELETE fault` | removes all, and lets go whoever is held |
//! | `POST release {name}` | lets go what `hold` or `hold_reply` holds under this name |
//! | `GET calls` | `{total, routes: {ROUTE: n}, grants: {"ROUTE:GRANT": n}, list: [{route, method, path, query, headers, fields, at, status, fault?}]}`; `DELETE` forgets |
//! | `GET wait?route=R&count=N[&grant=G][&ms=M]` | answers when so many calls have arrived (408 after M, 5000 by default); `wait?held=NAME` when a call has come to a hold |
//! | `GET tokens` | by provider, what is valid now and all that was ever given out |
//! | `GET valid` | the same without what was ever given out |
//! | `POST mint {provider, kind: "oauth"\|"api-key", account?}` | a valid credential without a login, as the provider's own reply |
//! | `POST expire {provider, what?: "access"\|"all"\|"clients", token?}` | ends access tokens (or everything, registrations, one token) before their time |
//! | `POST assertion {audience, lifetime?, without?, padding?}` | an identity token of a machine |
//! | `POST clock {advance: seconds}` | moves the providers' clock; `GET` shows it |
//! | `GET switches`, `POST switches {…}` | every choice there is, read and changed in part: see `switches` |
//! | `POST consent {mode: "ask"\|"auto"\|"deny"}` | who answers the consent pages |
//! | `POST lifetime {seconds}` | of access tokens, at every provider |
//! | `POST reset {}` | forgets everything but the command line |
//!
//! A fault's fields combine (module `fault`): `delay_ms`, `hold`, `hold_reply`, `hang`, `drop:
//! "before"|"after"` (the latter is a reply lost after rotating), `process`, `status`, `body` (text, or
//! JSON), `headers`, `retry_after` (seconds, `{"date": seconds}`, or text), `shape` (`html`, `empty`,
//! `truncated`, `cut-short`, `huge`, `gzip-bomb`, `binary`), `omit` and `set` (fields of the true reply),
//! `drip_ms`.

mod account;
mod anthropic;
mod calls;
mod chat;
mod clock;
mod codes;
mod config;
mod consent;
mod control;
mod device;
mod fault;
mod generic;
mod github;
mod google;
mod gzip;
mod huggingface;
mod jwt;
mod keys;
mod kimi;
mod llmgateway;
mod nanogpt;
mod openai;
mod openrouter;
mod pages;
mod poe;
mod provider;
mod random;
mod reply;
mod request;
mod routes;
mod server;
mod switches;
mod tetrate;
mod tls;
mod tokens;
mod usage;
mod workload;
mod world;

use std::io::{self, Write};

use clap::Parser;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use server::Sandbox;
use switches::Switches;
use tls::Tls;
use world::World;

/// Pretend AI providers on loopback, for tests and for trying things out.
#[derive(Debug, Parser)]
#[command(name = "sandbox")]
struct Args {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// End when standard input ends.
    #[arg(long)]
    stdin: bool,
    /// Put the config.toml that points here into the JSON line, as `config_toml`.
    #[arg(long)]
    config_toml: bool,
    /// Listen with TLS as well, and put `tls_url` and `ca_pem` into the JSON line.
    #[arg(long)]
    tls: bool,
    /// With TLS, hand everything on to this port of another server instead.
    #[arg(long, requires = "tls")]
    tls_of: Option<u16>,
    /// Seconds that access tokens live.
    #[arg(long)]
    lifetime: Option<i64>,
    /// Milliseconds that every provider takes to answer.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Approve every consent page at once.
    #[arg(long)]
    auto: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    let port = listener.local_addr()?.port();
    let base = format!("http://127.0.0.1:{port}");
    let sandbox = Sandbox::new(World::new(base.clone(), switches(&args)?));
    let tls = if args.tls { Some(tls::listen(args.tls_of.unwrap_or(port)).await?) } else { None };
    announce(&args, port, &base, tls.as_ref())?;
    let serving = server::serve(sandbox, listener);
    if !args.stdin {
        serving.await;
        return Ok(());
    }
    tokio::select! {
        () = serving => {}
        () = end_of_stdin() => {}
    }
    // A blocked read of stdin or a held connection must not keep the process.
    std::process::exit(0)
}

fn switches(args: &Args) -> Result<Switches, String> {
    let mut all = serde_json::to_value(Switches::default()).map_err(|error| error.to_string())?;
    if let Some(seconds) = args.lifetime {
        switches::set_everywhere(&mut all, "lifetime", seconds);
    }
    all["delay_ms"] = args.delay_ms.into();
    all["consent"] = if args.auto { "auto" } else { "ask" }.into();
    Switches::default().patched(&all)
}

fn announce(args: &Args, port: u16, base: &str, tls: Option<&Tls>) -> io::Result<()> {
    let mut line = json!({ "port": port, "url": base });
    if let Some(tls) = tls {
        line["tls_url"] = tls.url.as_str().into();
        line["ca_pem"] = tls.ca_pem.as_str().into();
    }
    if args.config_toml {
        line["config_toml"] = config::toml(tls.map_or(base, |tls| &tls.url)).into();
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

async fn end_of_stdin() {
    let mut buffer = [0; 1024];
    let mut stdin = tokio::io::stdin();
    while matches!(stdin.read(&mut buffer).await, Ok(read) if read > 0) {}
}
