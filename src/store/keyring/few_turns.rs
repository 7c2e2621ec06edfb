//! Reads an item of the Secret Service in four turns: the greeting of the bus, the search, the session, the
//! secret. libdbus takes six, since it waits after each line of its greeting.
//!
//! The session is asked for when the search was answered: gnome-keyring ends itself when it is asked for one
//! by a client that it has not taken note of yet, and it takes note beside what it is asked first (its issue
//! 190). A search that comes too early is merely refused.
//!
//! The greeting does not have to wait until somebody asks: it is no call of the keyring, and a bus that has
//! answered it by then answers the search at once. It is sent without waiting for anything, so that a bus
//! that hangs holds up nobody before a read does, whose limit is the same either way.
//!
//! Guarantees: answers only with the secret of the one item that the search finds, unlocked; anything else is
//! no answer, and whoever asked goes on as if this had not been tried. Ends at its limit, whatever hangs, so
//! that no thread has to be left behind; a bus that does not greet leaves half of it.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dbus::arg::{AppendAll, RefArg, Variant};
use dbus::{Message, Path};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use zeroize::Zeroizing;

use super::{DESTINATION, ITEM_INTERFACE, SERVICE_INTERFACE, SERVICE_PATH, Wire};
use crate::secret::Secret;
use crate::store::keyring::SERVICE;

/// The bus's own name, and its interface's.
const BUS: &str = "org.freedesktop.DBus";
/// Bytes of all answers at most; more is read the long way.
const MAX_ANSWERS: usize = 1 << 20;

/// A bus that was greeted, and that nobody has asked anything yet.
static GREETED: Mutex<Option<UnixStream>> = Mutex::new(None);

/// Greets the session's bus for the first read. Waits for nothing.
pub fn greet() {
    *greeted() = address().and_then(|bus| greet_at(&bus));
}

/// Leaves a bus that was greeted for nobody.
pub fn hang_up() {
    *greeted() = None;
}

fn greeted() -> MutexGuard<'static, Option<UnixStream>> {
    GREETED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn greet_at(bus: &SocketAddrUnix) -> Option<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok()?;
    connect(&socket, bus).ok()?;
    let mut stream = UnixStream::from(socket);
    stream.write_all(&greeting()).ok()?;
    stream.set_nonblocking(false).ok()?;
    Some(stream)
}

/// An item's secret.
pub fn read(account: &str, end: Instant) -> Option<Secret> {
    let greeted = greeted().take();
    match greeted {
        Some(stream) => read_by(Bus::new(stream, end), account),
        None => read_at(&address()?, account, end),
    }
}

fn read_at(bus: &SocketAddrUnix, account: &str, end: Instant) -> Option<Secret> {
    let mut bus = Bus::connect(bus, end)?;
    bus.send(&greeting())?;
    read_by(bus, account)
}

/// Reads from a bus that is being greeted.
fn read_by(mut bus: Bus, account: &str) -> Option<Secret> {
    let wanted = HashMap::from([("service", SERVICE), ("username", account)]);
    bus.greeted()?;
    bus.answer(1)?;
    let found = bus.ask(2, call(DESTINATION, SERVICE_PATH, SERVICE_INTERFACE, "SearchItems", (wanted,)))?;
    let (unlocked, locked): (Vec<Path<'static>>, Vec<Path<'static>>) = found.read2().ok()?;
    let ([item], []) = (&*unlocked, &*locked) else { return None };
    let plain = ("plain", Variant(Box::new(String::new()) as Box<dyn RefArg>));
    let opened = bus.ask(3, call(DESTINATION, SERVICE_PATH, SERVICE_INTERFACE, "OpenSession", plain))?;
    let (_, session): (Variant<Box<dyn RefArg>>, Path<'static>) = opened.read2().ok()?;
    let told = bus.ask(4, call(DESTINATION, item, ITEM_INTERFACE, "GetSecret", (session,)))?;
    let wire: Wire = told.read1().ok()?;
    let secret = Zeroizing::new(wire.2);
    Some(Secret::new(std::str::from_utf8(&secret).ok()?))
}

/// Where the session's bus listens, if that is one socket of a plain name: what else an address may be
/// libdbus knows.
fn address() -> Option<SocketAddrUnix> {
    let default = || {
        let mut bus = OsString::from("unix:path=");
        bus.push(std::path::Path::new(&env::var_os("XDG_RUNTIME_DIR")?).join("bus"));
        Some(bus)
    };
    let text = env::var_os("DBUS_SESSION_BUS_ADDRESS").or_else(default)?;
    parse(text.to_str()?)
}

fn parse(text: &str) -> Option<SocketAddrUnix> {
    if text.contains(['%', ';']) {
        return None;
    }
    let mut parts = text.strip_prefix("unix:")?.split(',').filter_map(|part| part.split_once('='));
    match parts.find(|(key, _)| *key != "guid")? {
        ("path", path) => SocketAddrUnix::new(path).ok(),
        ("abstract", name) => SocketAddrUnix::new_abstract_name(name.as_bytes()).ok(),
        _ => None,
    }
}

/// "I am the user that the kernel tells you", the begin of messages, and the first of them.
fn greeting() -> Vec<u8> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
    let mut bytes = format!("\0AUTH EXTERNAL {user}\r\nBEGIN\r\n").into_bytes();
    add(&mut bytes, 1, call(BUS, "/org/freedesktop/DBus", BUS, "Hello", ()));
    bytes
}

fn call(to: &str, path: &str, interface: &str, method: &str, args: impl AppendAll) -> Message {
    Message::call_with_args(to, path, interface, method, args)
}

fn add(bytes: &mut Vec<u8>, serial: u32, mut message: Message) {
    message.set_serial(serial);
    let Ok(()) = message.marshal(|wire| {
        bytes.extend_from_slice(wire);
        Ok::<_, std::convert::Infallible>(())
    });
}

fn left(end: Instant) -> Option<Duration> {
    Some(end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
}

/// A connection to the bus, and what it has said that was not looked at yet.
struct Bus {
    stream: UnixStream,
    answers: Zeroizing<Vec<u8>>,
    end: Instant,
}

impl Bus {
    fn new(stream: UnixStream, end: Instant) -> Self {
        Self { stream, answers: Zeroizing::default(), end }
    }

    fn connect(address: &SocketAddrUnix, end: Instant) -> Option<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).ok()?;
        // A bus that takes no connection is waited for as long as one that takes no bytes.
        set_socket_timeout(&socket, Timeout::Send, Some(left(end)?)).ok()?;
        connect(&socket, address).ok()?;
        Some(Self::new(socket.into(), end))
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.set_write_timeout(Some(left(self.end)?)).ok()?;
        self.stream.write_all(bytes).ok()
    }

    /// Sends a question and waits for its answer.
    fn ask(&mut self, serial: u32, question: Message) -> Option<Message> {
        let mut bytes = Vec::new();
        add(&mut bytes, serial, question);
        self.send(&bytes)?;
        self.answer(serial)
    }

    /// Reads on.
    fn more(&mut self, end: Instant) -> Option<()> {
        self.stream.set_read_timeout(Some(left(end)?)).ok()?;
        let mut piece = Zeroizing::new([0; 4096]);
        let count = self.stream.read(&mut *piece).ok().filter(|count| *count > 0)?;
        self.answers.extend_from_slice(&piece[..count]);
        (self.answers.len() <= MAX_ANSWERS).then_some(())
    }

    /// The bus's line of welcome.
    fn greeted(&mut self) -> Option<()> {
        let now = Instant::now();
        let end = now + self.end.saturating_duration_since(now) / 2;
        let length = loop {
            if let Some(at) = self.answers.windows(2).position(|two| two == b"\r\n") {
                break at + 2;
            }
            self.more(end)?;
        };
        let is_welcome = self.answers.starts_with(b"OK ");
        self.answers.drain(..length);
        is_welcome.then_some(())
    }

    /// The answer to a message, which is no error. Those before it, and signals, are passed over.
    fn answer(&mut self, serial: u32) -> Option<Message> {
        loop {
            let length = Message::demarshal_bytes_needed(&self.answers).ok()?;
            if self.answers.len() < length {
                self.more(self.end)?;
                continue;
            }
            let mut message = Message::demarshal(&self.answers[..length]).ok()?;
            self.answers.drain(..length);
            if message.get_reply_serial() == Some(serial) {
                message.as_result().ok()?;
                return Some(message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use super::*;

    const WELCOME: &str = "OK 0123456789abcdef0123456789abcdef\r\n";

    /// What a bus with these items says to [`read_at`].
    fn answers(unlocked: &[&'static str], locked: &[&'static str]) -> Vec<u8> {
        let mut bytes = WELCOME.as_bytes().to_vec();
        let to = |serial| {
            let mut asked = call(DESTINATION, SERVICE_PATH, SERVICE_INTERFACE, "Anything", ());
            asked.set_serial(serial);
            asked
        };
        let paths = |items: &[&'static str]| items.iter().map(|item| Path::from(*item)).collect::<Vec<_>>();
        let empty = Variant(Box::new(String::new()) as Box<dyn RefArg>);
        let session = Path::from("/session/1");
        let wire: Wire = (session.clone(), Vec::new(), b"sk-or-v1-secret".to_vec(), "text/plain".to_owned());
        add(&mut bytes, 1, to(1).return_with_args((":1.7",)));
        let signal = Message::new_signal("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameAcquired");
        add(&mut bytes, 2, signal.unwrap());
        add(&mut bytes, 3, to(2).return_with_args((paths(unlocked), paths(locked))));
        add(&mut bytes, 4, to(3).return_with_args((empty, session)));
        add(&mut bytes, 5, to(4).return_with_args((wire,)));
        bytes
    }

    fn read_from(said: &[u8], limit: Duration) -> (Option<Secret>, String) {
        with_bus(said, |bus| read_at(bus, ACCOUNT, Instant::now() + limit))
    }

    /// As [`read_from`], by a greeting that was sent before.
    fn read_greeted(said: &[u8], limit: Duration) -> (Option<Secret>, String) {
        with_bus(said, |bus| {
            let stream = greet_at(bus).unwrap();
            read_by(Bus::new(stream, Instant::now() + limit), ACCOUNT)
        })
    }

    /// Works with a bus that says this, in pieces, and then nothing for as long as anybody listens; with what
    /// the bus was sent.
    fn with_bus(
        said: &[u8],
        read: impl FnOnce(&SocketAddrUnix) -> Option<Secret>,
    ) -> (Option<Secret>, String) {
        let name = format!("convocations-test-{:032x}", rand::random::<u128>());
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        std::thread::scope(|scope| {
            let bus = scope.spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                for piece in said.chunks(7) {
                    // A reader that has seen enough may be gone.
                    let _ = stream.write_all(piece);
                }
                let mut heard = Vec::new();
                let _ = stream.read_to_end(&mut heard);
                String::from_utf8_lossy(&heard).into_owned()
            });
            let secret = read(&address);
            (secret, bus.join().unwrap())
        })
    }

    const LONG: Duration = Duration::from_secs(20);
    const ACCOUNT: &str = "convocations-openrouter-1";

    #[test]
    fn the_one_unlocked_item_is_read() {
        for read in [read_from, read_greeted] {
            let (secret, heard) = read(&answers(&["/item/1"], &[]), LONG);
            assert_eq!(secret.unwrap().expose(), "sk-or-v1-secret");
            assert!(heard.starts_with("\0AUTH EXTERNAL ") && heard.contains("\r\nBEGIN\r\n"), "{heard:?}");
            assert_eq!(heard.matches("Hello").count(), 1, "{heard:?}");
            for part in ["OpenSession", ACCOUNT, "/item/1", "GetSecret", "/session/1"] {
                assert!(heard.contains(part), "{part}: {heard:?}");
            }
        }
    }

    #[test]
    fn a_greeting_waits_for_nothing_and_speaks_of_no_keyring() {
        let name = format!("convocations-test-{:032x}", rand::random::<u128>());
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
        assert!(greet_at(&address).is_none(), "there is no bus");
        // This one takes no connection and reads nothing until it was greeted, and left.
        let listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap();
        drop(greet_at(&address).unwrap());
        let mut heard = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, greeting());
        assert!(!String::from_utf8_lossy(&heard).contains(DESTINATION));
    }

    #[test]
    fn one_that_was_greeted_and_hangs_costs_a_read_its_limit() {
        assert!(read_greeted(&[], Duration::from_millis(50)).0.is_none());
    }

    #[test]
    fn what_is_not_plainly_there_is_left_to_the_long_way() {
        let none: [(&[&str], &[&str]); 4] =
            [(&[], &[]), (&[], &["/item/1"]), (&["/item/1", "/item/2"], &[]), (&["/item/1"], &["/item/2"])];
        for (unlocked, locked) in none {
            let (secret, heard) = read_from(&answers(unlocked, locked), LONG);
            // Nor is a session asked for, which a search has to be answered before.
            assert!(secret.is_none() && !heard.contains("OpenSession"), "{unlocked:?} {locked:?}");
        }
    }

    #[test]
    fn a_bus_that_refuses_breaks_off_or_talks_nonsense_gets_no_further() {
        let good = answers(&["/item/1"], &[]);
        let mut nonsense = WELCOME.as_bytes().to_vec();
        nonsense.extend([0xff; 64]);
        let mut asked = call(DESTINATION, SERVICE_PATH, SERVICE_INTERFACE, "Anything", ());
        let mut error = WELCOME.as_bytes().to_vec();
        asked.set_serial(1);
        add(&mut error, 8, asked.return_with_args((":1.7",)));
        asked.set_serial(2);
        add(&mut error, 9, asked.error(&"org.freedesktop.DBus.Error.AccessDenied".into(), c"no"));
        for said in [b"REJECTED EXTERNAL\r\n".to_vec(), nonsense, error] {
            assert!(read_from(&said, LONG).0.is_none());
        }
        // And one that goes silent, wherever that is.
        for length in [0, 20, WELCOME.len(), good.len() - 1] {
            assert!(read_from(&good[..length], Duration::from_millis(50)).0.is_none());
        }
    }

    #[test]
    fn addresses_of_one_plain_socket_are_known() {
        let path = |name: &str| SocketAddrUnix::new(name).ok();
        assert_eq!(parse("unix:path=/run/user/1000/bus"), path("/run/user/1000/bus"));
        assert_eq!(parse("unix:guid=0a,path=/tmp/bus"), path("/tmp/bus"));
        assert_eq!(parse("unix:path=/tmp/bus,guid=0a"), path("/tmp/bus"));
        let hidden = SocketAddrUnix::new_abstract_name(b"/tmp/dbus-1").ok();
        assert_eq!(parse("unix:abstract=/tmp/dbus-1"), hidden);
        for text in ["", "tcp:host=a,port=1", "unix:path=/a%20b", "unix:path=/a;unix:path=/b", "autolaunch:"]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
