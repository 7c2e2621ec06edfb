//! One connection of the ssh program, shared by everything that a lent session needs (ssh_config(5),
//! `ControlMaster`): it asks for a password once, and says whether the server took a forwarding.
//!
//! Guarantees: the person's own configuration holds (`ProxyJump`, keys, host names); a connection of theirs
//! that is open already is used and stays open; one of ours ends with the session, or by itself soon after
//! this program was killed. Knows no grant.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::line::Line;
use crate::cli::child;
use crate::error::{Code, Error, Result};

/// How long a connection of ours outlives its last use: in between there are some milliseconds.
const PERSIST: &str = "ControlPersist=15";
/// Longest wait for what happens after the person has gone.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What ssh makes of a destination and its options (`ssh -G`).
#[derive(Debug, Default)]
struct Settings {
    control_path: Option<OsString>,
    remote_command: Option<OsString>,
    refuses_tty: bool,
    has_no_session: bool,
    has_no_input: bool,
}

/// A connection, as far as it is decided.
pub struct Client {
    destination: OsString,
    line: Line,
    settings: Settings,
    control: PathBuf,
    is_ours: bool,
}

impl Client {
    /// Finds out what is there; connects to nobody. `own` is where a connection of ours would have its
    /// socket.
    ///
    /// # Errors
    /// `invalid_argument` if there is no ssh, or it takes these options for none of its own.
    pub async fn new(destination: OsString, line: Line, own: &Path) -> Result<Self> {
        let mut command = Command::new("ssh");
        // Otherwise it says that there is no terminal for what it does not open.
        command.args(["-o", "LogLevel=ERROR", "-G"]).args(line.options_without("")).arg(&destination);
        let found = capture(command, Vec::new(), None, Stdio::inherit()).await?;
        if !found.status.success() {
            return Err(Error::new(Code::InvalidArgument, "ssh does not take these arguments.")
                .with_hint("Put ssh's own options, and the command to run there, after the destination."));
        }
        let settings = Settings::read(&found.stdout);
        let mut client = Self { destination, line, settings, control: own.to_owned(), is_ours: true };
        if let Some(path) = client.settings.control_path.clone() {
            client.use_if_open(PathBuf::from(path)).await?;
        }
        Ok(client)
    }

    /// Uses the person's own connection to there, if they have one.
    async fn use_if_open(&mut self, path: PathBuf) -> Result<()> {
        let own = std::mem::replace(&mut self.control, path);
        let found = capture(self.control_command("check", &[]), Vec::new(), None, Stdio::null()).await?;
        self.is_ours = !found.status.success();
        if self.is_ours {
            self.control = own;
        }
        Ok(())
    }

    /// Connects if need be, and runs a script there.
    ///
    /// # Errors
    /// If ssh cannot be run.
    pub async fn connect(&self, script: String) -> Result<Output> {
        let mut command = self.over("ControlMaster=yes");
        command.args(["-o", PERSIST, "-o", "RemoteCommand=none"]).args(self.settings.for_a_script());
        command.args(self.line.options_without("tTnNS")).arg("-T").arg(&self.destination).arg("sh");
        match self.is_ours {
            true => capture(command, script.into_bytes(), None, Stdio::inherit()).await,
            false => self.script(script.into_bytes()).await,
        }
    }

    /// Runs a script over the connection that is there.
    ///
    /// # Errors
    /// If ssh cannot be run.
    pub async fn script(&self, script: Vec<u8>) -> Result<Output> {
        capture(self.script_command(), script, None, Stdio::inherit()).await
    }

    /// The same, at the end: without a word, and not for long.
    pub async fn last_script(&self, script: String) {
        let _ = capture(self.script_command(), script.into_bytes(), Some(LAST_WORDS), Stdio::null()).await;
    }

    fn script_command(&self) -> Command {
        let mut command = self.over("ControlMaster=no");
        command.args(["-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none", "-o", "BatchMode=yes"]);
        command.args(self.settings.for_a_script());
        command.args(self.line.options_without("tTnNSDLRwAXY")).arg("-T").arg(&self.destination).arg("sh");
        command
    }

    /// Has the other host listen for us: what it says, if it does.
    ///
    /// # Errors
    /// If ssh cannot be run.
    pub async fn forward(&self, rule: &OsStr) -> Result<Option<String>> {
        let command = self.control_command("forward", &[OsStr::new("-R"), rule]);
        let done = capture(command, Vec::new(), None, Stdio::null()).await?;
        Ok(done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned()))
    }

    /// Has it listen no longer, where the connection stays.
    pub async fn take_back(&self, rule: &OsStr) {
        if !self.is_ours {
            let command = self.control_command("cancel", &[OsStr::new("-R"), rule]);
            let _ = capture(command, Vec::new(), Some(LAST_WORDS), Stdio::null()).await;
        }
    }

    /// Ends the connection, if it is ours.
    pub async fn disconnect(&self) {
        if self.is_ours {
            let _ =
                capture(self.control_command("exit", &[]), Vec::new(), Some(LAST_WORDS), Stdio::null()).await;
        }
    }

    /// The command that a person would have run there: typed, or by their configuration.
    pub fn command_text(&self) -> Option<OsString> {
        self.line.command_text().or_else(|| self.settings.remote_command.clone())
    }

    /// The session itself, with the terminal as ssh would have it.
    pub fn session(&self, remote: &str) -> Command {
        use std::io::IsTerminal as _;
        let mut command = self.over("ControlMaster=no");
        command.args(["-o", "RemoteCommand=none"]);
        if self.is_ours {
            // They stand already.
            command.args(["-o", "ClearAllForwardings=yes"]);
        }
        command.args(self.line.options_without("S"));
        let has_said = self.line.has('t') || self.line.has('T');
        let wants_shell = self.command_text().is_none();
        if !has_said && wants_shell && !self.settings.refuses_tty && std::io::stdin().is_terminal() {
            command.arg("-t");
        }
        command.arg(&self.destination);
        if !self.line.has('N') && !self.settings.has_no_session {
            command.arg(remote);
        }
        command
    }

    fn over(&self, control: &str) -> Command {
        let mut command = Command::new("ssh");
        let mut path = OsString::from("ControlPath=");
        path.push(self.control_text());
        command.args(["-o", control, "-o"]).arg(path);
        command
    }

    /// The connection's path as ssh reads it, which takes `%` for the beginning of a token.
    fn control_text(&self) -> String {
        self.control.to_string_lossy().replace('%', "%%")
    }

    fn control_command(&self, what: &str, rule: &[&OsStr]) -> Command {
        let mut command = Command::new("ssh");
        // Without the person's configuration: what that forwards is not ours to ask for again, or to take
        // back.
        command.args(["-F", "none", "-S"]).arg(self.control_text()).args(["-O", what]);
        command.args(rule).arg(&self.destination);
        command
    }
}

impl Settings {
    fn read(said: &[u8]) -> Self {
        let text = String::from_utf8_lossy(said);
        let value = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(' '));
            let mut named = lines.filter(|(key, _)| *key == name).map(|(_, value)| value);
            named.next().filter(|value| *value != "none").map(OsString::from)
        };
        Self {
            control_path: value("controlpath"),
            remote_command: value("remotecommand"),
            refuses_tty: value("requesttty").is_some_and(|value| value == "false" || value == "no"),
            has_no_session: text.lines().any(|line| line == "sessiontype none"),
            has_no_input: text.lines().any(|line| line == "stdinnull yes"),
        }
    }

    /// What keeps a script from being run as it is meant for the session, told by an ssh that knows it.
    fn for_a_script(&self) -> Vec<&'static str> {
        let kept = [(self.has_no_session, "SessionType=default"), (self.has_no_input, "StdinNull=no")];
        kept.into_iter().filter(|(is_set, _)| *is_set).flat_map(|(_, option)| ["-o", option]).collect()
    }
}

/// Runs a program that is given `input`, and takes what it prints.
async fn capture(
    mut command: Command,
    input: Vec<u8>,
    limit: Option<Duration>,
    errors: Stdio,
) -> Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
    let mut running = child::spawn(&mut command).map_err(|_| no_ssh())?;
    let (id, stdin) = (running.id(), running.stdin.take());
    let waiting = tokio::task::spawn_blocking(move || {
        if let Some(mut stdin) = stdin {
            // One that does not read it says so by its answer.
            let _ = stdin.write_all(&input);
        }
        running.wait_with_output()
    });
    let mut waiting = std::pin::pin!(waiting);
    let too_long = tokio::time::sleep(limit.unwrap_or(Duration::from_secs(86_400)));
    let output = tokio::select! {
        output = &mut waiting => output,
        () = too_long => {
            child::end(id);
            waiting.await
        }
    };
    output.ok().and_then(std::io::Result::ok).ok_or_else(no_ssh)
}

fn no_ssh() -> Error {
    Error::new(Code::InvalidArgument, "The program `ssh` cannot be run.")
        .with_hint("Install OpenSSH's client, and check your `PATH`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_of_a_destination_is_read() {
        let said = b"host far\ncontrolpath /run/cm far\nremotecommand tmux attach\nrequesttty false\n";
        let settings = Settings::read(said);
        assert_eq!(settings.control_path.unwrap(), "/run/cm far");
        assert_eq!(settings.remote_command.unwrap(), "tmux attach");
        assert!(settings.refuses_tty);
        let settings = Settings::read(b"controlpath none\nrequesttty auto\n");
        assert!(
            settings.control_path.is_none() && settings.remote_command.is_none() && !settings.refuses_tty
        );
    }
}
