//! Which processors this thread and what it starts may run on.

pub use imp::{set, stay};

#[cfg(target_os = "linux")]
mod imp {
    /// Stays on the first of the processors allowed now; returns those.
    pub fn stay() -> libc::cpu_set_t {
        // SAFETY: a set is plain bits; sched_getaffinity fills it.
        let mut before: libc::cpu_set_t = unsafe { std::mem::zeroed() };
        let size = size_of::<libc::cpu_set_t>();
        // SAFETY: the pointer is to a live set of this size.
        assert_eq!(unsafe { libc::sched_getaffinity(0, size, &raw mut before) }, 0);
        let mut one = before;
        // SAFETY: the macros read and write bits of sets that live.
        unsafe {
            libc::CPU_ZERO(&mut one);
            let first = (0..8 * size).find(|&number| libc::CPU_ISSET(number, &before)).unwrap();
            libc::CPU_SET(first, &mut one);
        }
        set(&one);
        before
    }

    /// Back to these.
    pub fn set(set: &libc::cpu_set_t) {
        // SAFETY: the pointer is to a live set of this size.
        assert_eq!(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), set) }, 0);
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    /// No set of processors.
    pub struct Anywhere;

    /// Elsewhere they run where the system puts them.
    pub fn stay() -> Anywhere {
        Anywhere
    }

    /// As little.
    pub fn set(_: &Anywhere) {}
}
