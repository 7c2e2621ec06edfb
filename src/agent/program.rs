//! What the system tells of the program at this machine's end of a connection. For one that is forwarded that
//! is the `ssh` here: of whoever connected there it says nothing.

use crate::gateway::Client;
use crate::text::short;

/// Most that is shown of a program's name, in characters; Linux keeps 15.
const MAX_NAME: usize = 32;

/// A program as a person reads of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its process, where that is known.
    pub pid: Option<i32>,
}

impl Program {
    /// The one that connected.
    pub fn of(client: Client) -> Self {
        let pid = client.pid().filter(|pid| *pid > 0);
        let name = pid.and_then(name).unwrap_or_else(|| "a program".to_owned());
        Self { name, pid }
    }

    /// `ssh (4711)`.
    pub fn shown(&self) -> String {
        self.pid.map_or_else(|| self.name.clone(), |pid| format!("{} ({pid})", self.name))
    }
}

/// The name of a process (proc_pid_comm(5)). Its arguments, which may hold secrets, are not looked at.
fn name(pid: i32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(short(name.trim(), MAX_NAME)).filter(|name| !name.is_empty())
}
