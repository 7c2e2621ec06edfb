//! A program with all that it starts, and the terminal as long as it runs.
//!
//! Guarantees: dropped before [`Group::has_ended`], the whole process group is ended; the terminal is ours
//! again afterwards, in the modes that it had.

use std::io::{self, IsTerminal as _};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::process::{Child, Command};

use crate::descriptors;

/// How many programs have the terminal in this process's place.
static GIVEN_AWAY: AtomicUsize = AtomicUsize::new(0);

/// The terminal is another program's until this is dropped: a command that took it would stop that program,
/// and this one with it.
#[derive(Debug)]
pub struct TerminalGivenAway(());

/// Gives the terminal to a program that is about to be started; commands run without it from now on.
#[must_use]
pub fn give_terminal_away() -> TerminalGivenAway {
    GIVEN_AWAY.fetch_add(1, Ordering::SeqCst);
    TerminalGivenAway(())
}

impl Drop for TerminalGivenAway {
    fn drop(&mut self) {
        GIVEN_AWAY.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A program under way.
pub(super) struct Group {
    /// The program itself.
    pub child: Child,
    id: Option<u32>,
    _terminal: Option<platform::Terminal>,
}

impl Group {
    /// Starts a program, at the terminal if there is one.
    ///
    /// # Errors
    /// The system's.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let is_given_away = GIVEN_AWAY.load(Ordering::SeqCst) > 0;
        let terminal = if is_given_away { None } else { platform::Terminal::ours() };
        let stdin = if terminal.is_some() { Stdio::inherit() } else { Stdio::null() };
        let is_seen = !is_given_away && io::stderr().is_terminal();
        let stderr = if is_seen { Stdio::inherit() } else { Stdio::null() };
        command.stdin(stdin).stderr(stderr).kill_on_drop(true);
        platform::separate(&mut command, terminal.is_some());
        descriptors::give_back(command.as_std_mut());
        let child = command.spawn()?;
        Ok(Self { id: child.id(), child, _terminal: terminal })
    }

    /// The program has ended by itself. What it has left running, a daemon say, is none of ours.
    pub fn has_ended(&mut self) {
        self.id = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            platform::end(id, &mut self.child);
        }
    }
}

/// The signal that ended a program, if one did.
pub(super) fn signal(status: ExitStatus) -> Option<i32> {
    #[cfg(unix)]
    return std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    return None.filter(|_: &i32| status.success());
}

/// Whether it is what Ctrl-C sends.
pub(super) fn is_interrupt(signal: i32) -> bool {
    // POSIX has the number 2 for SIGINT.
    signal == 2
}

#[cfg(unix)]
mod platform {
    use std::time::{Duration, Instant};

    use libc::{STDIN_FILENO, pid_t};
    use rustix::process::{Pid, Signal, kill_process_group};
    use tokio::process::{Child, Command};

    /// How long a program is given to leave its terminal and its files in order.
    const GRACE: Duration = Duration::from_millis(200);

    /// The terminal, if it is this process's to give away; taken back when dropped.
    pub struct Terminal {
        modes: libc::termios,
    }

    impl Terminal {
        /// `None` if standard input is no terminal, or if we are in its background.
        pub fn ours() -> Option<Self> {
            // SAFETY: termios is plain data, which tcgetattr fills or fails; the others take a number.
            unsafe {
                let mut modes: libc::termios = std::mem::zeroed();
                let is_ours = libc::tcgetattr(STDIN_FILENO, &raw mut modes) == 0
                    && libc::tcgetpgrp(STDIN_FILENO) == libc::getpgrp();
                is_ours.then_some(Self { modes })
            }
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            // SAFETY: the calls take numbers, and a pointer to a live value. From the background the terminal
            // is taken with SIGTTOU ignored, or we would be stopped.
            unsafe {
                let before = libc::signal(libc::SIGTTOU, libc::SIG_IGN);
                libc::tcsetpgrp(STDIN_FILENO, libc::getpgrp());
                libc::tcsetattr(STDIN_FILENO, libc::TCSADRAIN, &raw const self.modes);
                libc::signal(libc::SIGTTOU, before);
            }
        }
    }

    /// Lets the program lead a group of its own: in the foreground of the terminal, or in a session without
    /// one, where nothing it starts can write over an editor's screen.
    pub fn separate(command: &mut Command, at_terminal: bool) {
        let set_up = move || {
            // SAFETY: between fork and exec only these calls are made, all of which POSIX allows there.
            unsafe {
                if at_terminal {
                    libc::setpgid(0, 0);
                    libc::signal(libc::SIGTTOU, libc::SIG_IGN);
                    libc::tcsetpgrp(STDIN_FILENO, libc::getpid());
                    libc::signal(libc::SIGTTOU, libc::SIG_DFL);
                    // Stopped it would hold the terminal, and nobody could say fg.
                    libc::signal(libc::SIGTSTP, libc::SIG_IGN);
                } else {
                    libc::setsid();
                }
                // It may wait for a person: not longer than whoever asked is there.
                #[cfg(target_os = "linux")]
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            }
            Ok(())
        };
        // SAFETY: see above.
        unsafe { command.pre_exec(set_up) };
    }

    /// Ends a group: asked first, then outright.
    pub fn end(id: u32, child: &mut Child) {
        let Some(group) = pid_t::try_from(id).ok().and_then(Pid::from_raw) else { return };
        let _ = kill_process_group(group, Signal::TERM);
        let _ = kill_process_group(group, Signal::CONT);
        let end = Instant::now() + GRACE;
        while Instant::now() < end && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.try_wait();
    }
}

#[cfg(not(unix))]
mod platform {
    use tokio::process::{Child, Command};

    /// Windows has no foreground of a terminal.
    pub struct Terminal;

    impl Terminal {
        pub fn ours() -> Option<Self> {
            use std::io::IsTerminal as _;
            std::io::stdin().is_terminal().then_some(Self)
        }
    }

    pub fn separate(_: &mut Command, _: bool) {}

    pub fn end(_: u32, child: &mut Child) {
        let _ = child.start_kill();
    }
}
