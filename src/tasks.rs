//! Starting what goes on beside.
//!
//! Guarantees: each task is one boxed future. What drives a task is compiled once for each type of
//! future, and for both of the runtime's schedulers (nvim-rs asks for all of tokio's features); boxed
//! there is one type, and the program is smaller. Knows nothing of what a task does.

use std::pin::Pin;

use tokio::task::JoinHandle;

/// A task's work.
pub type Work<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Begins `work` on the runtime that this is called on; it goes on when the handle is dropped.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let work: Work<T> = Box::pin(work);
    tokio::spawn(work)
}

/// For what hyper does beside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Executor;

impl<F: Future<Output: Send + 'static> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, work: F) {
        spawn(work);
    }
}
