//! Serves a warp filter on a listener with the limits that warp's own server leaves out.
//!
//! Guarantees: a bounded number of connections, header bytes, header time and connection time, whoever connects;
//! one slow peer holds up no other, and many silent ones keep nobody out: when all places are taken, the oldest
//! connection gives way. Dropping the future closes everything at once. Knows nothing of what is served.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use warp::Filter;

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections served at once; one more, and the oldest is closed.
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
    stop: watch::Receiver<bool>,
) where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    serve_all(vec![listener], make_filter, limits, stop).await;
}

/// [`serve`] on several listeners, which share the limits.
pub async fn serve_all<F>(
    listeners: Vec<TcpListener>,
    make_filter: impl Fn(SocketAddr) -> F,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    let mut connections = Connections::default();
    let stop_connections = stop.clone();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = connections.tasks.join_next() => {}
            accepted = accept(&listeners) => match accepted {
                Ok((stream, peer)) => {
                    let connection = converse(stream, make_filter(peer), limits, stop_connections.clone());
                    connections.admit(connection, limits);
                }
                // Out of file descriptors, mostly: connections that end give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listeners);
    while connections.tasks.join_next().await.is_some() {}
}

/// The next connection of any of the listeners.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    let next = |cx: &mut Context<'_>| {
        let mut polled = listeners.iter().map(|listener| listener.poll_accept(cx));
        polled.find(Poll::is_ready).unwrap_or(Poll::Pending)
    };
    poll_fn(next).await
}

/// Connections being served, oldest first.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    order: VecDeque<AbortHandle>,
}

impl Connections {
    fn admit(&mut self, connection: impl Future<Output = ()> + Send + 'static, limits: Limits) {
        self.order.retain(|task| !task.is_finished());
        if self.order.len() >= limits.connections
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        let bounded = async move { drop(tokio::time::timeout(limits.connection_time, connection).await) };
        self.order.push_back(self.tasks.spawn(bounded));
    }
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
        .max_header_size(limits.header_bytes)
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
