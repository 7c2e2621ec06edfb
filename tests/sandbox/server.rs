//! From warp to the handlers and back, with the planted faults in between.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use warp::filters::path::FullPath;
use warp::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use warp::reply::Response;
use warp::{Filter, Reply as _};

use crate::control;
use crate::fault::{Fault, Shape};
use crate::reply::Reply;
use crate::request::Request;
use crate::routes;
use crate::world::World;

/// The running sandbox.
pub struct Sandbox {
    world: Mutex<World>,
    /// Told after every arrival and every release.
    moved: Notify,
}

impl Sandbox {
    /// A sandbox around a fresh world.
    pub fn new(world: World) -> Arc<Self> {
        Arc::new(Self { world: Mutex::new(world), moved: Notify::new() })
    }

    /// The world, locked. A handler that panicked has not spoilt it for others.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits in [`Sandbox::until`].
    pub fn wake(&self) {
        self.moved.notify_waiters();
    }

    /// Waits until a question about the world is answered with yes.
    pub async fn until(&self, question: impl Fn(&World) -> bool) {
        loop {
            let moved = self.moved.notified();
            if question(&self.world()) {
                return;
            }
            moved.await;
        }
    }

    async fn released(&self, name: Option<&String>) {
        if let Some(name) = name {
            self.world().faults.arrive(name);
            self.wake();
            self.until(|world| world.faults.is_released(name)).await;
        }
    }
}

/// Serves for ever.
pub async fn serve(sandbox: Arc<Sandbox>, listener: tokio::net::TcpListener) {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let handle = warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::bytes().map(Vec::<u8>::from))
        .then(move |method: Method, path: FullPath, query, headers: HeaderMap, body: Vec<u8>| {
            let request = Request { method, path: path.as_str().to_owned(), query, headers, body };
            answer(sandbox.clone(), request)
        });
    warp::serve(handle).incoming(listener).run().await;
}

async fn answer(sandbox: Arc<Sandbox>, request: Request) -> Response {
    if request.path.starts_with("/_control/") {
        return on_wire(control::answer(&sandbox, &request).await, &Fault::default());
    }
    // As the servers in front of many providers have it: a POST says how long its body is, also of an empty
    // one.
    let says = |name| request.headers.contains_key(name);
    if request.method == Method::POST && !says("content-length") && !says("transfer-encoding") {
        return on_wire(Reply::text(411, "text/plain", "Length Required"), &Fault::default());
    }
    // A task of its own: what a provider has begun it ends, also when the client has gone.
    let worker = sandbox.clone();
    match tokio::spawn(async move { worker.provide(request).await }).await {
        Ok(Some((reply, fault))) => on_wire(reply, &fault),
        // Unwinding ends this connection's task, and with it the connection, without a word to the client or
        // to stderr: warp has no other way to hang up.
        Ok(None) => resume_unwind(Box::new("the connection is cut on purpose")),
        Err(panic) => on_wire(Reply::text(500, "text/plain", panic.to_string()), &Fault::default()),
    }
}

impl Sandbox {
    /// The answer of the provider, or nothing where the connection is to be cut.
    async fn provide(&self, request: Request) -> Option<(Reply, Fault)> {
        let route = routes::find(&request);
        let (number, fault, delay) = {
            let mut world = self.world();
            let now = world.now();
            let number = world.calls.begin(route.name, &request, now);
            let grant = world.calls.grant(number).map(str::to_owned);
            let fault = world.faults.take(route.name, grant.as_deref());
            if let Some(fault) = fault.as_ref().and_then(|fault| serde_json::to_value(fault).ok()) {
                world.calls.spoil(number, fault);
            }
            (number, fault.unwrap_or_default(), world.switches.delay_ms)
        };
        self.wake();
        tokio::time::sleep(Duration::from_millis(delay + fault.delay_ms)).await;
        self.released(fault.hold.as_ref()).await;
        if fault.hang {
            std::future::pending::<()>().await;
        }
        let reply = {
            let mut world = self.world();
            let reply = match fault.processes() {
                true => (route.handler)(&mut world, &request),
                false => Reply::text(200, "application/json", ""),
            };
            dated(fault.spoil(reply, world.clock), &world)
        };
        self.released(fault.hold_reply.as_ref()).await;
        if fault.drop.is_some() {
            return None;
        }
        self.world().calls.end(number, reply.status);
        Some((reply, fault))
    }
}

/// The server's date is the providers' clock (hyper adds the system's where there is none).
fn dated(reply: Reply, world: &World) -> Reply {
    match world.clock.is_moved() {
        true => reply.with("date", world.clock.http_date(0)),
        false => reply,
    }
}

fn on_wire(reply: Reply, fault: &Fault) -> Response {
    let mut response = match (fault.drip_ms, fault.shape) {
        (0, Some(Shape::CutShort)) => cut_short(reply.body),
        (0, Some(Shape::Huge)) => huge(),
        (0, _) => reply.body.into_response(),
        (drip_ms, _) => dripping(reply.body, Duration::from_millis(drip_ms)),
    };
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

type Chunk = Result<Vec<u8>, Infallible>;

/// A body that comes in pieces as they are sent.
struct Chunks<E>(mpsc::Receiver<Result<Vec<u8>, E>>);

impl<E> warp::Stream for Chunks<E> {
    type Item = Result<Vec<u8>, E>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

fn dripping(body: Vec<u8>, pause: Duration) -> Response {
    let (sender, receiver) = mpsc::channel::<Chunk>(1);
    tokio::spawn(async move {
        for byte in body {
            // An error says that the client has gone.
            if sender.send(Ok(vec![byte])).await.is_err() {
                return;
            }
            tokio::time::sleep(pause).await;
        }
    });
    warp::reply::stream(Chunks(receiver)).into_response()
}

fn huge() -> Response {
    let (sender, receiver) = mpsc::channel::<Chunk>(1);
    tokio::spawn(async move {
        for _ in 0..1600 {
            // An error says that the client has had enough.
            if sender.send(Ok(vec![b' '; 64 << 10])).await.is_err() {
                return;
            }
        }
    });
    warp::reply::stream(Chunks(receiver)).into_response()
}

fn cut_short(mut body: Vec<u8>) -> Response {
    body.truncate(body.len() / 2);
    let (sender, receiver) = mpsc::channel::<Result<Vec<u8>, std::io::Error>>(2);
    // Both fit into the channel, so neither can fail.
    let _ = sender.try_send(Ok(body));
    let _ = sender.try_send(Err(std::io::ErrorKind::ConnectionAborted.into()));
    warp::reply::stream(Chunks(receiver)).into_response()
}
