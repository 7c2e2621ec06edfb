//! A process's socket at which this user's other processes list its grants, revoke one, and answer what is
//! asked: one line of JSON each way.
//!
//! Guarantees: this user's programs only; bounded lines, time and connections; its file goes with it. What is
//! said here never holds a secret.

use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, ReadHalf, WriteHalf, split,
};
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

use super::{Agent, Inner};
use crate::bounded_server::{
    Bounds, Client, ConnectionHandler, Connections, Listener, Stream, UnderWay, accept_until,
};
use crate::error::{Error, Result};
use crate::gateway::{Socket, bind_socket};
use crate::paths::Paths;
use crate::private_file;
use crate::protocol::{GrantAnswer, GrantQuestion, Grants};
use crate::tasks;

/// How the files of these sockets end.
const EXTENSION: &str = "grants";
/// Bytes of such a file's name, at most: machine, process, chance.
pub const NAME_BYTES: usize = 6 + 1 + 8 + 1 + 4 + 1 + EXTENSION.len();
/// Longest line that is read, in bytes.
const MAX_LINE: u64 = 4096;
/// Time for a line.
const LINE_TIME: Duration = Duration::from_secs(5);
const BOUNDS: Bounds = Bounds { connections: 64, per_address: None, own_user_only: true };

/// What another process asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Ask {
    /// The grants: answered by [`Grants`].
    List,
    /// An end of one: answered by [`Done`].
    Revoke { id: String },
    /// What the person is asked: answered by [`Asked`] now and at each change.
    Watch,
    /// An answer to that: answered by [`Done`].
    Answer { id: u64, answer: GrantAnswer },
}

/// Whether it was done: no, where there is no such grant or question.
#[derive(Debug, Serialize, Deserialize)]
pub struct Done {
    pub done: bool,
}

/// What the person is asked by one process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    pub questions: Vec<GrantQuestion>,
}

/// The socket of this process.
pub struct Control {
    task: AbortHandle,
    _socket: Socket,
}

impl Control {
    /// Listens in the first of the folders where that can be.
    ///
    /// # Errors
    /// Those of the first folder.
    pub fn open(paths: &Paths, agent: Weak<Inner>) -> Result<Self> {
        let name = format!("{}-{:x}-{:04x}", here(), std::process::id(), rand::random::<u16>());
        let open = |folder: PathBuf| {
            private_file::ensure_folder(&folder)?;
            bind_socket(&folder.join(format!("{name}.{EXTENSION}")))
        };
        let mut folders = paths.grants_dirs().into_iter();
        let first = folders.next().map_or_else(|| open(PathBuf::new()), open);
        let opened =
            folders.fold(first, |opened, folder| opened.or_else(|why| open(folder).map_err(|_| why)));
        let (listener, socket) = opened.map_err(|why| out_of_reach(&why))?;
        let task = tasks::spawn(serve(listener, agent)).abort_handle();
        Ok(Self { task, _socket: socket })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn out_of_reach(why: &Error) -> Error {
    let message = format!("What is lent could not be listed or revoked: {}", why.message());
    Error::new(why.code(), message).with_hint("Set `XDG_RUNTIME_DIR` to a short folder of your own.")
}

/// The sockets of this machine's processes, dead ones too.
pub fn sockets(paths: &Paths) -> Vec<PathBuf> {
    let folders = paths.grants_dirs();
    let entries = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let (begin, end) = (format!("{}-", here()), format!(".{EXTENSION}"));
    let is_ours = |name: &str| name.starts_with(&begin) && name.ends_with(&end);
    let ours = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_ours));
    ours.map(|entry| entry.path()).collect()
}

/// This machine, in a few characters: a home folder may be on several, and a socket leads to its own only.
fn here() -> String {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(rustix::system::uname().nodename().to_bytes());
    digest.iter().take(3).map(|byte| format!("{byte:02x}")).collect()
}

/// Answers what is asked of an agent, as long as there is one.
struct Answering(Weak<Inner>);

impl ConnectionHandler for Answering {
    fn serve(
        &self,
        stream: Box<dyn Stream>,
        _: Client,
        under_way: UnderWay,
    ) -> impl Future<Output = ()> + Send + 'static {
        answer_connection(stream, self.0.clone(), under_way)
    }
}

async fn serve(listener: UnixListener, agent: Weak<Inner>) {
    let mut connections = Connections::default();
    let listeners = [Listener::Unix(listener)];
    accept_until(&listeners, BOUNDS, &Answering(agent), &mut connections, std::future::pending()).await;
}

async fn answer_connection(stream: Box<dyn Stream>, agent: Weak<Inner>, under_way: UnderWay) {
    let (read, mut write) = split(stream);
    let mut line = String::new();
    let mut read = BufReader::new(read.take(MAX_LINE));
    let Ok(Ok(1..)) = tokio::time::timeout(LINE_TIME, read.read_line(&mut line)).await else { return };
    let _asking = under_way.begin();
    let Ok(ask) = serde_json::from_str(&line) else { return };
    let Some(agent) = agent.upgrade().map(Agent) else { return };
    let _ = match ask {
        Ask::List => say(&mut write, &Grants { grants: agent.reports() }).await,
        Ask::Revoke { id } => say(&mut write, &Done { done: agent.revoke(&id) }).await,
        Ask::Answer { id, answer } => {
            say(&mut write, &Done { done: agent.questions().answer(id, answer) }).await
        }
        Ask::Watch => watch(&mut write, read.into_inner().into_inner(), agent).await,
    };
}

/// Tells what is asked, at each change, until nobody listens.
async fn watch(
    write: &mut WriteHalf<Box<dyn Stream>>,
    mut read: ReadHalf<Box<dyn Stream>>,
    agent: Agent,
) -> std::io::Result<()> {
    let questions = agent.questions().clone();
    // Whoever only listens does not keep an agent alive.
    drop(agent);
    let mut changes = questions.changes();
    loop {
        changes.mark_unchanged();
        say(write, &Asked { questions: questions.open() }).await?;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            _ = read.read_u8() => return Ok(()),
        }
    }
}

async fn say(write: &mut WriteHalf<Box<dyn Stream>>, what: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    write.write_all(&line).await
}
