//! An API as vendors serve it: HTTPS with a certificate to be believed, HTTP/2 by ALPN. Played by nginx.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::common::TestDir;
use crate::common::nginx::{self, Nginx};
use crate::fixture::Served;

/// nginx with a certificate of an authority of its own.
struct Site {
    port: u16,
    ca: std::path::PathBuf,
    _nginx: Nginx,
    /// Its files.
    _dir: TestDir,
}

impl Site {
    /// `None` where there is no nginx.
    fn start() -> Option<Self> {
        let (dir, port) = (TestDir::new(), nginx::free_port());
        let ca = certificate(dir.path());
        let at = dir.path().display();
        let http = format!(
            "server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;\n\
             location / {{ default_type text/plain; return 200 '$server_protocol $http_host $http_user_agent.'; }} }}\n"
        );
        let nginx = Nginx::start(&dir, port, &http)?;
        Some(Self { port, ca, _nginx: nginx, _dir: dir })
    }

    fn served(&self, ca: Option<&Path>) -> Served {
        Served::with_key_at(&format!("https://localhost:{}", self.port), |command| {
            if let Some(ca) = ca {
                command.env("SSL_CERT_FILE", ca);
            }
        })
    }
}

/// Writes a key and a certificate for `localhost`; returns the authority's file.
fn certificate(folder: &Path) -> std::path::PathBuf {
    let mut authority = CertificateParams::new(Vec::<String>::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let file = folder.join("ca.pem");
    std::fs::write(&file, ca.pem()).unwrap();
    file
}

#[test]
fn an_https_api_is_spoken_to_by_http2_under_its_own_name() {
    let Some(site) = Site::start() else { return };
    let served = site.served(Some(&site.ca));
    for _ in 0..2 {
        let (head, body) = served.get("/x", "user-agent: me/1\r\n");
        assert_eq!((head.status(), body), (200, format!("HTTP/2.0 localhost:{} me/1.", site.port)));
        assert!(head.line.starts_with("HTTP/1.1 "), "{}", head.line);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_a_502_that_says_so() {
    let Some(site) = Site::start() else { return };
    let (head, body) = site.served(None).get("/x", "");
    assert_eq!(head.status(), 502);
    assert!(body.contains("certificate") && body.contains("SSL_CERT_FILE"), "{body}");
}
