//! The body of an answer on its way to the client.
//!
//! Guarantees: passed on piece by piece, as fast as the client takes it; what is cut off upstream, or by a
//! revoked grant, is cut off for the client too and never looks complete, and what had come before is passed
//! on. An answer counts as open until its body is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Version;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::sync::watch;

/// Why a body ends early.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// An answer's body.
pub struct Body {
    inner: Inner,
    held: Vec<Box<dyn Send + Sync>>,
    cut: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
    /// Why it ends early, to be said next.
    error: Option<BoxError>,
}

/// What cuts a request's answer off when it becomes true, whatever is under way: a grant that is revoked or
/// has ended. As long as the answer, a WebSocket too, is under way, it holds a place in the grant's count.
#[derive(Clone)]
pub struct Cut {
    signal: watch::Receiver<bool>,
    _open: Arc<Open>,
}

impl Cut {
    /// By this signal, counted by `open`.
    pub fn new(signal: watch::Receiver<bool>, open: Open) -> Self {
        Self { signal, _open: Arc::new(open) }
    }

    /// Waits for it. Where nobody is left to give the signal, whoever could have revoked has ended.
    pub async fn given(mut self) {
        let _ = self.signal.wait_for(|is_cut| *is_cut).await;
    }
}

enum Inner {
    Passed {
        body: Incoming,
        /// Whether its end is to be looked at: see [`was_reset`].
        is_http2: bool,
    },
    Own(Full<Bytes>),
}

/// One of a count, as long as it lives.
pub struct Open(Arc<AtomicU64>);

impl Open {
    /// One more.
    pub fn new(counter: &Arc<AtomicU64>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self { inner: Inner::Own(bytes.into()), held: Vec::new(), cut: None, error: None }
    }
}

impl Body {
    /// The body of an answer that came by this version.
    pub fn passed(body: Incoming, version: Version) -> Self {
        let inner = Inner::Passed { body, is_http2: version == Version::HTTP_2 };
        Self { inner, held: Vec::new(), cut: None, error: None }
    }

    /// Holds something until it is gone, such as a place in a count.
    #[must_use]
    pub fn holding(mut self, held: impl Send + Sync + 'static) -> Self {
        self.held.push(Box::new(held));
        self
    }

    /// Is cut off when the signal is given.
    #[must_use]
    pub fn cut_by(mut self, cut: Cut) -> Self {
        self.cut = Some(Box::pin(cut.given()));
        self
    }
}

impl Body {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(cut) = &mut self.cut
            && cut.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err("revoked".into())));
        }
        match &mut self.inner {
            Inner::Passed { body, is_http2 } => match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None if *is_http2 && was_reset(body) => Poll::Ready(Some(Err("reset".into()))),
                frame => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
            },
            Inner::Own(body) => {
                let polled = Pin::new(body).poll_frame(cx);
                polled.map(|frame| frame.map(|frame| frame.map_err(|never| match never {})))
            }
        }
    }
}

/// Whether a body of HTTP/2 stopped before its end. hyper takes a reset without an error for the end. It is
/// that only behind END_STREAM: after a whole answer to a request that is not wanted in full (RFC 9113, 8.1).
fn was_reset(stopped: &Incoming) -> bool {
    !stopped.is_end_stream()
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        match ready!(self.poll_next(cx)) {
            // hyper closes at once, with whatever it has not written yet. Asked to wait, it writes first.
            Some(Err(error)) => {
                self.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            frame => Poll::Ready(frame),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Passed { body, .. } => body.is_end_stream(),
            Inner::Own(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Passed { body, .. } => body.size_hint(),
            Inner::Own(body) => body.size_hint(),
        }
    }
}
