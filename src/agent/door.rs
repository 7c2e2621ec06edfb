//! Where a grant is served: a unix socket that only this user reaches, or loopback with a key.
//!
//! Guarantees: a socket is 0600 in a folder that nobody else can look into; one that a dead process left is
//! replaced, a live one never; its file goes with the door. Beyond loopback nothing is listened on.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;

use crate::error::{Code, Error, Result};
use crate::gateway::{Hosts, Key, Listener};
#[cfg(unix)]
use crate::gateway::{Socket, bind_socket};
#[cfg(unix)]
use crate::private_file;

/// What keeps a socket's file.
#[cfg(unix)]
type Kept = Option<Socket>;
/// There are none.
#[cfg(not(unix))]
type Kept = ();

/// What is listened on.
pub struct Door {
    listener: Listener,
    key: Option<Key>,
    hosts: Hosts,
    shown: String,
    kept: Kept,
}

impl Door {
    /// A unix socket. Its folder is made if it is not there. Needs a tokio runtime, and to be the only thread
    /// that makes files just then.
    ///
    /// # Errors
    /// `invalid_argument` for a path that is too long, where no socket can be, or whose folder others may
    /// look into; `busy` if somebody listens there.
    #[cfg(unix)]
    pub fn unix(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|_| no_path())?;
        private_file::check_closed(path.parent().ok_or_else(no_path)?)?;
        let (listener, socket) = bind_socket(&path)?;
        Ok(Self {
            listener: Listener::Unix(listener),
            key: None,
            hosts: Hosts::Any,
            shown: format!("unix:{}", path.display()),
            kept: Some(socket),
        })
    }

    /// Loopback, with a new key. The port may be forwarded to another machine's loopback under another
    /// number.
    ///
    /// # Errors
    /// `invalid_argument` for an address that others reach, `port_in_use`.
    pub async fn loopback(address: SocketAddr) -> Result<Self> {
        if !address.ip().is_loopback() {
            return Err(Error::new(Code::InvalidArgument, "An agent listens on this machine only.")
                .with_hint("Use `127.0.0.1:PORT`, `[::1]:PORT` or `--socket`."));
        }
        let bound = TcpListener::bind(address).await;
        let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, address) = bound.map_err(|_| {
            Error::new(Code::PortInUse, format!("{address} cannot be listened on."))
                .with_hint("Use another port, or 0 for a free one.")
        })?;
        Ok(Self {
            listener: Listener::Tcp(listener),
            key: Some(Key::random()),
            hosts: Hosts::Loopback,
            shown: format!("http://{address}"),
            kept: Kept::default(),
        })
    }

    /// The address as in `CONVOCATIONS_AGENT`; on TCP it holds the grant's key.
    pub fn address(&self) -> String {
        match (&self.key, self.shown.strip_prefix("http://")) {
            (Some(key), Some(place)) => format!("http://{}@{place}", key.expose()),
            _ => self.shown.clone(),
        }
    }

    /// The address without a key.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The folder of a socket.
    pub fn folder(&self) -> Option<&Path> {
        Path::new(self.shown.strip_prefix("unix:")?).parent()
    }

    /// Whether it is a socket's.
    pub fn is_socket(&self) -> bool {
        self.key.is_none()
    }

    pub(super) fn into_parts(self) -> (Listener, Option<Key>, Hosts, Kept) {
        (self.listener, self.key, self.hosts, self.kept)
    }
}

#[cfg(unix)]
fn no_path() -> Error {
    Error::new(Code::InvalidArgument, "This is not a path for a socket.")
        .with_hint("Give the path of a new socket in a folder of your own.")
}
