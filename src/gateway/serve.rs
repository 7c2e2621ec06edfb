//! Connections: taken, bounded, and answered one request after the other.
//!
//! Guarantees: a peer that is not this user's program is closed before it is read from; half a request's head
//! lasts [`HEADER_TIME`]; when all places are taken, the oldest connection without a request under way gives
//! way; a panic ends one connection. Knows neither logins nor keys.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::body::Body;
use crate::bounded_server::{Connections, UnderWay};
use crate::peer;

/// Connections served at once.
const CONNECTIONS: usize = 1024;
/// Time for a request's line and headers, and that a connection is kept without a request.
pub const HEADER_TIME: Duration = Duration::from_secs(60);
/// Bytes of a request's line and headers: Anthropic's and OpenAI's SDKs send under 2 KiB.
const HEADER_BYTES: usize = 64 * 1024;
/// Pause after the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// What is listened on.
#[derive(Debug)]
pub enum Listener {
    /// Loopback.
    Tcp(TcpListener),
    /// A socket in a folder of the user's own.
    #[cfg(unix)]
    Unix(UnixListener),
}

/// Who has connected, beside each request among its extensions.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// The process, where the system tells (a unix socket's peer when it connected).
    pub pid: Option<i32>,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
    /// A peer that is not this user's program was turned away.
    fn turned_away(&self);
}

/// Serves until told to stop; connections under way are closed then.
pub async fn serve<H: Handler>(listener: Listener, handler: Arc<H>, mut stop: watch::Receiver<bool>) {
    let mut connections = Connections::default();
    loop {
        tokio::select! {
            _ = stop.wait_for(|is_stopped| *is_stopped) => return,
            () = connections.ended() => {}
            accepted = accept(&listener, &*handler) => match accepted {
                Some(Accepted::Tcp(stream)) => admit(&mut connections, stream, Client { pid: None }, &handler),
                #[cfg(unix)]
                Some(Accepted::Unix(stream)) => {
                    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
                    admit(&mut connections, stream, Client { pid }, &handler);
                }
                None => {}
            },
        }
    }
}

/// A connection of this user's.
enum Accepted {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

async fn accept<H: Handler>(listener: &Listener, handler: &H) -> Option<Accepted> {
    let accepted = match listener {
        Listener::Tcp(listener) => listener.accept().await.map(|(stream, client)| {
            // Chunks of a stream are small and must not wait for each other.
            let _ = stream.set_nodelay(true);
            let own = stream.local_addr().is_ok_and(|here| peer::is_same_user(client, here).unwrap_or(false));
            own.then_some(Accepted::Tcp(stream))
        }),
        #[cfg(unix)]
        Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
            let own = stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw());
            own.then_some(Accepted::Unix(stream))
        }),
    };
    match accepted {
        Ok(Some(stream)) => return Some(stream),
        Ok(None) => handler.turned_away(),
        Err(_) => tokio::time::sleep(PAUSE).await,
    }
    None
}

fn admit<H: Handler>(
    connections: &mut Connections,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    handler: &Arc<H>,
) {
    // All are at work: the newcomer is closed, and its client tries again.
    if !connections.make_room(None, CONNECTIONS, None) {
        return;
    }
    // One at most, in HTTP/1.1, but for an upgrade that lives on.
    let under_way = UnderWay::default();
    let connection = serve_connection(stream, client, Arc::clone(handler), under_way.clone());
    connections.admit(None, under_way, connection);
}

async fn serve_connection<H: Handler>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    client: Client,
    handler: Arc<H>,
    under_way: UnderWay,
) {
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(client);
        let handler = Arc::clone(&handler);
        let guard = under_way.begin();
        async move {
            let response = handler.answer(request).await;
            Ok::<_, Infallible>(response.map(|body| body.holding(guard)))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BYTES)
        .max_header_size(HEADER_BYTES)
        .pipeline_flush(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // How it ended is not told: hyper's error may hold what was read last.
    let _ = connection.await;
}
