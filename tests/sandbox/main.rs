//! The sandbox: pretend AI providers on loopback, as strict as the real ones are known to be.
//!
//! Tests and `make demo` sign in here; nothing of it is in the shipped binary. It prints one JSON line when it is
//! ready, `{"port":N,"url":"http://127.0.0.1:N"}`, and ends when it is killed or, with `--stdin`, when its standard
//! input ends.

mod account;
mod anthropic;
mod anthropic_token;
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
mod jwt;
mod kimi;
mod openai;
mod openrouter;
mod pages;
mod provider;
mod random;
mod reply;
mod request;
mod routes;
mod server;
mod switches;
mod tokens;
mod world;

use std::io::{self, Write};

use clap::Parser;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use server::Sandbox;
use switches::Switches;
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
    announce(&args, port, &base)?;
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

fn announce(args: &Args, port: u16, base: &str) -> io::Result<()> {
    let mut line = json!({ "port": port, "url": base });
    if args.config_toml {
        line["config_toml"] = Value::String(config::toml(base));
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
