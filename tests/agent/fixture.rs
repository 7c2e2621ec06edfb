//! A grant that is served, and clients that write bytes to it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use convocations::store::Store;
use serde_json::Value;

use crate::common::{Child, TestDir, eventually, run};
use crate::gateway::{Head, Upstream, reply};

/// Longest wait for a byte.
const LIMIT: Duration = Duration::from_secs(20);

/// A running `convocations agent`.
pub struct Lent {
    pub child: Child,
    pub id: String,
    pub address: String,
}

/// An answer, and every byte of it.
pub struct Answer {
    pub status: u16,
    pub whole: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.whole))
    }

    /// The code of the error in it.
    #[track_caller]
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("{}", self.whole)).to_owned()
    }

    /// Its status, and nothing else, as it should be.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.whole);
        self
    }
}

/// Where a grant's socket is in a test's folder.
pub fn socket(dir: &TestDir) -> PathBuf {
    dir.path().join("s/agent.sock")
}

impl Lent {
    /// Serves at the usual socket; `args` are the logins and the terms.
    pub fn start(dir: &TestDir, args: &[&str]) -> Self {
        let path = socket(dir);
        Self::start_at(dir, &["--socket", path.to_str().unwrap()], args)
    }

    /// Serves where `place` says.
    pub fn start_at(dir: &TestDir, place: &[&str], args: &[&str]) -> Self {
        let mut command = dir.convocations(["agent", "--json"]);
        Self::of(command.args(place).args(args))
    }

    /// Serves as a command says.
    pub fn of(command: &mut Command) -> Self {
        let child = Child::spawn(command);
        let line = eventually("the line", || {
            let is_whole = child.stdout().ends_with('\n');
            child.stdout().lines().next().filter(|_| is_whole).map(str::to_owned)
        });
        let opened: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| opened[name].as_str().unwrap().to_owned();
        Self { id: text("id"), address: text("address"), child }
    }

    /// Its socket.
    pub fn path(&self) -> PathBuf {
        self.address.strip_prefix("unix:").expect("a unix socket").into()
    }

    /// A connection to its socket.
    pub fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// A request at its socket, and the answer to its last byte.
    pub fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        ask(self.connect(), method, path, &format!("Host: agent\r\n{headers}"), body)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "")
    }

    /// Asks for a token.
    pub fn token(&self, login: &str, body: &str) -> Answer {
        self.ask("POST", &format!("/v1/token/{login}"), "", body)
    }

    /// Itself, as `grants --json` shows it.
    pub fn report(&self, dir: &TestDir) -> Option<Value> {
        grants(dir).into_iter().find(|grant| grant["id"] == self.id.as_str())
    }
}

/// Everything that is lent by this home.
pub fn grants(dir: &TestDir) -> Vec<Value> {
    let ran = run(&mut dir.convocations(["grants", "--json"]), "").ok();
    let all: Value = serde_json::from_str(&ran.stdout).unwrap();
    all["grants"].as_array().unwrap().clone()
}

/// A request on any connection, and the answer to its last byte.
pub fn ask(mut stream: impl Read + Write, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    // Who is turned away may be so before it has written.
    let _ = stream.write_all(request.as_bytes());
    let mut whole = Vec::new();
    let _ = stream.read_to_end(&mut whole);
    let whole = String::from_utf8_lossy(&whole).into_owned();
    let status = whole.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let body = whole.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Answer { status, whole, body }
}

/// A connection to `http://KEY@HOST`, and its parts.
pub fn connect_tcp(address: &str) -> (TcpStream, String, String) {
    let (key, host) = address.strip_prefix("http://").unwrap().split_once('@').unwrap();
    let stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    (stream, key.to_owned(), host.to_owned())
}

/// Reads until some text has come; panics if the stream ends first.
pub fn read_until(stream: &mut UnixStream, text: &str) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&read).contains(text) {
        match stream.read(&mut byte) {
            Ok(1) => read.push(byte[0]),
            _ => panic!("ended after {:?}", String::from_utf8_lossy(&read)),
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// What still comes, to the end.
pub fn rest(stream: &mut UnixStream) -> String {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    let _ = stream.shutdown(Shutdown::Both);
    String::from_utf8_lossy(&rest).into_owned()
}

/// An API that tells the test what came, and the client nothing of it.
pub fn discreet() -> (Upstream, mpsc::Receiver<Head>) {
    let (tell, heard) = mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let upstream = Upstream::start(move |wire, head, _| {
        wire.body(head);
        tell.lock().unwrap().send(head.clone()).unwrap();
        reply(wire, 200, "answered");
    });
    (upstream, heard)
}

/// Every secret of a stored login: what must not be seen.
pub fn secrets(dir: &TestDir, login: &str) -> Vec<String> {
    let paths = dir.paths();
    let config = convocations::config::Config::load(&paths, None).unwrap();
    let stored = Store::new(&paths, &config.store).read(&login.parse().unwrap()).unwrap().unwrap();
    let tokens = stored.tokens;
    let all = [Some(tokens.access_token), tokens.refresh_token, tokens.id_token, tokens.base_token];
    all.into_iter().flatten().map(|secret| secret.expose().to_owned()).collect()
}
