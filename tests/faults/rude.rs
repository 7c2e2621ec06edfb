//! A server that is rude at a chosen moment of a connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// What it does with every connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Manners {
    /// Nobody listens at its address.
    Refuse,
    /// Resets at the first byte that it reads.
    ResetInTheRequest,
    /// Reads the request, says so many bytes of an answer, and resets.
    ResetAfter(usize),
    /// The same, and then never another word.
    SilentAfter(usize),
    /// An answer of one byte in 100 ms.
    Drip,
    /// What is not HTTP.
    Gibberish,
}

/// Of a good answer: the end of its first line, of its head, and of half of its body.
pub const IN_THE_HEAD: usize = 17;
pub const BEFORE_THE_BODY: usize = ANSWER_HEAD.len();
pub const IN_THE_BODY: usize = BEFORE_THE_BODY + 40;

const ANSWER_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 91\r\n\r\n";
const ANSWER_BODY: &str =
    "{\"access_token\":\"planted-by-the-rude\",\"refresh_token\":\"planted-too\",\"expires_in\":28800   }";

/// Serves until the test process ends, and returns `127.0.0.1:PORT`.
pub fn serve(manners: Manners) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    if manners == Manners::Refuse {
        return address;
    }
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || behave(stream, manners));
        }
    });
    address
}

fn behave(mut stream: TcpStream, manners: Manners) {
    let answer = format!("{ANSWER_HEAD}{ANSWER_BODY}").into_bytes();
    if manners == Manners::ResetInTheRequest {
        let _ = stream.read(&mut [0]);
        return reset(stream);
    }
    read_request(&mut stream);
    // An error says that the other side has gone, which ends it in any case.
    match manners {
        Manners::ResetAfter(length) => {
            let _ = stream.write_all(&answer[..length]);
            // A reset overtakes what was said and not read yet; nothing tells when it has been.
            std::thread::sleep(Duration::from_millis(200));
            reset(stream);
        }
        Manners::SilentAfter(length) => {
            let _ = stream.write_all(&answer[..length]);
            let _ = stream.read(&mut [0]);
        }
        Manners::Drip => {
            for byte in answer {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Manners::Gibberish => drop(stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\x00\x01\r\n\r\n")),
        Manners::Refuse | Manners::ResetInTheRequest => {}
    }
}

fn read_request(stream: &mut TcpStream) {
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return;
            }
        }
        match stream.read(&mut chunk) {
            // What begins a TLS handshake is no HTTP and never will be.
            Ok(count) if count > 0 && (!all.is_empty() || chunk[0] != 0x16) => {
                all.extend_from_slice(&chunk[..count]);
            }
            _ => return,
        }
    }
}

/// Ends a connection with RST, as a firewall does.
fn reset(stream: TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value is a `linger`, of its own size.
    let set = unsafe {
        let (value, size) = ((&raw const linger).cast(), size_of::<libc::linger>() as libc::socklen_t);
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, value, size)
    };
    assert_eq!(set, 0);
}
