//! Takes connections within bounds, and serves HTTP on them with the limits that warp's own server leaves
//! out.
//!
//! Guarantees: a bounded number of connections, header bytes, header time and connection time, whoever
//! connects; one slow peer holds up no other, and many silent ones keep nobody out: when all places are
//! taken, the oldest connection without a request under way gives way, and never one with a request. At the
//! end of its time a connection takes no further request; the one under way is answered. Dropping the future
//! closes everything at once. Knows nothing of what is served.

mod accept;
mod connections;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use warp::Filter;
use warp::http::{Request, Response};
use warp::hyper::body::{Body, Frame, Incoming, SizeHint};
use warp::hyper::service::Service;

pub use accept::{Bounds, Client, ConnectionHandler, Listener, Stream, TurnedAway, accept_until};
pub use connections::{Connections, RequestGuard, UnderWay};

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many connections, and whose.
    pub bounds: Bounds,
    /// Bytes of a request's line and headers; past it the answer is 431. At least 8,192, hyper's smallest
    /// buffer.
    pub header_bytes: usize,
    /// Time for a request's line and headers to arrive.
    pub header_time: Duration,
    /// After this a connection takes no further request.
    pub connection_time: Duration,
    /// And after this much more it is closed, whatever is under way: longer than any answer takes.
    pub grace: Duration,
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

/// A warp filter as [`serve`] takes it.
pub fn service<F>(
    filter: F,
) -> impl Service<
    Request<Incoming>,
    Response = Response<
        impl Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static,
    >,
    Error = Infallible,
    Future: Send,
> + Send
where
    F: Filter<Error = Infallible> + Clone + Send + Sync + 'static,
    F::Extract: warp::Reply,
{
    TowerToHyperService::new(warp::service(filter))
}

/// Serves until stopped, then until the connections under way have ended or their time is up.
pub async fn serve<S, B>(
    listeners: Vec<TcpListener>,
    make_service: impl Fn(Client) -> S,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let listeners: Vec<Listener> = listeners.into_iter().map(Listener::Tcp).collect();
    let mut connections = Connections::default();
    let handler = HttpHandler { make_service, limits, stop: stop.clone() };
    accept_until(&listeners, limits.bounds, &handler, &mut connections, stopped(&mut stop)).await;
    drop(listeners);
    connections.all_ended().await;
}

/// Serves HTTP on each connection, by a service of its own.
struct HttpHandler<M> {
    make_service: M,
    limits: Limits,
    stop: watch::Receiver<bool>,
}

impl<M, S, B> ConnectionHandler for HttpHandler<M>
where
    M: Fn(Client) -> S,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        client: Client,
        under_way: UnderWay,
    ) -> impl Future<Output = ()> + Send + 'static {
        let service = Counted { inner: (self.make_service)(client), under_way };
        serve_connection(stream, service, self.limits, self.stop.clone())
    }
}

async fn serve_connection<S, B>(
    stream: Box<dyn Stream>,
    service: S,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let connection = warp::hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time)
        .max_buf_size(limits.header_bytes)
        .max_header_size(limits.header_bytes)
        .keep_alive(limits.keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopped(&mut stop) => {}
        () = tokio::time::sleep(limits.connection_time) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(limits.grace, connection).await;
}

/// Returns when the stop was given, or nobody is left to give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stopped| *stopped).await;
}

/// A service whose requests are counted.
struct Counted<S> {
    inner: S,
    under_way: UnderWay,
}

impl<S, B> Service<Request<Incoming>> for Counted<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<CountedBody<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let guard = self.under_way.begin();
        let answer = self.inner.call(request);
        Box::pin(async move {
            answer.await.map(|response| response.map(|inner| CountedBody { inner, _guard: guard }))
        })
    }
}

/// A body that keeps its request under way until it was sent.
struct CountedBody<B> {
    inner: B,
    _guard: RequestGuard,
}

impl<B: Body + Unpin> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::tasks;

    /// A server whose answers take `answer`; returns what a request on a connection with these times reads to
    /// its end.
    async fn read_to_end(connection_time: Duration, grace: Duration, answer: Duration) -> String {
        let limits = Limits {
            bounds: Bounds { connections: 4, per_address: None, own_user_only: false },
            header_bytes: 8192,
            header_time: Duration::from_secs(5),
            connection_time,
            grace,
            keep_alive: true,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let filter = warp::any().then(move || async move {
            tokio::time::sleep(answer).await;
            "the answer"
        });
        let (_stop, stopped) = Stop::new();
        tasks::spawn(serve(vec![listener], move |_| self::service(filter), limits, stopped));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn a_request_under_way_at_the_end_of_its_connection_is_answered() {
        let (short, long) = (Duration::from_millis(50), Duration::from_secs(30));
        let text = read_to_end(short, long, Duration::from_millis(300)).await;
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("the answer"), "{text}");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_cut_at_last() {
        let short = Duration::from_millis(50);
        assert_eq!(read_to_end(short, short, Duration::from_secs(600)).await, "");
    }
}
