//! What a process asks of its system at the start: that secrets in memory reach neither the disk nor another process of
//! the same user without its asking root, and that a backend, of which each editor has one, stays small.

/// No core dumps, and on Linux no tracing by the user's other processes (both best effort: a failure is no reason
/// not to run).
pub fn harden() {
    #[cfg(unix)]
    {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: setrlimit reads the struct that is passed and keeps nothing of it.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    }
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_DUMPABLE takes one number and touches no memory of ours.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0)
    };
}

/// One heap for all threads: the threads of a backend wait more than they work, and glibc's heap for each costs every
/// one of them four system calls at its start, and memory.
pub(super) fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt takes two numbers and touches no memory of ours.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1)
    };
}
