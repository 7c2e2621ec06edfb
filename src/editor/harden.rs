//! What a process asks of its system at the start: that secrets in memory reach neither the disk nor another
//! process of the same user without its asking root, and that a backend, of which each editor has one, stays
//! small.

#[cfg(target_os = "linux")]
use rustix::process::DumpableBehavior;
#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// No core dumps, and on Linux no tracing by the user's other processes (both best effort: a failure is no
/// reason not to run). The limit is the soft one: a program that we become or start may raise it again.
pub fn harden() {
    #[cfg(unix)]
    {
        let _ = CORE_BEFORE.set(core_limit(Some(0)));
    }
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Restores the limit that we found, for a program that we are about to become.
pub fn restore_limits() {
    #[cfg(unix)]
    if let Some(before) = CORE_BEFORE.get() {
        core_limit(*before);
    }
}

/// Without a number: no limit.
#[cfg(unix)]
static CORE_BEFORE: std::sync::OnceLock<Option<u64>> = std::sync::OnceLock::new();

/// Sets the soft limit and returns what it was.
#[cfg(unix)]
fn core_limit(soft: Option<u64>) -> Option<u64> {
    let limit = getrlimit(Resource::Core);
    let before = limit.current;
    let _ = setrlimit(Resource::Core, Rlimit { current: soft, ..limit });
    before
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
