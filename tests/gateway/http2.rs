//! An API that speaks HTTP/2, frame by frame (RFC 9113): where an answer is whole and where it is cut.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::common::TestDir;
use crate::fixture::Served;
use crate::tls::certificate;

type Tls = StreamOwned<ServerConnection, TcpStream>;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, by its place in the static table (RFC 7541, A).
const STATUS_200: [u8; 1] = [0x88];
const NO_ERROR: [u8; 4] = [0; 4];

/// An API whose first stream is answered by these frames.
struct Api {
    address: SocketAddr,
    ca: PathBuf,
    /// Its files.
    _dir: TestDir,
}

impl Api {
    fn answering(frames: &'static [(u8, u8, &'static [u8])]) -> Self {
        let dir = TestDir::new();
        let ca = certificate(dir.path());
        let config = Arc::new(config(&dir));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                answer(StreamOwned::new(connection, stream), frames);
            }
        });
        Self { address, ca, _dir: dir }
    }

    fn served(&self) -> Served {
        Served::with_key_at(&format!("https://localhost:{}", self.address.port()), |command| {
            command.env("SSL_CERT_FILE", &self.ca);
        })
    }
}

fn config(dir: &TestDir) -> ServerConfig {
    let certificate = CertificateDer::from_pem_file(dir.path().join("cert.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.path().join("key.pem")).unwrap();
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

fn answer(mut tls: Tls, frames: &[(u8, u8, &[u8])]) {
    // PRI * HTTP/2.0 …
    tls.read_exact(&mut [0; 24]).unwrap();
    send(&mut tls, SETTINGS, 0, 0, &[]);
    while let Some((kind, flags)) = next(&mut tls) {
        match kind {
            SETTINGS if flags & ACK == 0 => send(&mut tls, SETTINGS, ACK, 0, &[]),
            HEADERS => {
                frames.iter().for_each(|(kind, flags, payload)| send(&mut tls, *kind, *flags, 1, payload))
            }
            _ => {}
        }
    }
}

fn send(tls: &mut Tls, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
    let length = u8::try_from(payload.len()).unwrap();
    tls.write_all(&[&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()).unwrap();
}

/// The next frame's type and flags; `None` at the end of the connection.
fn next(tls: &mut Tls) -> Option<(u8, u8)> {
    let mut head = [0; 9];
    tls.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    tls.read_exact(&mut vec![0; length as usize]).ok()?;
    Some((head[3], head[4]))
}

/// RFC 9113, 8.1: such a reset follows a whole answer. In the middle of one it is a cut like any other.
#[test]
fn an_answer_that_is_reset_without_an_error_never_looks_complete() {
    let api = Api::answering(&[
        (HEADERS, END_HEADERS, &STATUS_200),
        (DATA, 0, b"half"),
        (RST_STREAM, 0, &NO_ERROR),
    ]);
    let served = api.served();
    let mut wire = served.connect();
    wire.send(format!("{}\r\n", served.head("GET", "/x")));
    assert_eq!(wire.head().unwrap().status(), 200);
    while let Ok(chunk) = wire.try_chunk() {
        assert!(chunk.is_some(), "the last chunk came");
    }
}

#[test]
fn an_answer_that_is_whole_before_all_of_the_request_was_taken_is_whole() {
    let api = Api::answering(&[
        (HEADERS, END_HEADERS, &STATUS_200),
        (DATA, END_STREAM, b"whole"),
        (RST_STREAM, 0, &NO_ERROR),
    ]);
    let served = api.served();
    let mut wire = served.connect();
    wire.send(format!("{}content-length: 5\r\n\r\nhe", served.head("POST", "/x")));
    let head = wire.head().unwrap();
    assert_eq!((head.status(), wire.body(&head).as_slice()), (200, b"whole".as_slice()));
}
