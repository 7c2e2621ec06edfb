//! Attacks on the loopback listener, by raw sockets against a login that waits: after each of them the honest
//! answer still comes through.
//!
//! Here, and not in `tests/`: a listener is open only to its own login, and a public one would let the rest
//! of the program listen without one.

mod answers;
mod requests;
mod waiting;

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::pages::{Outcome, Words};
use super::params::{Answer, Expected, WithoutState};
use super::port::{self, Ports};
use super::server::{Listener, Site};
use crate::provider::CallbackBrings;
use crate::secret::Secret;
use crate::wording::Face;

const STATE: &str = "4f2c6e0b9d1a4f2c6e0b9d1a4f2c6e0b";
const DONE: &str = "/done/c0ffee";

/// A login that waits for its callback.
struct Login {
    listener: Listener,
    port: u16,
}

impl Login {
    async fn start() -> Self {
        Self::start_with(expected()).await
    }

    async fn start_with(expected: Expected) -> Self {
        let bound = port::bind(&Ports::Any { preferred: 0 }).await.unwrap();
        let site = Site {
            host: "localhost".into(),
            path: Secret::new("/callback"),
            done_path: Secret::new(DONE),
            expected,
            words: Words { provider: "Sandbox".into(), place: Face::Editor },
        };
        let listener = Listener::open(bound, site);
        Self { port: listener.port, listener }
    }

    fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn ignored(&self) -> u64 {
        self.listener.ignored.borrow().count
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// Sends bytes and reads to the end. An answer cut off by a reset counts as far as it came.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let _ = timeout(Duration::from_secs(10), read).await.expect("the listener ends every connection");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn request(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> String {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            head += &format!("Host: {}\r\n", self.host());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        self.raw(format!("{head}\r\n").as_bytes()).await
    }

    async fn get(&self, target: &str) -> String {
        self.request("GET", target, &[]).await
    }

    /// The honest browser's callback, with what browsers send along.
    async fn honest(&self) -> String {
        let navigation = [
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
            ("Sec-Fetch-User", "?1"),
            ("Upgrade-Insecure-Requests", "1"),
        ];
        self.request("GET", &right(), &navigation).await
    }

    /// The login is still there, and takes the right answer.
    async fn still_works(mut self) -> Self {
        assert!(self.honest().await.starts_with("HTTP/1.1 303 "));
        let code = Answer::Code(Secret::new("right-code"));
        assert_eq!(timeout(Duration::from_secs(5), self.listener.split().0).await.unwrap(), code);
        self
    }
}

fn expected() -> Expected {
    Expected {
        state: Some(Secret::new(STATE)),
        without_state: WithoutState::Refused,
        brings: CallbackBrings::Code,
        issuer: Some("https://id.example".into()),
        iss_required: false,
    }
}

fn right() -> String {
    format!("/callback?code=right-code&state={STATE}")
}

fn done() -> Outcome {
    Outcome::Done {
        identity: Some("<ada>@example.com".into()),
        store: crate::credential::BackendKind::Keyring,
    }
}

#[track_caller]
fn refused(answer: &str, status: u16) {
    let got = answer.split(' ').nth(1).unwrap_or_default();
    assert_eq!(got, status.to_string(), "{answer}");
    assert!(!answer.contains(STATE) && !answer.contains("c0ffee"), "tells a secret: {answer}");
    // What is no HTTP is answered before it comes to us, by a bare head.
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    assert!(body.is_empty() || is_guarded(head), "{answer}");
}

/// Rule 16: whatever a browser is shown carries these.
fn is_guarded(head: &str) -> bool {
    let head = format!("{}\r\n", head.to_ascii_lowercase());
    [
        "\r\ncontent-security-policy: default-src 'none'; style-src 'unsafe-inline'\r\n",
        "\r\nreferrer-policy: no-referrer\r\n",
        "\r\ncache-control: no-store\r\n",
        "\r\nx-content-type-options: nosniff\r\n",
        "\r\nx-frame-options: deny\r\n",
    ]
    .iter()
    .all(|header| head.contains(header))
}
