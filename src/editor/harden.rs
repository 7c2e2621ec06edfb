//! What a process asks of its system at the start: that secrets in memory reach neither the disk nor another
//! process of the same user without its asking root, and that a backend, of which each editor has one, stays
//! small.

/// No core dumps, and on Linux no tracing by the user's other processes (both best effort: a failure is no
/// reason not to run). The limit is the soft one: a program that we become or start may have its own mind.
pub fn harden() {
    #[cfg(unix)]
    {
        let _ = CORE_BEFORE.set(core_limit(0));
    }
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_DUMPABLE takes one number and touches no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0)
    };
}

/// Gives a program that we are about to become the limit that we found.
pub fn give_back() {
    #[cfg(unix)]
    if let Some(before) = CORE_BEFORE.get() {
        core_limit(*before);
    }
}

#[cfg(unix)]
static CORE_BEFORE: std::sync::OnceLock<libc::rlim_t> = std::sync::OnceLock::new();

/// Sets the soft limit and returns what it was.
#[cfg(unix)]
fn core_limit(soft: libc::rlim_t) -> libc::rlim_t {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a pointer to a live value of the right type, and keep nothing of it.
    unsafe {
        libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit);
        let before = std::mem::replace(&mut limit.rlim_cur, soft);
        libc::setrlimit(libc::RLIMIT_CORE, &raw const limit);
        before
    }
}

/// One heap for all threads: the threads of a backend wait more than they work, and glibc's heap for each
/// costs every one of them four system calls at its start, and memory.
pub(super) fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers and touches no memory of ours.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1)
    };
}
