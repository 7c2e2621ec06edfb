//! The loop that takes connections, of every listener of this program.
//!
//! Guarantees: where only this user's programs may connect, whoever else does is turned away before anything
//! is read of it; no more connections than the bounds allow and this process has descriptors for, and a
//! newcomer finds a place as long as one of those that have it is without a request. Knows nothing of what a
//! connection carries.

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
use crate::descriptors;
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

    /// Somebody was turned away.
    fn turned_away(&self, _: TurnedAway) {}
}

/// Why a connection was closed before anything was read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    /// It is another user's program.
    OtherUser,
    /// The system did not say whose program it is.
    UnknownUser,
}

impl TurnedAway {
    /// In a word, for the log and for counts.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::OtherUser => "user",
            Self::UnknownUser => "user-unknown",
        }
    }
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
    let most = bounds.connections.min(descriptors::connections());
    loop {
        tokio::select! {
            () = stop.as_mut() => return,
            () = connections.ended() => {}
            arrived = poll_fn(|cx| poll_accept(listeners, cx)) => match arrived {
                Ok(arrived) => match arrived.check(bounds.own_user_only, connections).await {
                    Ok(()) => {
                        let client = arrived.client();
                        // Where all are being answered, the newcomer is told so by a closed connection.
                        if connections.make_room(client.ip(), most, bounds.per_address) {
                            let under_way = UnderWay::default();
                            let connection = handler.serve(arrived.stream(), client, under_way.clone());
                            connections.admit(client.ip(), under_way, connection);
                        }
                    }
                    Err(why) => handler.turned_away(why),
                },
                // Nobody is kept out by silence.
                Err(error) if descriptors::are_out(&error) && connections.give_way().await => {}
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// A connection that nothing has been read of.
enum Arrived {
    Tcp(TcpStream, SocketAddr),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// The next connection of any of the listeners.
fn poll_accept(listeners: &[Listener], cx: &mut Context<'_>) -> Poll<io::Result<Arrived>> {
    let mut polled = listeners.iter().map(|listener| listener.poll_accept(cx));
    polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
}

impl Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Arrived>> {
        match self {
            Self::Tcp(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, client)| Arrived::Tcp(stream, client))
            }
            #[cfg(unix)]
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(|(stream, _)| Arrived::Unix(stream)),
        }
    }
}

impl Arrived {
    /// Whether it may stay. Asking the system may take a descriptor, for which a silent connection gives way.
    async fn check(&self, own_user_only: bool, connections: &mut Connections) -> Result<(), TurnedAway> {
        if !own_user_only {
            return Ok(());
        }
        let mut is_own = self.is_own_users();
        while let Err(error) = &is_own
            && descriptors::are_out(error)
            && connections.give_way().await
        {
            is_own = self.is_own_users();
        }
        match is_own {
            Ok(true) => Ok(()),
            Ok(false) => Err(TurnedAway::OtherUser),
            Err(_) => Err(TurnedAway::UnknownUser),
        }
    }

    fn is_own_users(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(stream, client) => peer::is_same_user(*client, stream.local_addr()?),
            #[cfg(unix)]
            Self::Unix(stream) => Ok(stream.peer_cred()?.uid() == rustix::process::geteuid().as_raw()),
        }
    }

    fn client(&self) -> Client {
        match self {
            Self::Tcp(_, client) => Client::Tcp(*client),
            #[cfg(unix)]
            Self::Unix(stream) => Client::Unix { pid: stream.peer_cred().ok().and_then(|peer| peer.pid()) },
        }
    }

    fn stream(self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(stream, _) => {
                // Pieces of a stream are small and must not wait for each other.
                let _ = stream.set_nodelay(true);
                Box::new(stream)
            }
            #[cfg(unix)]
            Self::Unix(stream) => Box::new(stream),
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
