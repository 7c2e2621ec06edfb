//! A request's body that can be sent a second time.
//!
//! Guarantees: it is passed on as it arrives, piece by piece, and only as fast as the other side takes it;
//! its first 16 MiB are kept (shared, not copied), so that a request that was refused for its token can be
//! sent once more, also when only a part of it had been sent. A longer one is passed on and cannot.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// Bytes of a request that are kept for a second try.
pub const KEPT: usize = 16 << 20;

/// A request's body as it arrives, and what has arrived of it. Clones are of one body.
pub struct Replay<B = Incoming>(Arc<Mutex<Source<B>>>);

struct Source<B> {
    incoming: B,
    kept: Vec<Piece>,
    bytes: usize,
    /// Whether all that has arrived is in `kept`.
    is_whole: bool,
    ended: bool,
    /// Whether the client sent what is no body, or less than it said.
    is_broken: bool,
    size: SizeHint,
    /// The sending that may read: a connection that was given up may still ask for a while.
    current: u32,
}

#[derive(Clone)]
enum Piece {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

/// One sending of it.
pub struct Attempt<B = Incoming> {
    source: Arc<Mutex<Source<B>>>,
    /// Pieces that this sending has passed on.
    at: usize,
    number: u32,
}

impl<B> Clone for Replay<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Body<Data = Bytes>> Replay<B> {
    /// A body that nothing has been read of.
    pub fn new(incoming: B) -> Self {
        let (size, ended) = (incoming.size_hint(), incoming.is_end_stream());
        let source = Source {
            incoming,
            kept: Vec::new(),
            bytes: 0,
            is_whole: true,
            ended,
            is_broken: false,
            size,
            current: 0,
        };
        Self(Arc::new(Mutex::new(source)))
    }

    /// Whether it ended in an error of the client's, for which no API is to blame.
    pub fn is_broken(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_broken
    }

    /// A sending from the beginning, in place of the one before. `None` if the beginning is no longer there.
    pub fn attempt(&self) -> Option<Attempt<B>> {
        let mut source = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        source.current += 1;
        source.is_whole.then(|| Attempt { source: Arc::clone(&self.0), at: 0, number: source.current })
    }
}

impl<B: Body<Data = Bytes>> Source<B> {
    fn keep(&mut self, piece: Piece) {
        if let Piece::Data(data) = &piece {
            self.bytes += data.len();
        }
        if self.bytes > KEPT {
            self.is_whole = false;
            self.kept = Vec::new();
        }
        if self.is_whole {
            self.kept.push(piece);
        }
    }
}

impl Piece {
    fn into_frame(self) -> Frame<Bytes> {
        match self {
            Self::Data(data) => Frame::data(data),
            Self::Trailers(trailers) => Frame::trailers(trailers),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Attempt<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let mut source = this.source.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(piece) = source.kept.get(this.at) {
            this.at += 1;
            return Poll::Ready(Some(Ok(piece.clone().into_frame())));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        // Reading here would take the wake-up away from the sending that counts.
        if this.number != source.current {
            return Poll::Pending;
        }
        match std::task::ready!(Pin::new(&mut source.incoming).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let piece = match frame.into_data() {
                    Ok(data) => Piece::Data(data),
                    Err(frame) => match frame.into_trailers() {
                        Ok(trailers) => Piece::Trailers(trailers),
                        Err(_) => return Poll::Ready(None),
                    },
                };
                source.keep(piece.clone());
                this.at = source.kept.len();
                Poll::Ready(Some(Ok(piece.into_frame())))
            }
            Some(Err(error)) => {
                source.is_whole = false;
                source.is_broken = true;
                Poll::Ready(Some(Err(error)))
            }
            None => {
                source.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.ended && self.at >= source.kept.len()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).size
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use futures_util::future::poll_fn;

    use super::*;

    /// Gives its pieces one by one.
    struct Pieces(VecDeque<Bytes>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    fn body(pieces: &[&'static [u8]]) -> Replay<Pieces> {
        Replay::new(Pieces(pieces.iter().map(|piece| Bytes::from_static(piece)).collect()))
    }

    fn next(attempt: &mut Attempt<Pieces>) -> Option<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let frame = runtime.block_on(poll_fn(|cx| Pin::new(&mut *attempt).poll_frame(cx)));
        frame.map(|frame| frame.unwrap().into_data().unwrap())
    }

    fn rest(attempt: &mut Attempt<Pieces>) -> Vec<u8> {
        std::iter::from_fn(|| next(attempt)).flatten().collect()
    }

    #[test]
    fn a_second_sending_is_the_same_as_the_first() {
        let replay = body(&[b"one ", b"two ", b"three"]);
        assert_eq!(rest(&mut replay.attempt().unwrap()), b"one two three");
        let mut second = replay.attempt().unwrap();
        assert!(!second.is_end_stream());
        assert_eq!(rest(&mut second), b"one two three");
        assert!(second.is_end_stream());
    }

    #[test]
    fn what_was_sent_in_part_goes_on_where_the_client_is() {
        let replay = body(&[b"one ", b"two ", b"three"]);
        let mut first = replay.attempt().unwrap();
        assert_eq!(next(&mut first).unwrap(), "one ");
        drop(first);
        assert_eq!(rest(&mut replay.attempt().unwrap()), b"one two three");
    }

    #[test]
    fn a_body_over_the_limit_is_passed_on_and_not_kept() {
        let piece: &'static [u8] = &[7; 1 << 20];
        let replay = body(&[piece; 17]);
        let mut first = replay.attempt().unwrap();
        assert_eq!(rest(&mut first).len(), 17 << 20);
        assert!(replay.attempt().is_none());
        assert_eq!(replay.0.lock().unwrap().kept.len(), 0);
    }

    #[test]
    fn an_empty_body_has_ended_before_it_begins() {
        assert!(body(&[]).attempt().unwrap().is_end_stream());
    }
}
