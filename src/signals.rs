//! The signals by which a person, a closed terminal or a service manager asks a program to end.
//!
//! Guarantees: who waits for them is not ended by them, and can finish what must not be cut off; one that was ignored
//! before the program began, as `nohup` has it, stays ignored.

/// Waits for Ctrl-C, for SIGTERM, or for the end of the terminal.
#[cfg(unix)]
pub async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let heard = kinds.into_iter().filter(|kind| !is_ignored(kind.as_raw_value()));
    let mut heard: Vec<_> = heard.filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(|context| {
        let any = heard.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
        if any { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn asked_to_end() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(unix)]
fn is_ignored(signal: libc::c_int) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: sigaction with no new action only writes the current one to where `now` points, and says if it did.
    unsafe {
        let known = libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0;
        known && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
