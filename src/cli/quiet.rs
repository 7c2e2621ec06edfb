//! A terminal that shows nothing of what is typed.
//!
//! Guarantees: it is as it was when this is dropped. Knows nothing of what is asked.

#[cfg(unix)]
mod modes {
    /// Echo off, and back on when dropped.
    pub struct Quiet(libc::termios);

    impl Quiet {
        /// `None` if standard input is no terminal.
        pub fn begin() -> Option<Self> {
            Self::without(libc::ECHO)
        }

        /// The same, and Ctrl-C is a character for whoever reads: one that was typed before the reader was ready
        /// would be lost otherwise.
        pub fn taking_ctrl_c() -> Option<Self> {
            Self::without(libc::ECHO | libc::ISIG)
        }

        fn without(flags: libc::tcflag_t) -> Option<Self> {
            // SAFETY: termios is plain data; tcgetattr fills it or fails.
            let mut modes: libc::termios = unsafe { std::mem::zeroed() };
            // SAFETY: the pointer is to a live value of the right type.
            if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut modes) } != 0 {
                return None;
            }
            let before = Self(modes);
            modes.c_lflag &= !flags;
            set(&modes);
            Some(before)
        }
    }

    impl Drop for Quiet {
        fn drop(&mut self) {
            set(&self.0);
        }
    }

    /// Ctrl-C does not end the program as long as this lives: what reads the terminal says that it was typed.
    pub struct Uninterrupted(libc::sighandler_t);

    impl Uninterrupted {
        pub fn begin() -> Self {
            // SAFETY: SIG_IGN runs none of our code.
            Self(unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) })
        }
    }

    impl Drop for Uninterrupted {
        fn drop(&mut self) {
            // SAFETY: it is what was in place before.
            unsafe { libc::signal(libc::SIGINT, self.0) };
        }
    }

    fn set(modes: &libc::termios) {
        // SAFETY: the pointer is to a live value that was filled by tcgetattr.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes) };
    }
}

#[cfg(not(unix))]
mod modes {
    pub struct Quiet;

    impl Quiet {
        /// Windows has no echo to switch off without its console interface.
        pub fn begin() -> Option<Self> {
            None
        }

        /// As little.
        pub fn taking_ctrl_c() -> Option<Self> {
            None
        }
    }

    pub struct Uninterrupted;

    impl Uninterrupted {
        pub fn begin() -> Self {
            Self
        }
    }
}

pub use modes::{Quiet, Uninterrupted};
