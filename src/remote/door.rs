//! Connections to the agent.
//!
//! Guarantees: what is connected to belongs to this user or to root, or nothing is said to it (rule 23): a
//! path or a port that a dead session left is anybody's to take. One try, and why it failed in words.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

#[cfg(unix)]
use super::address::LINK;
use super::address::{Address, VARIABLE};
use crate::error::{Code, Error, Result};
use crate::peer;

/// How often, and how long apart, the system is asked whose a connection is that nobody has taken up yet.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(4);

/// Makes connections. Cheap to clone.
#[derive(Clone)]
pub struct Door(Arc<Address>);

impl Door {
    /// To this address.
    pub const fn new(address: Arc<Address>) -> Self {
        Self(address)
    }
}

impl tower_service::Service<Uri> for Door {
    type Response = TokioIo<Stream>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let address = Arc::clone(&self.0);
        Box::pin(async move {
            let stream = match &*address {
                Address::Socket(path) => by_socket(path).await?,
                Address::Port { at, .. } => Stream(Box::new(by_port(*at).await?)),
            };
            Ok(TokioIo::new(stream))
        })
    }
}

/// A connection of either kind.
pub struct Stream(Box<dyn Both>);

trait Both: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Both for T {}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The path that the variable names, and where that leads nowhere, the link to the newest session's.
#[cfg(unix)]
async fn by_socket(path: &Path) -> Result<Stream> {
    let first = match at_path(path).await {
        Ok(stream) => return Ok(Stream(Box::new(stream))),
        Err(unreachable) => unreachable,
    };
    if first.is_dead()
        && let Some(link) = link().filter(|link| link != path)
        && let Ok(stream) = at_path(&link).await
    {
        return Ok(Stream(Box::new(stream)));
    }
    Err(first.told(path))
}

#[cfg(not(unix))]
async fn by_socket(_: &Path) -> Result<Stream> {
    let message = format!("This system has no sockets of the kind that `{VARIABLE}` names.");
    Err(Error::new(Code::ConfigInvalid, message).with_hint("Use `http://KEY@127.0.0.1:PORT`."))
}

/// The stable link.
#[cfg(unix)]
fn link() -> Option<PathBuf> {
    dirs::home_dir().map(|home| home.join(LINK))
}

/// Why a path leads to no agent.
#[cfg(unix)]
enum Unreachable {
    /// There is nothing.
    Missing,
    /// Nobody listens any more.
    Dead,
    /// It is somebody else's.
    Foreign,
    /// Anything else.
    Other(io::ErrorKind),
}

#[cfg(unix)]
impl Unreachable {
    const fn is_dead(&self) -> bool {
        matches!(self, Self::Missing | Self::Dead)
    }

    fn told(&self, path: &Path) -> Error {
        let path = path.display();
        match self {
            Self::Missing => {
                let message =
                    format!("There is no socket `{path}`: its session has ended, or none was made.");
                Error::new(Code::Network, message).with_hint(format!(
                    "{} A server that makes no sockets says `AllowStreamLocalForwarding no`: `:h conv-remote-ssh`.",
                    again()
                ))
            }
            Self::Dead => Error::new(Code::Network, format!("Nobody serves logins at `{path}` any more."))
                .with_hint(again()),
            Self::Foreign => {
                let message = format!("The socket `{path}` belongs to another user of this machine.");
                Error::new(Code::Network, message).with_hint(
                    "Nothing was sent to it. In a container, run as the user whose socket it is outside.",
                )
            }
            Self::Other(kind) => {
                Error::new(Code::Network, format!("The agent at `{path}` cannot be reached: {kind}."))
                    .with_hint(again())
            }
        }
    }
}

fn again() -> String {
    format!("Connect again with `convocations ssh`, or unset `{VARIABLE}` to use the logins of this machine.")
}

#[cfg(unix)]
async fn at_path(path: &Path) -> std::result::Result<tokio::net::UnixStream, Unreachable> {
    use std::os::unix::fs::MetadataExt as _;
    let unreachable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Unreachable::Missing,
        io::ErrorKind::ConnectionRefused => Unreachable::Dead,
        io::ErrorKind::PermissionDenied => Unreachable::Foreign,
        kind => Unreachable::Other(kind),
    };
    let owner = std::fs::metadata(path).map_err(unreachable)?.uid();
    if !is_trusted(owner) {
        return Err(Unreachable::Foreign);
    }
    let stream = tokio::net::UnixStream::connect(path).await.map_err(unreachable)?;
    // Another one may have come in between.
    match stream.peer_cred() {
        Ok(peer) if is_trusted(peer.uid()) => Ok(stream),
        Ok(_) => Err(Unreachable::Foreign),
        Err(error) => Err(Unreachable::Other(error.kind())),
    }
}

/// Whether a user may be asked: this one, and root, who can read everything anyway. Root itself uses what
/// belongs to anybody: in a container it stands for the person.
#[cfg(unix)]
fn is_trusted(uid: u32) -> bool {
    let own = rustix::process::geteuid().as_raw();
    uid == own || uid == 0 || own == 0
}

async fn by_port(at: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(at).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Error::new(Code::Network, format!("Nobody serves logins at {at} any more.")).with_hint(again())
        }
        kind => Error::new(Code::Network, format!("The agent at {at} cannot be reached: {kind}."))
            .with_hint(again()),
    })?;
    let _ = stream.set_nodelay(true);
    let here = stream.local_addr().map_err(|_| foreign(at))?;
    for _ in 0..LOOKS {
        if peer::is_same_user(at, here).unwrap_or(false) {
            return Ok(stream);
        }
        // A connection that the other side has not taken up yet belongs to nobody.
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Err(foreign(at))
}

fn foreign(at: SocketAddr) -> Error {
    Error::new(Code::Network, format!("What listens at {at} belongs to another user of this machine."))
        .with_hint("Nothing was sent to it; connect again with `convocations ssh`.")
}
