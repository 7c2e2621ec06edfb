//! An API that does what a test says, a gateway in front of it, and a client that writes bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::common::{Child, Sandbox, TestDir, eventually, log_in, run};

/// The key of the login `up`.
pub const SECRET: &str = "sk-up-0123456789abcdef";
/// Longest wait for a byte.
const LIMIT: Duration = Duration::from_secs(20);

/// One message's line and headers.
#[derive(Debug, Clone)]
pub struct Head {
    pub line: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The values of a header, in their order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A connection, whichever end of it.
pub struct Wire {
    reader: BufReader<TcpStream>,
}

impl Wire {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.reader.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Sends what may meet a closed connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.reader.get_mut().write_all(bytes).is_ok()
    }

    /// The next message's head; `None` at the end of the connection.
    pub fn head(&mut self) -> Option<Head> {
        let first = self.line()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some((name, value)) => headers.push((name.to_owned(), value.to_owned())),
                None => return Some(Head { line: first, headers }),
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
        }
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next chunk of a chunked body; `None` at its end. Panics if the connection ends first.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        self.try_chunk().expect("the body was cut off")
    }

    /// As above; `Err` if the connection ends first.
    pub fn try_chunk(&mut self) -> Result<Option<Vec<u8>>, ()> {
        let size = self.line().ok_or(())?;
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).map_err(|_| ())?;
        let mut bytes = vec![0; size + 2];
        if size == 0 {
            return Ok(None);
        }
        self.reader.read_exact(&mut bytes).map_err(|_| ())?;
        bytes.truncate(size);
        Ok(Some(bytes))
    }

    /// The trailers after the last chunk, up to the blank line.
    pub fn trailers(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line().filter(|line| !line.is_empty())).collect()
    }

    /// The body that a head announces.
    pub fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.header("transfer-encoding") == Some("chunked") {
            let body = std::iter::from_fn(|| self.chunk()).flatten().collect();
            self.trailers();
            return body;
        }
        self.bytes(head.header("content-length").map_or(0, |length| length.parse().unwrap()))
    }

    /// How many bytes still come before the end of the connection.
    pub fn rest(&mut self) -> usize {
        let mut count = 0;
        while let Ok(piece @ [_, ..]) = self.reader.fill_buf() {
            let length = piece.len();
            count += length;
            self.reader.consume(length);
        }
        count
    }

    /// Closes both directions.
    pub fn hang_up(&mut self) {
        let _ = self.reader.get_ref().shutdown(std::net::Shutdown::Both);
    }

    /// Sends pieces until the other side takes no more for a while; returns how many bytes it took.
    pub fn send_until_full(&mut self, piece: &[u8], times: usize) -> usize {
        let stream = self.reader.get_mut();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let mut taken = 0;
        for _ in 0..times {
            let mut rest = piece;
            while !rest.is_empty() {
                match stream.write(rest) {
                    Ok(count) => {
                        taken += count;
                        rest = &rest[count..];
                    }
                    Err(_) => {
                        stream.set_write_timeout(Some(LIMIT)).unwrap();
                        return taken;
                    }
                }
            }
        }
        taken
    }

    /// Whether the other side has closed, after at most [`LIMIT`].
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.fill_buf(), Ok([]) | Err(_))
    }
}

/// An API. Each request is given to the script, which reads the rest of it and answers.
pub struct Upstream {
    address: SocketAddr,
}

impl Upstream {
    /// `script` gets the connection, the head, and the request's number, from 0, over all connections.
    pub fn start(script: impl Fn(&mut Wire, &Head, usize) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (script, count) = (Arc::new(script), Arc::new(std::sync::atomic::AtomicUsize::new(0)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, count) = (Arc::clone(&script), Arc::clone(&count));
                std::thread::spawn(move || {
                    let mut wire = Wire::new(stream);
                    while let Some(head) = wire.head() {
                        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        script(&mut wire, &head, number);
                    }
                });
            }
        });
        Self { address }
    }

    /// One that answers every request with 200 and the request's head as it came, one line each.
    pub fn echo() -> Self {
        Self::start(|wire, head, _| {
            wire.body(head);
            let lines = head.headers.iter().map(|(name, value)| format!("{name}: {value}"));
            let text = std::iter::once(head.line.clone()).chain(lines).collect::<Vec<_>>().join("\n");
            reply(wire, 200, &text);
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A whole answer.
pub fn reply(wire: &mut Wire, status: u16, body: &str) {
    wire.send(format!("HTTP/1.1 {status} Some\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
}

/// A home whose login `up` holds a key for the API at an address.
pub fn home_with_key(url: &str) -> TestDir {
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.up]\nbase_url = \"{url}/base\"\n[providers.up.login.key]\ngrant = \"api-key\"\n"
    ));
    run(&mut dir.convocations(["secret", "set", "up"]), &format!("{SECRET}\n")).ok();
    dir
}

/// A home whose login `mycorp` has tokens that the sandbox makes and refreshes.
pub fn home_with_login(upstream: &Upstream, sandbox: &Sandbox) -> TestDir {
    let dir = TestDir::new();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n[providers.mycorp]\nissuer = \"{}\"\nscopes = [\"offline_access\"]\nbase_url = \"{}/base\"\n",
        sandbox.at("/generic"),
        upstream.url()
    ));
    log_in(&mut dir.convocations(["login", "mycorp", "--method", "browser"])).ok();
    dir
}

/// A gateway, its login's address and its key.
pub struct Served {
    pub dir: TestDir,
    pub child: Child,
    pub login: String,
    pub url: String,
    pub key: String,
}

impl Served {
    /// In front of an API whose key the login `up` holds.
    pub fn with_key(upstream: &Upstream) -> Self {
        Self::with_key_at(&upstream.url(), |_| {})
    }

    /// The same for an API anywhere, with an environment of its own.
    pub fn with_key_at(url: &str, adapt: impl Fn(&mut std::process::Command)) -> Self {
        Self::start(home_with_key(url), "up", adapt)
    }

    /// In front of an API whose tokens the sandbox makes and refreshes.
    pub fn with_login(upstream: &Upstream, sandbox: &Sandbox) -> Self {
        Self::start(home_with_login(upstream, sandbox), "mycorp", |_| {})
    }

    /// In front of a login of a home.
    pub fn start(dir: TestDir, login: &str, adapt: impl Fn(&mut std::process::Command)) -> Self {
        let mut command = dir.convocations(["gateway", login, "--json"]);
        adapt(&mut command);
        let child = Child::spawn(&mut command);
        let line = eventually("the line", || {
            child.stdout().lines().next().filter(|_| child.stdout().ends_with('\n')).map(str::to_owned)
        });
        let doors: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str| doors["logins"][login][name].as_str().unwrap().to_owned();
        let (url, key) = (text("url"), text("key"));
        Self { dir, child, login: login.to_owned(), url, key }
    }

    /// Another gateway for the same login, after the settings have changed.
    pub fn again(self) -> Self {
        let Self { dir, child, login, .. } = self;
        drop(child);
        Self::start(dir, &login, |_| {})
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.trim_start_matches("http://").split('/').next().unwrap()
    }

    /// A connection to it.
    pub fn connect(&self) -> Wire {
        Wire::new(TcpStream::connect(self.host()).unwrap())
    }

    /// A request's head with `Host` and key, ready for more headers; `path` begins with `/`.
    pub fn head(&self, method: &str, path: &str) -> String {
        format!(
            "{method} /{}{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n",
            self.login,
            self.host(),
            self.key
        )
    }

    /// A request without a body on a connection of its own, and the answer.
    pub fn get(&self, path: &str, headers: &str) -> (Head, String) {
        self.raw(&format!("{}{headers}\r\n", self.head("GET", path)))
    }

    /// A request with a body, likewise.
    pub fn post(&self, path: &str, headers: &str, body: &str) -> (Head, String) {
        let head = self.head("POST", path);
        self.raw(&format!("{head}{headers}content-length: {}\r\n\r\n{body}", body.len()))
    }

    /// Bytes as they stand, and the answer.
    pub fn raw(&self, request: &str) -> (Head, String) {
        let mut wire = self.connect();
        wire.send(request);
        let head = wire.head().expect("an answer");
        let body = wire.body(&head);
        (head, String::from_utf8(body).unwrap())
    }
}
