//! A client's connection that ends in such a way that the last answer is read.
//!
//! Guarantees: after an answer that came before the whole request was there, what the client still sends is
//! thrown away for at most [`LINGER`]. A connection closed at once is reset by the system, and many a client
//! that fails to write never looks whether there is an answer. One that has left is noticed while its bytes
//! wait too. Knows no HTTP.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::left::Watch;
use crate::bounded_server::Stream;

/// Time in which the client can send the rest, notice the answer and close.
const LINGER: Duration = Duration::from_secs(10);

/// A connection that waits for its client when it is shut down, unless it carries another protocol by then.
pub struct Lingering {
    stream: Box<dyn Stream>,
    is_upgraded: Arc<AtomicBool>,
    watch: Watch,
    until: Option<Pin<Box<Sleep>>>,
}

impl Lingering {
    /// Around a connection; the flag says whether it was handed to another protocol, whose bytes are not to
    /// be thrown away.
    pub fn new(stream: Box<dyn Stream>, is_upgraded: Arc<AtomicBool>) -> Self {
        Self { stream, is_upgraded, watch: Watch::default(), until: None }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch.note_read(&polled);
        polled
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes whenever it has been woken: here it learns that it writes for nobody.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // At its end a client may well have ended: what it sent is thrown away so that it reads the answer.
        let is_answered = this.until.is_some() || this.is_upgraded.load(Ordering::Relaxed);
        if !is_answered && this.watch.has_left(&*this.stream, cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.until.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if this.is_upgraded.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let until = this.until.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut space = [0; 8192];
        while until.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}
