//! The editor's gateway: its listening socket was bound by Neovim, which holds it as long as it lives; a
//! backend takes it over, and after a crash its successor does.
//!
//! Guarantees: what is taken over is a listener on loopback, and nothing else; it is served until this
//! process ends, by whatever settings hold then. Knows no HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};

use crate::error::{Code, Error, Result};
use crate::gateway::{Forwarder, Gateway, Hosts, Key, Listener};
use crate::login_id::LoginId;
use crate::protocol::{GatewayOpen, GatewayOpened, GatewayReport};
use crate::tasks;

/// The gateway of one editor, closed until it is asked for. Cheap to clone; it outlives a new `hello`.
#[derive(Clone, Default)]
pub struct EditorGateway(Arc<Mutex<Option<Open>>>);

struct Open {
    gateway: Gateway,
    port: u16,
    /// Ends it when dropped.
    _stop: watch::Sender<bool>,
}

impl EditorGateway {
    /// Serves these logins, at the listener that is offered if nothing is served yet.
    ///
    /// # Errors
    /// `invalid_argument`, `port_in_use`.
    pub async fn open(&self, params: GatewayOpen, forwarder: Forwarder) -> Result<GatewayOpened> {
        let logins = params.logins.iter().map(|name| name.parse()).collect::<Result<Vec<LoginId>>>()?;
        let mut open = self.0.lock().await;
        let port = match open.as_ref() {
            Some(open) => open.port,
            None => open.insert(begin(params, forwarder).await?).port,
        };
        if let Some(open) = open.as_ref() {
            logins.into_iter().for_each(|login| open.gateway.allow(login));
        }
        Ok(GatewayOpened { port })
    }

    /// Goes on with other settings.
    pub async fn reconfigure(&self, forwarder: Forwarder) {
        if let Some(open) = self.0.lock().await.as_ref() {
            open.gateway.reconfigure(forwarder);
        }
    }

    /// What it has done, if it is open.
    pub async fn report(&self) -> Option<GatewayReport> {
        let open = self.0.lock().await;
        let open = open.as_ref()?;
        let counts = open.gateway.counts();
        Some(GatewayReport {
            requests: counts.requests,
            open: counts.open,
            refused: counts.refused.values().sum(),
        })
    }
}

async fn begin(params: GatewayOpen, forwarder: Forwarder) -> Result<Open> {
    let key = Key::from_text(params.key)
        .ok_or_else(|| Error::new(Code::InvalidArgument, "The gateway's key is not of the allowed form."))?;
    let listener = listener(params.socket).await?;
    let port = listener.local_addr().map_err(|_| lost())?.port();
    // Clients know the editor's port, also where their bytes are carried to another one.
    let hosts = Hosts::Of(SocketAddr::from((Ipv4Addr::LOCALHOST, params.port)));
    let gateway = Gateway::new(forwarder, key, hosts, []);
    let (stop, stopped) = watch::channel(false);
    let serving = gateway.clone();
    tasks::spawn(async move { serving.serve(Listener::Tcp(listener), stopped).await });
    tracing::info!(port, "gateway: open");
    Ok(Open { gateway, port, _stop: stop })
}

/// The listener that Neovim offers at a socket of its own, or, where it cannot send one, a new one.
///
/// # Errors
/// `port_in_use`.
async fn listener(socket: Option<String>) -> Result<TcpListener> {
    match socket {
        #[cfg(unix)]
        Some(path) => {
            let taken = tokio::task::spawn_blocking(move || unix::take(&path)).await;
            let listener = taken.ok().and_then(Result::ok).ok_or_else(lost)?;
            TcpListener::from_std(listener).map_err(|_| lost())
        }
        _ => TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(|_| lost()),
    }
}

fn lost() -> Error {
    Error::new(Code::PortInUse, "The gateway's listener could not be taken over from Neovim.")
        .with_hint("Restart Neovim; `:checkhealth conv` tries the gateway.")
}

#[cfg(unix)]
mod unix {
    use std::io::{self, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

    /// Longest wait for a Neovim that is busy with something else.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Takes the descriptor that comes with one byte (`SCM_RIGHTS`, unix(7)).
    pub fn take(path: &str) -> io::Result<TcpListener> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        recvmsg(&stream, &mut [IoSliceMut::new(&mut byte)], &mut control, flags())?;
        let sent = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        checked(sent.ok_or(io::ErrorKind::InvalidData)?)
    }

    const fn flags() -> RecvFlags {
        #[cfg(target_os = "linux")]
        return RecvFlags::CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        RecvFlags::empty()
    }

    fn checked(descriptor: OwnedFd) -> io::Result<TcpListener> {
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
        if !rustix::net::sockopt::socket_acceptconn(&descriptor)? {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let listener = TcpListener::from(descriptor);
        if !listener.local_addr()?.ip().is_loopback() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}
