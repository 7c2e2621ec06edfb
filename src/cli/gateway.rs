//! `convocations gateway` and `exec --gateway`: programs that take a base URL and a key, and hold no secret.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::GatewayArgs;
use super::context::Context;
use super::news::News;
use super::{child, exec, output};
use crate::agent;
use crate::broker::Broker;
use crate::error::{Code, Error, Result};
use crate::gateway::{Forwarder, Gateway, Hosts, Key, Listener, url};
use crate::login_id::LoginId;
use crate::protocol::{GatewayAddress, GatewayListing};
use crate::secret::Secret;
use crate::signals::Signals;
use crate::wording::Face;

pub fn run(context: &Context, args: GatewayArgs) -> Result<ExitCode> {
    let named: Vec<LoginId> = args.logins.iter().map(|login| login.parse()).collect::<Result<_>>()?;
    context.block_on(async {
        let broker = context.broker();
        let mut news = News::of(&broker);
        let logins = served(context, &broker, named).await?;
        let key = Key::random();
        let bound = bind(&args).await?;
        let gateway = gateway(context, broker, key.clone(), bound.hosts, logins.clone());
        // Whoever reads what is printed may end us at once.
        let mut signals = Signals::new();
        print(context, &args, &bound, &key, &logins)?;
        let (_stop, stopped) = watch::channel(false);
        tokio::select! {
            () = gateway.serve(bound.listener, stopped) => {}
            _ = signals.next() => {}
            never = news.tell() => match never {},
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// `exec --gateway`: the program runs beside the gateway, which ends with it.
pub fn exec(context: &Context, login: &LoginId, command: &[OsString]) -> Result<ExitCode> {
    let provider = context.config.provider(login.provider())?;
    context.block_on(async {
        let broker = context.broker();
        let mut news = News::of(&broker);
        // Nobody wants to read of a missing login in the middle of a program's output. Of one that is lent
        // the other machine tells, which may lend no token.
        if broker.lender(login).await?.is_none() {
            let credential = tokio::select! {
                credential = broker.get(login, None) => credential?,
                never = news.tell() => match never {},
            };
            provider.check_shared(&credential)?;
        }
        news.tell_rest();
        let (listener, address) = loopback(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let key = Key::random();
        let gateway = gateway(context, broker.clone(), key.clone(), Hosts::Of(address), [login.clone()]);
        let mut program = exec::command(&provider, command)?;
        for (name, value) in provider.exec_gateway_variables(&url(address, login), key.expose()) {
            program.env(name, value);
        }
        let (_stop, stopped) = watch::channel(false);
        let mut news = news.beside_a_program();
        let result = tokio::select! {
            () = gateway.serve(Listener::Tcp(listener), stopped) => Ok(ExitCode::SUCCESS),
            ended = child::run(program) => ended,
            never = news.tell() => match never {},
        };
        broker.finish_in_flight().await;
        result
    })
}

fn gateway(
    context: &Context,
    broker: Broker,
    key: Key,
    hosts: Hosts,
    logins: impl IntoIterator<Item = LoginId>,
) -> Gateway {
    let forwarder = Forwarder::new(broker, context.config.clone(), Face::Terminal);
    Gateway::new(forwarder, key, hosts, logins)
}

/// The logins that were named, or all that somebody is logged in to and that may be shared.
async fn served(context: &Context, broker: &Broker, named: Vec<LoginId>) -> Result<Vec<LoginId>> {
    for login in &named {
        if broker.lender(login).await?.is_none() {
            context.config.provider(login.provider())?;
        }
    }
    if !named.is_empty() {
        return Ok(named);
    }
    let lendable = agent::lendable(broker, &context.config, &[]).await?;
    for (login, why) in &lendable.kept {
        output::note(&format!("{login} is left out: {}", why.message()));
    }
    Ok(lendable.logins.into_iter().collect())
}

/// What is listened on, and what a client is told of it.
struct Bound {
    listener: Listener,
    hosts: Hosts,
    address: Option<SocketAddr>,
    #[cfg(unix)]
    _socket: Option<crate::gateway::Socket>,
}

async fn bind(args: &GatewayArgs) -> Result<Bound> {
    #[cfg(unix)]
    if let Some(path) = &args.socket {
        let (listener, socket) = crate::gateway::bind_socket(path)?;
        return Ok(Bound {
            listener: Listener::Unix(listener),
            hosts: Hosts::Any,
            address: None,
            _socket: Some(socket),
        });
    }
    let (listener, address) = loopback(args.listen).await?;
    Ok(Bound {
        listener: Listener::Tcp(listener),
        hosts: Hosts::Of(address),
        address: Some(address),
        #[cfg(unix)]
        _socket: None,
    })
}

async fn loopback(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    if !address.ip().is_loopback() {
        return Err(Error::new(Code::InvalidArgument, "The gateway listens on this machine only.")
            .with_hint("Use `127.0.0.1:PORT`, `[::1]:PORT` or `--socket`."));
    }
    let bound = TcpListener::bind(address).await;
    let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
    bound.map_err(|_| {
        Error::new(Code::PortInUse, format!("{address} cannot be listened on."))
            .with_hint("Use another port, or 0 for a free one.")
    })
}

fn print(
    context: &Context,
    args: &GatewayArgs,
    bound: &Bound,
    key: &Key,
    logins: &[LoginId],
) -> Result<ExitCode> {
    let base = |login: &LoginId| match bound.address {
        Some(address) => url(address, login),
        None => format!("http://localhost/{login}"),
    };
    let socket = args.socket.as_ref().map(|path| path.display().to_string());
    if args.json {
        let address = |login: &LoginId| GatewayAddress {
            url: base(login),
            key: Secret::new(key.expose()),
            socket: socket.clone(),
        };
        let logins = logins.iter().map(|login| (login.clone(), address(login))).collect();
        return output::json_line(&GatewayListing { logins });
    }
    let mut lines =
        vec!["The gateway is open until Ctrl-C. Base URL of each login, and the key for all:".to_owned()];
    lines.push(String::new());
    lines.extend(logins.iter().map(|login| format!("  {:<20} {}", login.as_str(), base(login))));
    lines.push(format!("  {:<20} {}", "key", key.expose()));
    if let Some(socket) = &socket {
        lines.push(format!("  {:<20} {socket}", "socket"));
    }
    if let [login] = logins {
        let provider = context.config.provider(login.provider())?;
        lines.push(String::new());
        let variables = provider.exec_gateway_variables(&base(login), key.expose());
        lines.extend(variables.iter().map(|(name, value)| format!("export {name}={value}")));
    }
    output::line(&lines.join("\n"))
}
