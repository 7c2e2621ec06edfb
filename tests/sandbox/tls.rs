//! The same sandbox over TLS, with a certificate authority that was made a moment ago and that nobody trusts
//! until a test says so.

use std::error::Error;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A TLS listener on a free port that hands everything on to the plain one.
pub struct Tls {
    /// `https://localhost:PORT`.
    pub url: String,
    /// The authority's certificate, for `SSL_CERT_FILE`.
    pub ca_pem: String,
}

/// Listens until the process ends.
pub async fn listen(plain: u16) -> Result<Tls, Box<dyn Error>> {
    let (config, ca_pem) = identity()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("https://localhost:{}", listener.local_addr()?.port());
    tokio::spawn(async move {
        // A refused handshake is the client's affair.
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(relay(acceptor.clone(), stream, plain));
        }
    });
    Ok(Tls { url, ca_pem })
}

async fn relay(acceptor: TlsAcceptor, stream: TcpStream, plain: u16) {
    let (Ok(mut outer), Ok(mut inner)) =
        (acceptor.accept(stream).await, TcpStream::connect(("127.0.0.1", plain)).await)
    else {
        return;
    };
    // A connection that is cut on purpose ends here as an error.
    let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
}

fn identity() -> Result<(ServerConfig, String), Box<dyn Error>> {
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    // With one name for both, OpenSSL takes the server's certificate for one that signed itself.
    authority.distinguished_name.push(DnType::CommonName, "Convocations sandbox");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let ca_pem = authority.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((config, ca_pem))
}
