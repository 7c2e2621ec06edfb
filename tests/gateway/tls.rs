//! An API as vendors serve it: HTTPS with a certificate to be believed, HTTP/2 by ALPN. Played by nginx.

use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::common::{TestDir, eventually};
use crate::fixture::Served;

/// nginx with a certificate of an authority of its own; ended when dropped.
struct Nginx {
    child: std::process::Child,
    port: u16,
    ca: std::path::PathBuf,
    /// Its files.
    _dir: TestDir,
}

impl Nginx {
    /// `None` where there is no nginx.
    fn start() -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let Some(program) = program else {
            println!("skipped: no nginx here (`make deps` installs it where apt-get is)");
            return None;
        };
        let dir = TestDir::new();
        let folder = dir.path();
        let ca = certificate(folder);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let at = folder.display();
        let text = format!(
            "daemon off; master_process off; pid {at}/nginx.pid; error_log stderr crit; events {{ worker_connections 64; }}\n\
             http {{ access_log off; client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;\n\
             uwsgi_temp_path {at}/d; scgi_temp_path {at}/e;\n\
             server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;\n\
             location / {{ default_type text/plain; return 200 '$server_protocol $http_host $http_user_agent.'; }} }} }}\n"
        );
        let config = folder.join("nginx.conf");
        std::fs::write(&config, text).unwrap();
        let child = Command::new(program).arg("-c").arg(&config).stderr(Stdio::null()).spawn().unwrap();
        eventually("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self { child, port, ca, _dir: dir })
    }

    fn served(&self, ca: Option<&Path>) -> Served {
        Served::with_key_at(&format!("https://localhost:{}", self.port), |command| {
            if let Some(ca) = ca {
                command.env("SSL_CERT_FILE", ca);
            }
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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
    let Some(nginx) = Nginx::start() else { return };
    let served = nginx.served(Some(&nginx.ca));
    for _ in 0..2 {
        let (head, body) = served.get("/x", "user-agent: me/1\r\n");
        assert_eq!((head.status(), body), (200, format!("HTTP/2.0 localhost:{} me/1.", nginx.port)));
        assert!(head.line.starts_with("HTTP/1.1 "), "{}", head.line);
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_a_502_that_says_so() {
    let Some(nginx) = Nginx::start() else { return };
    let (head, body) = nginx.served(None).get("/x", "");
    assert_eq!(head.status(), 502);
    assert!(body.contains("certificate") && body.contains("SSL_CERT_FILE"), "{body}");
}
