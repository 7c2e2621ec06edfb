//! Serves a warp filter on a listener with the limits that warp's own server leaves out.
//!
//! Guarantees: a bounded number of connections, header bytes, header time and connection time, whoever connects;
//! one slow peer holds up no other. Knows nothing of what is served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use warp::Filter;

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; more are closed at once.
    pub connections: usize,
    /// Bytes of a request's line and headers; past it the answer is 431. At least 8,192, hyper's smallest buffer.
    pub header_bytes: usize,
    /// Time for a request's line and headers to arrive.
    pub header_time: Duration,
    /// Longest life of a connection.
    pub connection_time: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
}

/// Ends a [`serve`] when dropped or told to.
#[derive(Debug, Clone)]
pub struct Stop(Arc<watch::Sender<bool>>);

impl Stop {
    /// A stop and what [`serve`] listens to.
    pub fn new() -> (Self, watch::Receiver<bool>) {
        let (sender, receiver) = watch::channel(false);
        (Self(Arc::new(sender)), receiver)
    }

    /// No new connections; requests under way are answered.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Serves until stopped, then until the connections under way have ended or their time is up.
pub async fn serve<F>(
    listener: TcpListener,
    make_filter: impl Fn(SocketAddr) -> F,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let accepted = tokio::select! {
            () = stopped(&mut stop) => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, mostly: connections that end give some back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let connection = converse(stream, make_filter(peer), limits, stop.clone());
        tokio::spawn(async move {
            let _ = tokio::time::timeout(limits.connection_time, connection).await;
            drop(place);
        });
    }
    drop(listener);
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(limits.connection_time, places.acquire_many(all)).await;
}

async fn converse<F>(stream: TcpStream, filter: F, limits: Limits, mut stop: watch::Receiver<bool>)
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(warp::service(filter));
    let connection = warp::hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .keep_alive(limits.keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Returns when the stop was given, or nobody is left to give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}
