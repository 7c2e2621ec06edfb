//! `convocations agent`: lends logins at a socket, or on loopback, in the foreground.

use std::process::ExitCode;

use tokio::sync::watch;

use super::args::AgentArgs;
use super::news::News;
use super::{Context, lend, output, permission};
use crate::agent::{Agent, Door, Grant, Home};
use crate::error::Result;
use crate::protocol::AgentOpened;
use crate::signals::Signals;

pub fn run(context: &Context, args: AgentArgs) -> Result<ExitCode> {
    context.block_on(async {
        let broker = context.broker();
        let mut news = News::of(&broker);
        let terms = lend::terms(context, &broker, &args.logins, &args.terms, "whoever opens it").await?;
        let door = open(&args).await?;
        let home = Home::new(broker.clone(), context.config.clone(), context.clock.clone());
        let agent = Agent::new(context.paths(), home);
        let grant = agent.grant(terms, &door)?;
        // Whoever reads the line may end us at once.
        let mut signals = Signals::new();
        print(context, &args, &grant, &door)?;
        let background = broker.run_background();
        let (_stop, stopped) = watch::channel(false);
        let end = tokio::select! {
            end = agent.serve(&grant, door, stopped) => Some(end),
            _ = signals.next() => None,
            () = end_of_input(args.until_eof) => None,
            () = permission::ask_for(context, &grant) => None,
            never = news.tell() => match never {},
        };
        background.abort();
        broker.finish_in_flight().await;
        if let Some(text) = end.and_then(lend::ended) {
            output::note(text);
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn open(args: &AgentArgs) -> Result<Door> {
    match (&args.socket, args.listen) {
        #[cfg(unix)]
        (Some(path), _) => Door::unix(path),
        #[cfg(not(unix))]
        (Some(_), _) => Err(lend::no_sockets()),
        (None, Some(address)) => Door::loopback(address).await,
        (None, None) => Err(lend::no_place()),
    }
}

fn print(context: &Context, args: &AgentArgs, grant: &Grant, door: &Door) -> Result<ExitCode> {
    let address = door.address();
    if args.json {
        return output::json_line(&AgentOpened { id: grant.id().to_owned(), address });
    }
    let mut lines = lend::in_words(grant.terms(), grant.id(), context.clock.now(), "Ctrl-C");
    lines.push(String::new());
    lines.push(format!("export CONVOCATIONS_AGENT={address}"));
    output::line(&lines.join("\n"))
}

/// Returns at the end of standard input, if that is to be waited for.
async fn end_of_input(wanted: bool) {
    if !wanted {
        return std::future::pending().await;
    }
    let (ended, heard) = tokio::sync::oneshot::channel();
    // A thread, because reading a terminal cannot be awaited; it ends with the process or the input.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = ended.send(());
    });
    let _ = heard.await;
}
