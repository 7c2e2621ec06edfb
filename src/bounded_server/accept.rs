//! The loop that takes connections, of every listener of this program.
//!
//! Guarantees: where only this user's programs may connect, whoever else does is turned away before anything
//! is read of it; no more connections than the bounds allow, and a newcomer finds a place as long as one of
//! those that have it is without a request. Knows nothing of what a connection carries.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::connections::{Connections, UnderWay};
use crate::peer;

/// Pause after the system had no descriptor for a connection; those that end give some back.
const PAUSE: Duration = Duration::from_millis(50);

/// What is listened on.
#[derive(Debug)]
pub enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A socket in a folder of the user's own.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// Who has connected.
#[derive(Debug, Clone, Copy)]
pub enum Client {
    /// Whoever is at this address.
    Tcp(SocketAddr),
    /// A program of this machine.
    Unix {
        /// Its process when it connected, where the system tells.
        pid: Option<i32>,
    },
}

/// How many connections a listener bears, and whose.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections served at once; one more, and the oldest without a request is closed.
    pub connections: usize,
    /// Connections of one address, where an address is one peer and not a proxy in front of many.
    pub per_address: Option<usize>,
    /// Whether programs of other users are closed before they are read from. On loopback not every system
    /// tells: see [`peer::is_same_user`].
    pub own_user_only: bool,
}

/// The bytes of a connection, both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whether the client has ended what it sends, be it all read or not.
    fn has_ended(&self) -> bool;
}

impl Stream for TcpStream {
    /// On Linux also where the end cannot arrive, behind more bytes than the system takes unread.
    fn has_ended(&self) -> bool {
        is_read_closed(self.ready(Interest::READABLE)) || {
            let (client, here) = (self.peer_addr(), self.local_addr());
            client.and_then(|client| peer::has_ended(client, here?)).unwrap_or(false)
        }
    }
}

#[cfg(unix)]
impl Stream for UnixStream {
    fn has_ended(&self) -> bool {
        is_read_closed(self.ready(Interest::READABLE))
    }
}

/// Whether the system has told of the end, as far as it is known without waiting.
fn is_read_closed(readiness: impl Future<Output = io::Result<Ready>>) -> bool {
    let polled = pin!(readiness).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// Serves connections.
pub trait ConnectionHandler {
    /// Serves one to its end. As long as something is under way it does not give way to a newcomer.
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        client: Client,
        under_way: UnderWay,
    ) -> impl Future<Output = ()> + Send + 'static;

    /// Another user's program was turned away.
    fn turned_away(&self) {}
}

/// Takes connections until `stop`, and leaves those that are open then in `connections`.
pub async fn accept_until(
    listeners: &[Listener],
    bounds: Bounds,
    handler: &impl ConnectionHandler,
    connections: &mut Connections,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = stop.as_mut() => return,
            () = connections.ended() => {}
            accepted = poll_fn(|cx| poll_accept(listeners, bounds.own_user_only, cx)) => match accepted {
                Ok(None) => handler.turned_away(),
                Ok(Some((stream, client))) => {
                    let address = client.ip();
                    // Where all are being answered, the newcomer is told so by a closed connection.
                    if connections.make_room(address, bounds.connections, bounds.per_address) {
                        let under_way = UnderWay::default();
                        let connection = handler.serve(stream, client, under_way.clone());
                        connections.admit(address, under_way, connection);
                    }
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// A connection that may stay.
type Accepted = (Box<dyn Stream>, Client);

/// The next connection of any of the listeners; `None` if it may not stay.
fn poll_accept(
    listeners: &[Listener],
    own_user_only: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Option<Accepted>>> {
    let mut polled = listeners.iter().map(|listener| listener.poll_accept(own_user_only, cx));
    polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
}

impl Listener {
    fn poll_accept(&self, own_user_only: bool, cx: &mut Context<'_>) -> Poll<io::Result<Option<Accepted>>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(|(stream, client)| {
                let is_own = |here| peer::is_same_user(client, here).unwrap_or(false);
                let may_stay = !own_user_only || stream.local_addr().is_ok_and(is_own);
                // Pieces of a stream are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                may_stay.then(|| (Box::new(stream) as Box<dyn Stream>, Client::Tcp(client)))
            }),
            #[cfg(unix)]
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| {
                let peer = stream.peer_cred().ok();
                let is_own = peer.is_some_and(|peer| peer.uid() == rustix::process::geteuid().as_raw());
                let client = Client::Unix { pid: peer.and_then(|peer| peer.pid()) };
                (is_own || !own_user_only).then(|| (Box::new(stream) as Box<dyn Stream>, client))
            }),
        }
    }
}

impl Client {
    /// Its address.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Tcp(address) => Some(address.ip()),
            Self::Unix { .. } => None,
        }
    }

    /// Its process.
    pub const fn pid(self) -> Option<i32> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix { pid } => pid,
        }
    }
}
