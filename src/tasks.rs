//! The runtime, and starting what goes on beside.
//!
//! Guarantees: each task is one boxed future. What drives a task is compiled once for each type of
//! future, and for both of the runtime's schedulers (nvim-rs asks for all of tokio's features); boxed
//! there is one type, and the program is smaller. Knows nothing of what a task does.

use std::io;
use std::pin::Pin;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::task::JoinHandle;

/// A task's work.
pub type Work<T = ()> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A runtime of this thread alone, with everything that it can drive. Of the kind that can never have more
/// threads: the scheduler for those is not in the program then, nor the C library's mathematics, which it
/// alone needs and which each start would load.
///
/// # Errors
/// If the system gives no descriptors for it.
pub fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

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
