//! What keeps secrets in memory from reaching the disk or another process of the same user without its asking root.

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
