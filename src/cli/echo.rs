//! A terminal that shows nothing of what is typed.
//!
//! Guarantees: it is as it was when this is dropped, and when a signal ends or stops the program before.
//! Knows nothing of what is asked.

#[cfg(unix)]
mod modes {
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicPtr, Ordering};

    use libc::{c_int, sighandler_t};
    use rustix::process::getpgrp;
    use rustix::stdio::stdin;
    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    /// What would end or stop the program and leave the terminal as it is.
    const SIGNALS: [c_int; 5] = [libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP, libc::SIGCONT];

    /// For the handler, as long as there is a [`EchoOff`].
    static MODES: AtomicPtr<Modes> = AtomicPtr::new(null_mut());

    struct Modes {
        original: Termios,
        echo_off: Termios,
    }

    /// Echo off, and back on when dropped, or when a signal ends or stops the program.
    pub struct EchoOff {
        modes: &'static Modes,
        handled: Vec<c_int>,
    }

    impl EchoOff {
        /// `None` if standard input is no terminal.
        pub fn begin() -> Option<Self> {
            Self::without(LocalModes::ECHO)
        }

        /// The same, and Ctrl-C is a character for whoever reads: one that was typed before the reader was
        /// ready would be lost otherwise.
        pub fn taking_ctrl_c() -> Option<Self> {
            Self::without(LocalModes::ECHO | LocalModes::ISIG)
        }

        fn without(flags: LocalModes) -> Option<Self> {
            let original = tcgetattr(stdin()).ok()?;
            let mut echo_off = original.clone();
            echo_off.local_modes.remove(flags);
            // Never freed: a handler may be looking at it. There are a few in a program's life.
            let modes: &Modes = Box::leak(Box::new(Modes { original, echo_off }));
            MODES.store(std::ptr::from_ref(modes).cast_mut(), Ordering::Release);
            let handled = SIGNALS.into_iter().filter(|signal| handle(*signal)).collect();
            set(&modes.echo_off);
            Some(Self { modes, handled })
        }
    }

    impl Drop for EchoOff {
        fn drop(&mut self) {
            set(&self.modes.original);
            MODES.store(null_mut(), Ordering::Release);
            for signal in &self.handled {
                // SAFETY: the default is what was in place before.
                unsafe { libc::signal(*signal, libc::SIG_DFL) };
            }
        }
    }

    /// Takes a signal over, unless it is ignored or somebody else waits for it.
    fn handle(signal: c_int) -> bool {
        let handler: extern "C" fn(c_int) = on_signal;
        // SAFETY: the handler calls nothing but what POSIX allows in one.
        let before = unsafe { libc::signal(signal, handler as sighandler_t) };
        if before != libc::SIG_DFL {
            // SAFETY: it is what was in place before.
            unsafe { libc::signal(signal, before) };
        }
        before == libc::SIG_DFL
    }

    extern "C" fn on_signal(signal: c_int) {
        // SAFETY: what the pointer leads to is never freed.
        let Some(modes) = (unsafe { MODES.load(Ordering::Acquire).as_ref() }) else { return };
        if signal == libc::SIGCONT {
            // Of a terminal that is somebody else's now, nothing is changed.
            if tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp()) {
                set(&modes.echo_off);
            }
            return;
        }
        set(&modes.original);
        // SAFETY: none of these calls touches memory of ours. What is raised here arrives when the handler
        // returns.
        unsafe {
            if signal == libc::SIGTSTP {
                libc::raise(libc::SIGSTOP);
            } else {
                libc::signal(signal, libc::SIG_DFL);
                libc::raise(signal);
            }
        }
    }

    /// Ctrl-C does not end the program as long as this lives: what reads the terminal says that it was typed.
    pub struct Uninterrupted(sighandler_t);

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

    /// One `ioctl`, which a handler may call.
    fn set(modes: &Termios) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
    }
}

#[cfg(not(unix))]
mod modes {
    pub struct EchoOff;

    impl EchoOff {
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

pub use modes::{EchoOff, Uninterrupted};
