//! How many descriptors this process has: each connection to a server takes one, and its request one more
//! at the API.
//!
//! Guarantees: a process that serves has [`WANTED`] if the system lets it; a program that it starts has as
//! many as this process was started with, since what waits by `select()` breaks beyond 1024
//! (systemd.exec(5), "Process Properties"). Windows has no such limit.

use std::io;
use std::process::Command;

#[cfg(unix)]
use rustix::io::Errno;
#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the connections of a gateway, as many to APIs, and all else. macOS gives up to 10,240 (`OPEN_MAX`).
#[cfg(unix)]
const WANTED: u64 = 4096;

/// What a process has open besides connections: its log, its store, watches, what it asks the system.
const BESIDES: usize = 32;

/// The limit that this process was started with, if it has another one now.
#[cfg(unix)]
static BEFORE: std::sync::OnceLock<Rlimit> = std::sync::OnceLock::new();

/// Asks for as many as a server wants; what the system refuses stays as it is.
pub fn raise() {
    #[cfg(unix)]
    {
        let limit = getrlimit(Resource::Nofile);
        let most = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
        if limit.current.is_some_and(|current| current < most) {
            let _ = BEFORE.set(limit);
            let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
        }
    }
}

/// Lets a program begin with the limit that this process began with. To be called before each start.
pub fn give_back(command: &mut Command) {
    #[cfg(unix)]
    if let Some(before) = BEFORE.get().copied() {
        let set = move || setrlimit(Resource::Nofile, before).map_err(io::Error::from);
        // SAFETY: between fork and exec only one call is made, which takes no lock and no memory.
        unsafe { std::os::unix::process::CommandExt::pre_exec(command, set) };
    }
    #[cfg(not(unix))]
    let _ = command;
}

/// How many connections can be served, each with a request under way.
pub fn connections() -> usize {
    #[cfg(unix)]
    let most = getrlimit(Resource::Nofile).current;
    #[cfg(not(unix))]
    let most: Option<u64> = None;
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    (most.saturating_sub(BESIDES) / 2).max(1)
}

/// Whether something failed because this process, or the system, has no descriptor left.
pub fn are_out(error: &io::Error) -> bool {
    #[cfg(unix)]
    return [Errno::MFILE, Errno::NFILE]
        .map(|errno| Some(errno.raw_os_error()))
        .contains(&error.raw_os_error());
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}
