//! `convocations ssh`: a session on another host that may use logins of this machine, for as long as it
//! lasts.
//!
//! Guarantees: the grant is served by this process and ends with the session, however that ends; ssh's
//! arguments, terminal and exit status are ssh's; nothing that opens a grant is ever an argument of a
//! program, here or there; a server that refuses to forward is one sentence, and no session is opened without
//! what was asked for.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod far;
#[cfg(unix)]
mod line;

#[cfg(unix)]
pub use unix::run;

#[cfg(not(unix))]
pub fn run(
    _: &super::context::Context,
    _: super::args::SshArgs,
) -> crate::error::Result<std::process::ExitCode> {
    use crate::error::{Code, Error};
    Err(Error::new(Code::InvalidArgument, "The ssh of this system cannot share one connection.")
        .with_hint("Use `convocations agent --listen` and `ssh -R`: `:h conv-remote-ssh`."))
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsString;
    use std::io::ErrorKind;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::{Path, PathBuf};
    use std::process::{ExitCode, Output};
    use std::sync::OnceLock;

    use tokio::sync::watch;

    use super::client::Client;
    use super::far;
    use super::line::Line;
    use crate::agent::{Agent, Door, Grant, Home};
    use crate::cli::args::SshArgs;
    use crate::cli::context::Context;
    use crate::cli::news::News;
    use crate::cli::{child, lend, output};
    use crate::error::{Code, Error, Result};
    use crate::protocol::AgentOpened;
    use crate::remote::Address;
    use crate::signals;

    /// What ssh exits with when it is ssh that failed (ssh(1)).
    const SSH_FAILED: i32 = 255;

    /// Opens a session.
    ///
    /// # Errors
    /// Of what is lent, and `network` if the other host takes no grant.
    pub fn run(context: &Context, args: SshArgs) -> Result<ExitCode> {
        let line = Line::read(&args.arguments)?;
        if args.destination.starts_with('-') {
            return Err(Error::new(Code::InvalidArgument, "Put ssh's own options after the destination.")
                .with_hint("Type `convocations ssh DESTINATION -p 2222`, for instance."));
        }
        context.block_on(async {
            let broker = context.broker();
            let terms = lend::terms(context, &broker, &args.login, &args.terms, &args.destination).await?;
            let folder = PrivateFolder::new()?;
            let client = Client::new(args.destination.clone().into(), line, &folder.path("m")).await?;
            let home = Home::new(broker.clone(), context.config.clone(), context.clock.clone());
            let agent = Agent::new(context.paths(), home);
            let there = tokio::select! {
                there = open(&client, &folder) => there?,
                () = signals::asked_to_end() => {
                    if let Some(made) = folder.there.get() {
                        client.last_script(far::close(made)).await;
                    }
                    client.disconnect().await;
                    return Err(Error::new(Code::Cancelled, "Cancelled."));
                }
            };
            let there = match there {
                Ok(there) => there,
                // ssh has said why.
                Err(status) => return Ok(status),
            };
            let background = broker.run_background();
            let mut news = News::of(&broker).beside_a_program();
            let ended = match agent.grant(terms, &there.door) {
                Ok(grant) => tokio::select! {
                    ended = session(context, &args, &client, &agent, grant, there) => ended,
                    never = news.tell() => match never {},
                },
                Err(error) => {
                    there.away.leave(&client).await;
                    Err(error)
                }
            };
            background.abort();
            broker.finish_in_flight().await;
            ended
        })
    }

    /// A folder of this user's own for the sockets of one session, with a short path; gone when dropped.
    struct PrivateFolder {
        path: PathBuf,
        /// Its like on the other host, once that is made.
        there: OnceLock<String>,
    }

    impl PrivateFolder {
        fn new() -> Result<Self> {
            use std::os::unix::fs::DirBuilderExt as _;
            let name = format!("conv-{:016x}", rand::random::<u64>());
            let places = [dirs::runtime_dir(), Some(std::env::temp_dir()), Some(PathBuf::from("/tmp"))];
            // ssh splits a forwarding at colons, and takes `%` and `$` for more than they are.
            let plain = |place: &PathBuf| {
                place.to_str().is_some_and(|text| text.len() < 64 && !text.contains([':', '%', '$', ' ']))
            };
            let made = places
                .into_iter()
                .flatten()
                .filter(plain)
                .inspect(|place| sweep(place))
                .map(|place| place.join(&name))
                .find(|folder| std::fs::DirBuilder::new().mode(0o700).create(folder).is_ok());
            made.map(|path| Self { path, there: OnceLock::new() }).ok_or_else(|| {
                Error::new(Code::StoreUnwritable, "There is no folder for the session's socket.")
                    .with_hint("Make `/tmp` writable, or set `XDG_RUNTIME_DIR`.")
            })
        }

        fn path(&self, name: &str) -> PathBuf {
            self.path.join(name)
        }
    }

    impl Drop for PrivateFolder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }

    /// Removes what sessions left here that were killed: folders in which nobody listens any more.
    fn sweep(place: &Path) {
        use std::os::unix::fs::MetadataExt as _;
        use std::os::unix::net::UnixStream;
        let refuses = |socket: PathBuf| {
            UnixStream::connect(socket).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        };
        let own = rustix::process::geteuid().as_raw();
        let is_left = |folder: &Path| {
            let is_named = folder.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                name.strip_prefix("conv-").is_some_and(|chance| {
                    chance.len() == 16 && chance.bytes().all(|byte| byte.is_ascii_hexdigit())
                })
            });
            let is_own = |found: std::fs::Metadata| found.is_dir() && found.uid() == own;
            is_named
                && std::fs::symlink_metadata(folder).is_ok_and(is_own)
                && refuses(folder.join("s"))
                && UnixStream::connect(folder.join("m")).is_err()
        };
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
        for folder in entries.map(|entry| entry.path()).filter(|folder| is_left(folder)) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }

    /// A way, or what ssh ended with.
    type Opened = std::result::Result<There, ExitCode>;

    /// A way from the other host to here.
    struct There {
        door: Door,
        /// As in `CONVOCATIONS_AGENT` there.
        address: String,
        away: Away,
    }

    /// What has to be removed on the other host.
    struct Away {
        folder: String,
        rule: OsString,
    }

    impl Away {
        async fn leave(&self, client: &Client) {
            client.take_back(&self.rule).await;
            client.last_script(far::close(&self.folder)).await;
            client.disconnect().await;
        }
    }

    async fn open(client: &Client, local: &PrivateFolder) -> Result<Opened> {
        let answer = client.connect(far::open()).await?;
        let Some(folder) = far::folder(&String::from_utf8_lossy(&answer.stdout)) else {
            client.disconnect().await;
            return no_folder(&answer);
        };
        let _ = local.there.set(folder.clone());
        match forward(client, &folder, &local.path("s")).await {
            Ok((door, address, rule)) => {
                let away = Away { folder, rule };
                prepare(client, There { door, address, away }).await.map(Ok)
            }
            Err(error) => {
                client.last_script(far::close(&folder)).await;
                client.disconnect().await;
                Err(error)
            }
        }
    }

    fn no_folder(answer: &Output) -> Result<Opened> {
        if answer.status.code() == Some(SSH_FAILED) {
            return Ok(Err(child::exit_code(answer.status)));
        }
        let message = "The other host does not run what it is asked to: it has a command of its own for you (a forced \
                       command), or no POSIX shell.";
        Err(Error::new(Code::Network, message).with_hint(
            "Nothing was lent. `:h conv-remote-ssh` has two lines of ssh_config that need no command there.",
        ))
    }

    /// Puts what the session begins with into the folder.
    async fn prepare(client: &Client, there: There) -> Result<There> {
        let command = client.command_text();
        let script = far::prepare(&there.away.folder, &there.address, command.as_deref());
        if client.script(script).await?.status.success() {
            return Ok(there);
        }
        there.away.leave(client).await;
        Err(Error::new(Code::Network, "The session could not be prepared on the other host.")
            .with_hint("Its disk may be full; nothing was lent."))
    }

    /// Has a socket of the other host lead here; where it makes none, a port of its loopback.
    async fn forward(client: &Client, folder: &str, local: &Path) -> Result<(Door, String, OsString)> {
        let door = Door::unix(local)?;
        let there = far::socket(folder);
        let rule = OsString::from(format!("{there}:{}", local.display()));
        if client.forward(&rule).await?.is_some() {
            return Ok((door, format!("unix:{there}"), rule));
        }
        drop(door);
        let door = Door::loopback(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let Address::Port { at, key } = Address::parse(&door.address())? else { return Err(refused()) };
        let rule = OsString::from(format!("127.0.0.1:0:{at}"));
        let port =
            client.forward(&rule).await?.and_then(|said| said.parse::<u16>().ok()).ok_or_else(refused)?;
        output::note("The other host makes no sockets: a port of its loopback is used, with a key.");
        Ok((door, format!("http://{}@127.0.0.1:{port}", key.expose()), rule))
    }

    fn refused() -> Error {
        Error::new(Code::Network, "The other host forwards neither sockets nor ports to here.").with_hint(
            "Nothing was lent. Its administrator can allow `AllowStreamLocalForwarding` or `AllowTcpForwarding`.",
        )
    }

    /// The session, and what is lent to it.
    async fn session(
        context: &Context,
        args: &SshArgs,
        client: &Client,
        agent: &Agent,
        grant: Grant,
        there: There,
    ) -> Result<ExitCode> {
        let There { door, address, away } = there;
        let told = tell(context, args, &grant, address);
        let (stop, stopped) = watch::channel(false);
        let serving = async {
            if let Some(text) = lend::ended(agent.serve(&grant, door, stopped).await) {
                output::note(&format!("\r{text}\r"));
            }
        };
        let visiting = async {
            let ended = match told {
                Ok(_) => child::run(client.session(&far::session(&away.folder))).await,
                Err(error) => Err(error),
            };
            let _ = stop.send(true);
            ended
        };
        let ((), ended) = tokio::join!(serving, visiting);
        away.leave(client).await;
        ended
    }

    fn tell(context: &Context, args: &SshArgs, grant: &Grant, address: String) -> Result<ExitCode> {
        if args.json {
            return output::json_line(&AgentOpened { id: grant.id().to_owned(), address });
        }
        let (now, terms) = (context.clock.now(), grant.terms());
        let mut lines = lend::in_words(terms, grant.id(), now, "the session ends");
        if terms.confirm {
            // This terminal is the other host's.
            lines.push(
                "The question comes where `convocations grants watch` runs, in another terminal.".to_owned(),
            );
        }
        lines.iter().for_each(|line| output::note(line));
        Ok(ExitCode::SUCCESS)
    }
}
