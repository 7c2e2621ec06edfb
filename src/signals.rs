//! The signals by which a person, a closed terminal or a service manager asks a program to end.
//!
//! Guarantees: who waits for them is not ended by them, and can finish what must not be cut off; one that was
//! ignored before the program began, as `nohup` has it, stays ignored.

/// Waits for Ctrl-C, for SIGTERM, or for the end of the terminal.
pub async fn asked_to_end() {
    Signals::new().next().await;
}

/// The signals by which one is asked to end, from now on. Needs a tokio runtime.
pub struct Signals {
    #[cfg(unix)]
    heard: Vec<(tokio::signal::unix::SignalKind, tokio::signal::unix::Signal)>,
}

/// One that came.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    #[cfg(unix)]
    kind: tokio::signal::unix::SignalKind,
}

#[cfg(unix)]
impl Signals {
    /// Listens for them.
    pub fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let heard = kinds.into_iter().filter(|kind| !is_ignored(kind.as_raw_value()));
        Self { heard: heard.filter_map(|kind| Some((kind, signal(kind).ok()?))).collect() }
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Asked {
        std::future::poll_fn(|context| {
            for (kind, signal) in &mut self.heard {
                if signal.poll_recv(context).is_ready() {
                    return std::task::Poll::Ready(Asked { kind: *kind });
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Listens for Ctrl-C.
    pub fn new() -> Self {
        Self {}
    }

    /// Waits for Ctrl-C.
    pub async fn next(&mut self) -> Asked {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Asked {}
    }
}

impl Default for Signals {
    fn default() -> Self {
        Self::new()
    }
}

impl Asked {
    /// Asks a child of ours to end. Ctrl-C at a terminal has reached it already.
    pub fn pass_on(self, child: u32) {
        #[cfg(unix)]
        if self.kind != tokio::signal::unix::SignalKind::interrupt()
            && let Some(process) = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw)
            && let Some(signal) = rustix::process::Signal::from_named_raw(self.kind.as_raw_value())
        {
            let _ = rustix::process::kill_process(process, signal);
        }
        #[cfg(not(unix))]
        let _ = child;
    }
}

#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction with no new action only writes the current one to where `now` points, and says if it
    // did.
    unsafe {
        let known = libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0;
        known && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
