//! The chunks of an API's streams, at the pace of models: each stream some forty a second, each by itself.
//!
//! A stream's next chunk comes 12 to 37 ms after the one before, at random, so that streams are in step with
//! nobody: a timer's ticks would send them in bursts, in which each waits for those before it whatever is
//! between. One thread writes them all, straight into the sockets: with a task for each, and its timer, the
//! API would take more of the machine than what is measured.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::oneshot;

/// Chunks of a stream: a second's.
pub const CHUNKS: usize = 40;
const PAUSE: Duration = Duration::from_millis(25);

/// When time began.
pub fn epoch() -> Instant {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    *BEGUN.get_or_init(Instant::now)
}

/// When an event's line was sent, after [`epoch`].
pub fn sent_at(line: &str) -> Option<Duration> {
    let sent = line.strip_prefix("data: ")?;
    Some(Duration::from_nanos(sent.trim().parse().unwrap()))
}

/// The thread that writes. Cheap to clone.
#[derive(Clone)]
pub struct Pace(Sender<Word>);

enum Word {
    Stream(Stream),
    /// Once so many are open.
    Begin(usize),
}

struct Stream {
    socket: OwnedWriteHalf,
    left: usize,
    done: oneshot::Sender<OwnedWriteHalf>,
}

impl Pace {
    /// Starts the thread.
    pub fn start() -> Self {
        epoch();
        let (sender, words) = channel();
        std::thread::spawn(move || write_all(&words));
        Self(sender)
    }

    /// Writes a stream, once it has begun; gives the socket back at its end.
    pub async fn write(&self, socket: OwnedWriteHalf) -> OwnedWriteHalf {
        let (done, ended) = oneshot::channel();
        assert!(self.0.send(Word::Stream(Stream { socket, left: CHUNKS, done })).is_ok());
        ended.await.unwrap()
    }

    /// So many streams begin, once all are here.
    pub fn begin(&self, streams: usize) {
        let _ = self.0.send(Word::Begin(streams));
    }
}

fn write_all(words: &Receiver<Word>) {
    let mut streams: Vec<Option<Stream>> = Vec::new();
    let mut wanted = None;
    let mut due = BinaryHeap::new();
    loop {
        if wanted.take_if(|wanted| *wanted == streams.len()).is_some() {
            due = (0..streams.len()).map(|number| Reverse((next(), number))).collect();
        }
        let word = match due.peek() {
            None => words.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Reverse((at, _))) => words.recv_timeout(Instant::duration_since(at, Instant::now())),
        };
        match word {
            Ok(Word::Stream(stream)) => streams.push(Some(stream)),
            Ok(Word::Begin(streams)) => wanted = Some(streams),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let Some(Reverse((_, number))) = due.pop() else { continue };
                streams[number].as_mut().unwrap().write();
                match streams[number].take_if(|stream| stream.left == 0) {
                    None => due.push(Reverse((next(), number))),
                    Some(Stream { socket, done, .. }) => drop(done.send(socket)),
                }
                if due.is_empty() {
                    streams.clear();
                }
            }
        }
    }
}

fn next() -> Instant {
    Instant::now() + PAUSE.mul_f64(rand::random_range(0.5..1.5))
}

impl Stream {
    /// Writes a chunk that says when. It always fits into the socket's buffer.
    fn write(&mut self) {
        let event = format!("data: {:020}\n\n", epoch().elapsed().as_nanos());
        let mut chunk = format!("{:x}\r\n{event}\r\n", event.len());
        self.left -= 1;
        if self.left == 0 {
            chunk.push_str("0\r\n\r\n");
        }
        assert_eq!(self.socket.try_write(chunk.as_bytes()).unwrap(), chunk.len());
    }
}
