//! The person's word, at a terminal, on what a grant asks.
//!
//! Guarantees: what is typed before a question was in sight for a second answers nothing; an answer needs
//! Enter; a question that is withdrawn goes, and what is typed after it answers none that follows. Knows no
//! socket of an agent.

#[cfg(unix)]
pub use unix::{ask_for, watch};

#[cfg(not(unix))]
pub use no_sockets::{ask_for, watch};

#[cfg(unix)]
mod unix {
    use std::io::{BufRead as _, IsTerminal as _};
    use std::process::ExitCode;
    use std::time::Duration;

    use tokio::sync::mpsc;
    use tokio::time::{Instant, sleep_until};

    use crate::agent::{Elsewhere, Grant, Watch};
    use crate::cli::{Context, output};
    use crate::error::{Code, Error, Result};
    use crate::protocol::{GrantAnswer, GrantPower, GrantQuestion};
    use crate::signals;
    use crate::text::short;

    /// How long a question must be in sight before an answer counts.
    const IN_SIGHT: Duration = Duration::from_secs(1);
    /// Most that is shown of a grant's label, in characters.
    const MAX_LABEL: usize = 64;

    /// Asks what this grant wants to know, until dropped; waits for nothing if it asks nothing, or nobody is
    /// there to type.
    pub async fn ask_for(context: &Context, grant: &Grant) {
        if !grant.terms().confirm {
            return std::future::pending().await;
        }
        if !std::io::stdin().is_terminal() || !output::is_watched() {
            output::note("Answer what it asks by `convocations grants watch` at a terminal.");
            return std::future::pending().await;
        }
        let id = grant.id().to_owned();
        Asking::new(context, move |question| question.grant == id).run().await;
    }

    /// `convocations grants watch`: what every grant of this user asks.
    pub fn watch(context: &Context) -> Result<ExitCode> {
        if !std::io::stdin().is_terminal() || !output::is_watched() {
            return Err(Error::new(Code::InvalidArgument, "There is nobody to ask.")
                .with_hint("Run it at a terminal."));
        }
        output::note("What grants ask is asked here, until Ctrl-C.");
        context.block_on(async {
            tokio::select! {
                () = Asking::new(context, |_| true).run() => {}
                () = signals::asked_to_end() => {}
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    struct Asking<F> {
        watch: Watch,
        is_ours: F,
        typed: mpsc::UnboundedReceiver<String>,
    }

    impl<F: Fn(&GrantQuestion) -> bool> Asking<F> {
        fn new(context: &Context, is_ours: F) -> Self {
            let (sender, typed) = mpsc::unbounded_channel();
            // A thread, because reading a terminal cannot be awaited; it ends with the process or the input.
            std::thread::spawn(move || read_lines(&sender));
            Self { watch: Watch::new(context.paths()), is_ours, typed }
        }

        async fn run(mut self) {
            loop {
                let open = self.watch.open();
                match open.into_iter().find(|asked| (self.is_ours)(&asked.question)) {
                    Some(asked) => self.ask(&asked).await,
                    None => drop(self.watch.next().await),
                }
            }
        }

        /// Asks one, until it is answered or no longer asked.
        async fn ask(&mut self, asked: &Elsewhere) {
            output::note(&in_words(&asked.question));
            let in_sight = Instant::now() + IN_SIGHT;
            let (mut is_ready, mut waiting) = (false, asked.question.waiting);
            loop {
                tokio::select! {
                    open = self.watch.next() => match open.iter().find(|other| other.is(asked)) {
                        None => return output::note("It is no longer asked."),
                        Some(now) => waiting = now.question.waiting,
                    },
                    () = sleep_until(in_sight), if !is_ready => {
                        self.forget_typed();
                        is_ready = true;
                        if waiting > 1 {
                            output::note(&format!("  {waiting} requests wait for it."));
                        }
                        output::note("  o once, g for this grant, n no, and Enter:");
                    }
                    line = self.typed.recv(), if is_ready => match line.as_deref().map(read) {
                        Some(Some(answer)) => return self.answer(asked, answer).await,
                        Some(None) => output::note("  Type o, g or n, and Enter."),
                        None => return std::future::pending().await,
                    },
                }
            }
        }

        async fn answer(&mut self, asked: &Elsewhere, answer: GrantAnswer) {
            match asked.answer(answer).await {
                true => output::note(said(answer)),
                false => output::note("It is no longer asked."),
            }
            // Its end is on the way; until it is here, the same would be asked again.
            while self.watch.open().iter().any(|other| other.is(asked)) {
                self.watch.next().await;
            }
        }

        /// Forgets what was typed, lines and the begin of one.
        fn forget_typed(&mut self) {
            if is_in_front() {
                // SAFETY: the call touches no memory of ours.
                unsafe { libc::tcflush(libc::STDIN_FILENO, libc::TCIFLUSH) };
            }
            while self.typed.try_recv().is_ok() {}
        }
    }

    /// Passes on each line that is typed. In the background of a shell (`&`) nothing can be read, and trying
    /// to would stop this whole program, with every request that waits: there it is tried again until the
    /// person has it in front.
    fn read_lines(sender: &mpsc::UnboundedSender<String>) {
        // SAFETY: the set is this function's own, and only this thread's signals change.
        unsafe {
            let mut stops = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(stops.as_mut_ptr());
            libc::sigaddset(stops.as_mut_ptr(), libc::SIGTTIN);
            libc::pthread_sigmask(libc::SIG_BLOCK, stops.as_ptr(), std::ptr::null_mut());
        }
        let mut typed = std::io::stdin().lock();
        let mut line = Vec::new();
        loop {
            match typed.read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {
                    if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                    line.clear();
                }
                Err(_) if !is_in_front() => std::thread::sleep(IN_SIGHT),
                Err(_) => return,
            }
        }
    }

    /// Whether what is typed at the terminal is for this program.
    fn is_in_front() -> bool {
        // SAFETY: the calls touch no memory of ours.
        unsafe { libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp() }
    }

    fn in_words(question: &GrantQuestion) -> String {
        let GrantQuestion { login, program, label, grant, .. } = question;
        let wants = match question.power {
            GrantPower::Use => format!("wants to send a request with your login {login}"),
            GrantPower::Token => format!("wants a token of {login}"),
        };
        let label = short(label, MAX_LABEL);
        format!("\n{program} {wants}, by the grant {grant} to {label}.")
    }

    fn read(line: &str) -> Option<GrantAnswer> {
        match line.trim().to_ascii_lowercase().as_str() {
            "o" | "once" => Some(GrantAnswer::Once),
            "g" | "grant" => Some(GrantAnswer::Grant),
            "n" | "no" => Some(GrantAnswer::No),
            _ => None,
        }
    }

    const fn said(answer: GrantAnswer) -> &'static str {
        match answer {
            GrantAnswer::Once => "Allowed once.",
            GrantAnswer::Grant => "Allowed for this grant, from now on.",
            GrantAnswer::No => "Refused.",
        }
    }
}

#[cfg(not(unix))]
mod no_sockets {
    use std::process::ExitCode;

    use crate::agent::Grant;
    use crate::cli::{Context, lend};
    use crate::error::Result;

    pub async fn ask_for(_: &Context, _: &Grant) {
        std::future::pending().await
    }

    pub fn watch(_: &Context) -> Result<ExitCode> {
        Err(lend::no_sockets())
    }
}
