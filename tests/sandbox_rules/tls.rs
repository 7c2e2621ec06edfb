//! The TLS listener serves whoever trusts its authority, and nobody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::common::Sandbox;

fn front_page(url: &str, trusted: &[CertificateDer<'static>]) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted.to_vec());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let url = url::Url::parse(url).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(("127.0.0.1", url.port().unwrap()))?;
    let mut stream = StreamOwned::new(connection, socket);
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

#[test]
fn only_its_own_authority_opens_it() {
    let sandbox = Sandbox::start_with(&["--tls"]);
    let (url, pem) = sandbox.tls();
    let authority = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let answer = front_page(url, std::slice::from_ref(&authority)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("Sandbox"), "{answer}");
    let stranger = Sandbox::start_with(&["--tls"]);
    let other = CertificateDer::from_pem_slice(stranger.tls().1.as_bytes()).unwrap();
    let refusal = front_page(url, &[other]).unwrap_err().to_string();
    assert!(refusal.contains("certificate"), "{refusal}");
    assert!(front_page(sandbox.url(), &[authority]).is_err(), "no TLS on the plain port");
}
