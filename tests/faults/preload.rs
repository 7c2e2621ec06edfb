//! A library that makes the file system, the clock and the names of one program unreliable, when loaded
//! before the C library (`LD_PRELOAD`): the calls that change files in one folder are counted, and the chosen
//! one fails.
//!
//! It stands between the program and the C library and knows nothing of the program. Every call goes on to
//! the system itself by `syscall`, so nothing here calls what it replaces.
#![cfg(target_os = "linux")]

#[path = "control.rs"]
mod control;

use std::ffi::{CStr, c_char, c_int, c_long, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use control::{
    AT, CONTROL, COUNT, FOLDER, HOW, KILL, KIND, KINDS, LENGTH, LOCKING, NO_NAMES, READING, STAYS, USER, WALL,
};

struct Shared {
    words: &'static [AtomicI64],
    folder: Vec<u8>,
}

/// `None` in a program that is not to be made unreliable.
fn shared() -> Option<&'static Shared> {
    static SHARED: OnceLock<Option<Shared>> = OnceLock::new();
    SHARED.get_or_init(map).as_ref()
}

fn map() -> Option<Shared> {
    let mut file = std::env::var_os(CONTROL)?.as_bytes().to_vec();
    file.push(0);
    let folder = std::env::var_os(FOLDER)?.as_bytes().to_vec();
    // SAFETY: the path ends with a NUL, and a mapping of the whole file lives until the process ends. Both
    // sides use the numbers in it as atomics.
    unsafe {
        let fd =
            libc::syscall(libc::SYS_openat, libc::AT_FDCWD, file.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let (access, length) = (libc::PROT_READ | libc::PROT_WRITE, LENGTH * 8);
        let mapped = libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, fd as c_int, 0);
        if mapped == libc::MAP_FAILED {
            return None;
        }
        Some(Shared { words: std::slice::from_raw_parts(mapped.cast(), LENGTH), folder })
    }
}

fn word(at: usize) -> i64 {
    shared().map_or(0, |shared| shared.words[at].load(Ordering::SeqCst))
}

fn is_ours(path: &[u8]) -> bool {
    shared().is_some_and(|shared| path.starts_with(&shared.folder))
}

fn is_ours_at(path: *const c_char) -> bool {
    // SAFETY: the caller of the C library's function promises a string that ends with a NUL.
    !path.is_null() && is_ours(unsafe { CStr::from_ptr(path) }.to_bytes())
}

fn is_ours_open(fd: c_int) -> bool {
    if fd <= 2 || shared().is_none() {
        return false;
    }
    let (link, mut target) = (format!("/proc/self/fd/{fd}\0"), [0u8; 4096]);
    // SAFETY: `link` ends with a NUL, and no more than `target` holds is written there.
    let length = unsafe {
        let (into, most) = (target.as_mut_ptr(), target.len());
        libc::syscall(libc::SYS_readlinkat, libc::AT_FDCWD, link.as_ptr(), into, most)
    };
    usize::try_from(length).is_ok_and(|length| is_ours(&target[..length]))
}

/// Counts a call that changes files, and says whether it fails and how.
fn fault(kind: &str) -> Option<i64> {
    let words = shared()?.words;
    let number = words[COUNT].fetch_add(1, Ordering::SeqCst) + 1;
    let known = KINDS.iter().position(|known| *known == kind).unwrap_or(0);
    if let Some(slot) = usize::try_from(number).ok().and_then(|number| words.get(KIND + number)) {
        slot.store(known as i64, Ordering::SeqCst);
    }
    let at = word(AT);
    (at > 0 && (number == at || (word(STAYS) == 1 && number > at))).then(|| word(HOW))
}

fn fail(errno: i64) -> c_int {
    // SAFETY: the address is this thread's own.
    unsafe { *libc::__errno_location() = errno as c_int };
    -1
}

/// The end of a call that was chosen to fail.
fn strike(how: i64) -> c_int {
    if how == KILL {
        // SAFETY: takes no memory; it does not come back.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        loop {
            std::hint::spin_loop();
        }
    }
    fail(how)
}

/// A call on a path or an open file: passed on, or failed.
macro_rules! change {
    ($kind:literal, $ours:expr, $($call:expr),+) => {
        match $ours.then(|| fault($kind)).flatten() {
            Some(how) => strike(how),
            // SAFETY: the arguments are the caller's, passed on as they came.
            None => unsafe { libc::syscall($($call),+) as c_int },
        }
    };
}

fn open_at(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    let writes = flags & (libc::O_CREAT | libc::O_TRUNC) != 0;
    let ours = is_ours_at(path);
    // The settings are another subject.
    let settings = || unsafe { CStr::from_ptr(path) }.to_bytes().ends_with(b"config.toml");
    if ours && !writes && word(READING) != 0 && !settings() {
        return fail(word(READING));
    }
    change!("open", (ours && writes), libc::SYS_openat, libc::AT_FDCWD, path, flags, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    open_at(path, flags, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_int) -> c_int {
    open_at(path, flags, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, length: usize) -> isize {
    // SAFETY: the arguments are the caller's; half of the buffer is within it.
    let pass_on = |length: usize| unsafe { libc::syscall(libc::SYS_write, fd, bytes, length) as isize };
    match is_ours_open(fd).then(|| fault("write")).flatten() {
        Some(how) => {
            // A full disk and a kill alike leave a part of it.
            pass_on(length / 2);
            strike(how) as isize
        }
        None => pass_on(length),
    }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    change!("fsync", is_ours_open(fd), libc::SYS_fsync, fd)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ftruncate64(fd: c_int, length: i64) -> c_int {
    change!("truncate", is_ours_open(fd), libc::SYS_ftruncate, fd, length)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fchmod(fd: c_int, mode: libc::mode_t) -> c_int {
    change!("chmod", is_ours_open(fd), libc::SYS_fchmod, fd, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chmod(path: *const c_char, mode: libc::mode_t) -> c_int {
    change!("chmod", is_ours_at(path), libc::SYS_fchmodat, libc::AT_FDCWD, path, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mkdir(path: *const c_char, mode: libc::mode_t) -> c_int {
    change!("mkdir", is_ours_at(path), libc::SYS_mkdirat, libc::AT_FDCWD, path, mode)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    change!("unlink", is_ours_at(path), libc::SYS_unlinkat, libc::AT_FDCWD, path, 0)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let (here, none) = (libc::AT_FDCWD, 0);
    change!("rename", is_ours_at(to), libc::SYS_renameat2, here, from, here, to, none)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn linkat(
    at: c_int,
    from: *const c_char,
    to_at: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    change!("link", is_ours_at(to), libc::SYS_linkat, at, from, to_at, to, flags)
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    match word(LOCKING) {
        0 => unsafe { libc::syscall(libc::SYS_flock, fd, operation) as c_int },
        errno => fail(errno),
    }
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn geteuid() -> libc::uid_t {
    unsafe { (libc::syscall(libc::SYS_geteuid) + word(USER) as c_long) as libc::uid_t }
}

/// Only the wall clock is wrong: the others, by which timers go, stand still while a machine sleeps.
///
/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: libc::clockid_t, time: *mut libc::timespec) -> c_int {
    let result = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, time) as c_int };
    if result == 0 && clock == libc::CLOCK_REALTIME {
        // SAFETY: the system has just written there.
        unsafe { (*time).tv_sec += word(WALL) };
    }
    result
}

/// # Safety
/// As for the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    result: *mut *mut libc::addrinfo,
) -> c_int {
    type Function = unsafe extern "C" fn(
        *const c_char,
        *const c_char,
        *const libc::addrinfo,
        *mut *mut libc::addrinfo,
    ) -> c_int;
    if word(NO_NAMES) == 1 {
        return libc::EAI_NONAME;
    }
    // SAFETY: the C library has a function of this name and type.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"getaddrinfo".as_ptr());
        std::mem::transmute::<*mut c_void, Function>(next)(node, service, hints, result)
    }
}
