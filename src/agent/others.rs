//! The grants of all processes of this user, by their sockets.
//!
//! Guarantees: a process that hangs holds up nothing for long; what a dead one left is removed. The order is
//! that in which the grants were made.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::control::{Ask, Asked, Done, sockets};
use crate::error::{Code, Error, Result};
use crate::paths::Paths;
use crate::protocol::{GrantAnswer, GrantQuestion, GrantReport, Grants};
use crate::tasks::{self, Work};

/// Longest wait for one process.
const WAIT: Duration = Duration::from_secs(2);
/// How often a [`Watch`] looks for processes that are new.
const LOOK: Duration = Duration::from_millis(500);

/// Every grant of this user on this machine, the oldest first.
pub async fn all(paths: &Paths) -> Vec<GrantReport> {
    let mut asking: JoinSet<_> = sockets(paths)
        .into_iter()
        .map(|socket| -> Work<_> { Box::pin(async move { ask::<Grants>(&socket, &Ask::List).await }) })
        .collect();
    let mut grants = Vec::new();
    while let Some(answered) = asking.join_next().await {
        grants.extend(answered.ok().and_then(io::Result::ok).map(|said| said.grants).unwrap_or_default());
    }
    grants.sort_by(|one, other| (one.began, &one.id).cmp(&(other.began, &other.id)));
    grants
}

/// What came of asking one process.
pub enum Heard {
    /// What it lends.
    Grants(Vec<GrantReport>),
    /// It is gone, and so is its socket now.
    Gone,
    /// It does not answer.
    Nothing,
}

/// Asks one process what it lends.
pub async fn hear(socket: &Path) -> Heard {
    match ask::<Grants>(socket, &Ask::List).await {
        Ok(said) => Heard::Grants(said.grants),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            Heard::Gone
        }
        Err(_) => Heard::Nothing,
    }
}

/// Ends a grant, whichever process serves it.
///
/// # Errors
/// `invalid_argument` if there is none of this name; `timeout` if a process does not answer, whose it may be.
pub async fn revoke(paths: &Paths, id: &str) -> Result<()> {
    let mut silent = None;
    for socket in sockets(paths) {
        let asked = Ask::Revoke { id: id.to_owned() };
        match ask::<Done>(&socket, &asked).await {
            Ok(said) if said.done => return Ok(()),
            Err(error) if error.kind() == ErrorKind::TimedOut => silent = Some(socket),
            _ => {}
        }
    }
    if let Some(socket) = silent {
        return Err(hangs(&socket));
    }
    Err(Error::new(Code::InvalidArgument, "There is no grant of this name.")
        .with_hint("`convocations grants` lists those there are; one that has ended is gone."))
}

/// A process that does not answer: what it lends is not known, and was not ended.
pub(super) fn hangs(socket: &Path) -> Error {
    let message = format!("A process that lends does not answer at `{}`.", socket.display());
    Error::new(Code::Timeout, message)
        .with_hint("If it hangs, end it; the process's number is in the name, in hexadecimal.")
}

/// What the person is asked by all processes, from now on.
pub struct Watch {
    paths: Paths,
    listening: HashSet<PathBuf>,
    heard: mpsc::UnboundedReceiver<(PathBuf, Option<Asked>)>,
    tell: mpsc::UnboundedSender<(PathBuf, Option<Asked>)>,
    asked: BTreeMap<PathBuf, Vec<GrantQuestion>>,
    look: tokio::time::Interval,
}

/// A question, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elsewhere {
    socket: PathBuf,
    /// The question.
    pub question: GrantQuestion,
}

impl Watch {
    /// Begins. Needs a tokio runtime.
    pub fn new(paths: &Paths) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let look = tokio::time::interval(LOOK);
        Self { paths: paths.clone(), listening: HashSet::new(), heard, tell, asked: BTreeMap::new(), look }
    }

    /// Waits for a change; what is asked then.
    pub async fn next(&mut self) -> Vec<Elsewhere> {
        loop {
            tokio::select! {
                _ = self.look.tick() => self.listen_to_new(),
                Some((socket, asked)) = self.heard.recv() => {
                    match asked {
                        Some(asked) => drop(self.asked.insert(socket, asked.questions)),
                        None => {
                            self.listening.remove(&socket);
                            self.asked.remove(&socket);
                        }
                    }
                    return self.open();
                }
            }
        }
    }

    /// What is asked, as far as it was heard.
    pub fn open(&self) -> Vec<Elsewhere> {
        let all = self.asked.iter().flat_map(|(socket, questions)| {
            questions.iter().map(|question| Elsewhere { socket: socket.clone(), question: question.clone() })
        });
        all.collect()
    }

    fn listen_to_new(&mut self) {
        for socket in sockets(&self.paths) {
            if self.listening.insert(socket.clone()) {
                tasks::spawn(listen(socket, self.tell.clone()));
            }
        }
    }
}

impl Elsewhere {
    /// Whether it is the same question; who waits for it may have changed.
    pub fn is(&self, other: &Self) -> bool {
        self.socket == other.socket && self.question.id == other.question.id
    }

    /// Answers it; `false` if it is no longer asked, or too new to have been read.
    pub async fn answer(&self, answer: GrantAnswer) -> bool {
        let asked = Ask::Answer { id: self.question.id, answer };
        ask::<Done>(&self.socket, &asked).await.is_ok_and(|said| said.done)
    }
}

async fn listen(socket: PathBuf, tell: mpsc::UnboundedSender<(PathBuf, Option<Asked>)>) {
    if let Ok(mut lines) = say(&socket, &Ask::Watch).await {
        while let Ok(asked) = line::<Asked>(&mut lines).await {
            if tell.send((socket.clone(), Some(asked))).is_err() {
                return;
            }
        }
    }
    let _ = tell.send((socket, None));
}

/// Asks one process.
async fn ask<T: DeserializeOwned>(socket: &Path, ask: &Ask) -> io::Result<T> {
    let asked = async { line(&mut say(socket, ask).await?).await };
    tokio::time::timeout(WAIT, asked).await.map_err(|_| ErrorKind::TimedOut)?
}

async fn say(socket: &Path, ask: &Ask) -> io::Result<BufReader<UnixStream>> {
    let mut stream = match UnixStream::connect(socket).await {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            let _ = std::fs::remove_file(socket);
            return Err(error);
        }
        connected => connected?,
    };
    let mut line = serde_json::to_vec(ask)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(BufReader::new(stream))
}

async fn line<T: DeserializeOwned>(lines: &mut BufReader<UnixStream>) -> io::Result<T> {
    let mut line = String::new();
    match lines.read_line(&mut line).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(serde_json::from_str(&line)?),
    }
}
