//! Whether a client has left that nobody reads from.
//!
//! Guarantees: while a connection is not read from, because the API takes no more of an upload or a further
//! request waits in its pipe, its client is looked for every [`LOOKS`], so that the request at the API ends
//! within a second of it, or once the API has taken what was on its way to it. Where the connection is read
//! from, its end is seen there, and nothing is done here.
//!
//! TCP does not tell a client that has closed from one that has only ended what it sends, until something is
//! written to it. Both count as left, here as behind an empty pipe (and in nginx, but for
//! `proxy_ignore_client_abort`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::bounded_server::Stream;

/// Time between two looks.
const LOOKS: Duration = Duration::from_millis(250);

/// What is known of one client.
#[derive(Default)]
pub struct Watch {
    /// Whether somebody has begun to wait for its next bytes, and so for its end, since the last question.
    is_read_from: bool,
    next: Option<Pin<Box<Sleep>>>,
}

impl Watch {
    /// Somebody has tried to read, and got this.
    pub fn note_read<T>(&mut self, polled: &Poll<T>) {
        self.is_read_from = polled.is_pending();
    }

    /// Whether the client has left. Until then the task is woken for the next look.
    pub fn has_left(&mut self, stream: &dyn Stream, cx: &mut Context<'_>) -> bool {
        if std::mem::take(&mut self.is_read_from) {
            return false;
        }
        let next = self.next.get_or_insert_with(|| Box::pin(tokio::time::sleep(LOOKS)));
        while next.as_mut().poll(cx).is_ready() {
            if stream.has_ended() {
                return true;
            }
            next.as_mut().reset(Instant::now() + LOOKS);
        }
        false
    }
}
