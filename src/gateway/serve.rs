//! Connections: taken, bounded, and answered one request after the other.
//!
//! Guarantees: a peer that is not this user's program is closed before it is read from; half a request's head
//! lasts [`HEADER_TIME`]; when all places are taken, the oldest connection without a request under way gives
//! way; a panic ends one connection; a client can read an answer that came before it had sent all, and one
//! that leaves ends its request. Answers before the answer (1xx) end here, except 100 and 101: hyper's server
//! cannot send them. Knows neither logins nor keys.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;

use super::body::Body;
use super::linger::Lingering;
use crate::bounded_server::{
    Bounds, Client, ConnectionHandler, Connections, Listener, Stream, TurnedAway, UnderWay, accept_until,
};
use crate::descriptors;

const BOUNDS: Bounds = Bounds { connections: 1024, per_address: None, own_user_only: true };
/// Time for a request's line and headers, and that a connection is kept without a request.
pub const HEADER_TIME: Duration = Duration::from_secs(60);
/// Bytes of a request's line and headers: Anthropic's and OpenAI's SDKs send under 2 KiB.
const HEADER_BYTES: usize = 64 * 1024;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one of whoever has connected.
    fn answer(
        &self,
        request: Request<Incoming>,
        client: Client,
    ) -> impl Future<Output = Response<Body>> + Send;

    /// A peer that is not this user's program, for all that is known, was turned away.
    fn turned_away(&self, why: TurnedAway);
}

/// Serves until told to stop; connections under way are closed then.
pub async fn serve<H: Handler>(listener: Listener, handler: Arc<H>, mut stop: watch::Receiver<bool>) {
    descriptors::raise();
    let mut connections = Connections::default();
    let stopped = async {
        let _ = stop.wait_for(|is_stopped| *is_stopped).await;
    };
    accept_until(&[listener], BOUNDS, &Connected(handler), &mut connections, stopped).await;
}

/// What the requests of each connection are answered by.
struct Connected<H>(Arc<H>);

impl<H: Handler> ConnectionHandler for Connected<H> {
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        client: Client,
        under_way: UnderWay,
    ) -> impl Future<Output = ()> + Send + 'static {
        serve_connection(stream, client, Arc::clone(&self.0), under_way)
    }

    fn turned_away(&self, why: TurnedAway) {
        self.0.turned_away(why);
    }
}

async fn serve_connection<H: Handler>(
    stream: Box<dyn Stream>,
    client: Client,
    handler: Arc<H>,
    under_way: UnderWay,
) {
    let is_upgraded = Arc::new(AtomicBool::new(false));
    let stream = Lingering::new(stream, Arc::clone(&is_upgraded));
    // One request at most is under way, in HTTP/1.1, but for an upgrade that lives on.
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        let is_upgraded = Arc::clone(&is_upgraded);
        let guard = under_way.begin();
        async move {
            let response = handler.answer(request, client).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                is_upgraded.store(true, Ordering::Relaxed);
            }
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
