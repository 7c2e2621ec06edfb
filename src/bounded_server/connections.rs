//! Which connections are open, and which of them gives way to a newcomer.
//!
//! Guarantees: the oldest without a request under way is closed, and never one with a request. Knows nothing
//! of what a connection carries.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::{AbortHandle, JoinSet};

use crate::tasks::Work;

/// Connections being served, oldest first; all end when this is dropped.
#[derive(Debug, Default)]
pub struct Connections {
    tasks: JoinSet<()>,
    open: VecDeque<Connection>,
}

#[derive(Debug)]
struct Connection {
    /// Absent where all are of one peer.
    peer: Option<IpAddr>,
    under_way: UnderWay,
    task: AbortHandle,
}

impl Connections {
    /// Makes room for one more of `peer`, where at most `most` may be open, and `of_one` of a peer; `false`
    /// if every connection that could give way has a request under way.
    pub fn make_room(&mut self, peer: Option<IpAddr>, most: usize, of_one: Option<usize>) -> bool {
        self.open.retain(|connection| !connection.task.is_finished());
        let of_peer = self.open.iter().filter(|connection| connection.peer == peer).count();
        if of_one.is_some_and(|most| of_peer >= most) {
            return self.close_oldest(|connection| connection.peer == peer);
        }
        self.open.len() < most || self.close_oldest(|_| true)
    }

    fn close_oldest(&mut self, may_go: impl Fn(&Connection) -> bool) -> bool {
        self.take_oldest(may_go).map(|connection| connection.task.abort()).is_some()
    }

    fn take_oldest(&mut self, may_go: impl Fn(&Connection) -> bool) -> Option<Connection> {
        let idle = |connection: &Connection| may_go(connection) && !connection.under_way.any();
        self.open.iter().position(idle).and_then(|at| self.open.remove(at))
    }

    /// Closes the oldest and returns when its descriptor is free; `false` if all have a request under way.
    pub async fn give_way(&mut self) -> bool {
        self.open.retain(|connection| !connection.task.is_finished());
        let Some(connection) = self.take_oldest(|_| true) else { return false };
        connection.task.abort();
        while !connection.task.is_finished() {
            self.ended().await;
        }
        true
    }

    /// Serves a connection, for which there is room.
    pub fn admit(
        &mut self,
        peer: Option<IpAddr>,
        under_way: UnderWay,
        connection: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(Box::pin(connection) as Work);
        self.open.push_back(Connection { peer, under_way, task });
    }

    /// Returns when a connection has ended; never while there is none.
    pub async fn ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Returns when all have ended.
    pub async fn all_ended(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// How many requests of one connection were read and are not answered to their last byte.
#[derive(Debug, Clone, Default)]
pub struct UnderWay(Arc<AtomicUsize>);

impl UnderWay {
    fn any(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// One more, until the guard is dropped.
    pub fn begin(&self) -> RequestGuard {
        self.0.fetch_add(1, Ordering::SeqCst);
        RequestGuard(self.clone())
    }
}

/// One request under way, until dropped.
#[derive(Debug)]
pub struct RequestGuard(UnderWay);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}
