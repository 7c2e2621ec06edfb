//! An API as vendors serve it: HTTPS with a certificate to be believed, HTTP/2 by ALPN. Played by nginx.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::common::TestDir;
use crate::common::nginx::{self, Nginx};
use crate::common::proxy::proxy;
use crate::fixture::{Served, Upstream};

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
        self.served_with(ca, &[])
    }

    fn served_with(&self, ca: Option<&Path>, variables: &[(&str, &str)]) -> Served {
        Served::with_key_at(&format!("https://localhost:{}", self.port), |command| {
            command.envs(variables.iter().copied());
            if let Some(ca) = ca {
                command.env("SSL_CERT_FILE", ca);
            }
        })
    }
}

/// Writes a key and a certificate for `localhost`; returns the authority's file.
pub fn certificate(folder: &Path) -> std::path::PathBuf {
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

#[test]
fn an_https_api_is_reached_through_the_proxy_that_is_named() {
    let Some(site) = Site::start() else { return };
    let (proxy, asked) = proxy();
    let with_password = proxy.replace("http://", "http://me:word@");
    let served = site.served_with(Some(&site.ca), &[("HTTPS_PROXY", &with_password)]);
    let (head, body) = served.get("/x", "user-agent: me/1\r\n");
    assert_eq!((head.status(), body), (200, format!("HTTP/2.0 localhost:{} me/1.", site.port)));
    let tunnel = asked.try_recv().expect("the proxy was asked").to_lowercase();
    assert!(tunnel.starts_with(&format!("connect localhost:{} ", site.port)), "{tunnel}");
    assert!(tunnel.contains("proxy-authorization: basic bwu6d29yza=="), "{tunnel}");
    assert!(!tunnel.contains("me/1") && !tunnel.contains("user-agent"), "nothing of the request: {tunnel}");

    let by = site.served_with(Some(&site.ca), &[("HTTPS_PROXY", &proxy), ("NO_PROXY", "localhost")]);
    assert_eq!(by.get("/x", "").0.status(), 200);
    assert!(asked.try_recv().is_err(), "the proxy was passed by");

    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let lost = site.served_with(Some(&site.ca), &[("HTTPS_PROXY", &format!("http://{gone}"))]);
    let (head, body) = lost.get("/x", "");
    assert_eq!(head.status(), 502);
    assert!(body.contains("HTTPS_PROXY") && !body.contains(&gone.port().to_string()), "{body}");
}

#[test]
fn plain_http_to_this_machine_passes_no_proxy() {
    let (proxy, asked) = proxy();
    let upstream = Upstream::echo();
    let served = Served::with_key_at(&upstream.url(), |command| {
        for name in ["http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
            command.env(name, &proxy);
        }
    });
    assert_eq!(served.get("/x", "").0.status(), 200);
    assert!(asked.try_recv().is_err(), "the proxy was asked");
}
