//! The configuration for nginx in doc/authority.md, with a real nginx before two instances.

use std::net::SocketAddr;

use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};

use crate::common::TestDir;
use crate::common::nginx::{self, Nginx};
use crate::sites::{Running, authority, openrouter, parameter};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const REDIRECT: &str = "http://127.0.0.1/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The documented configuration with our addresses in it. Everything else is nginx's to understand.
fn documented(port: u16, instances: &[SocketAddr], dir: &TestDir) -> String {
    let doc = include_str!("../../doc/authority.md");
    let block = doc.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let place = |name: &str| dir.path().join(name).display().to_string();
    let mut text = block.to_owned();
    for (theirs, ours) in [
        ("10.0.0.11:8787", instances[0].to_string()),
        ("10.0.0.12:8787", instances[1].to_string()),
        ("listen 443 ssl", format!("listen 127.0.0.1:{port} ssl")),
        ("auth.example.com;\n    ssl_certificate ", "localhost;\n    ssl_certificate ".to_owned()),
        ("/etc/ssl/auth.example.com.pem", place("certificate.pem")),
        ("/etc/ssl/auth.example.com.key", place("key.pem")),
    ] {
        assert!(text.contains(theirs), "{theirs} is no longer in the documented configuration");
        text = text.replace(theirs, &ours);
    }
    text
}

/// Makes nginx's certificate in the folder, and returns it.
fn certificate(dir: &TestDir) -> Vec<u8> {
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.path().join("certificate.pem"), key.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), key.signing_key.serialize_pem()).unwrap();
    key.cert.pem().into_bytes()
}

/// nginx before two instances that share a secret, and a client that believes its certificate.
struct Front {
    base: String,
    http: Client,
    instances: [Running; 2],
    _nginx: Nginx,
    _dir: TestDir,
}

impl Front {
    /// `None` where there is no nginx.
    async fn start(rates: &str) -> Option<Self> {
        let dir = TestDir::new();
        let secret = dir.path().join("shared.secret");
        std::fs::write(&secret, SECRET).unwrap();
        std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let port = nginx::free_port();
        let base = format!("https://localhost:{port}");
        let upstream = openrouter(false);
        let instance = || {
            authority(&upstream, |settings| {
                settings.public_url = Some(base.clone());
                settings.secret_file = Some(secret.clone());
                settings.trust_forwarded_for = true;
                settings.metrics = Some("127.0.0.1:0".parse().unwrap());
                settings.rates = settings.rates.map(|all| all.with(rates.parse().unwrap()));
            })
        };
        let instances = [instance(), instance()];
        let site = documented(port, &[instances[0].address, instances[1].address], &dir);
        let certificate = certificate(&dir);
        let nginx = Nginx::start(&dir, port, &site)?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only([reqwest::Certificate::from_pem(&certificate).unwrap()])
            .build()
            .unwrap();
        Some(Self { base, http, instances, _nginx: nginx, _dir: dir })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn register(&self, forwarded: &str) -> Response {
        let body = json!({ "redirect_uris": [REDIRECT], "client_name": "Behind nginx" });
        let request = self.http.post(self.url("/register")).header("x-forwarded-for", forwarded);
        request.json(&body).send().await.unwrap()
    }

    /// A whole sign-in, each request to whichever instance nginx takes; returns the token endpoint's answer.
    async fn sign_in(&self) -> Value {
        let client: Value = self.register("192.0.2.1").await.json().await.unwrap();
        let id = client["client_id"].as_str().unwrap();
        let query = [
            ("response_type", "code"),
            ("client_id", id),
            ("redirect_uri", REDIRECT),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
            ("state", &"s".repeat(1000)),
        ];
        let url = Url::parse_with_params(&self.url("/authorize"), query).unwrap();
        let page = self.http.get(url).send().await.unwrap();
        let cookies = cookies(&page);
        let html = page.text().await.unwrap();
        let sealed = html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
        let decide =
            self.http.post(self.url("/authorize")).header("cookie", &cookies).header("origin", &self.base);
        let away = decide.form(&[("request", sealed), ("decision", "allow")]).send().await.unwrap();
        assert!(location(&away).as_str().contains("callback_url"), "{:?}", away.status());
        let cookies = self::cookies(&away);
        let callback = self.http.get(self.url("/callback?code=upstream-code")).header("cookie", &cookies);
        let back = location(&callback.send().await.unwrap());
        assert_eq!(parameter(&back, "iss"), self.base);
        let code = parameter(&back, "code");
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", id),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
            ("code", &code),
        ];
        self.http.post(self.url("/token")).form(&form).send().await.unwrap().json().await.unwrap()
    }
}

fn cookies(response: &Response) -> String {
    let all = response.headers().get_all("set-cookie").iter();
    let pairs = all.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn location(response: &Response) -> Url {
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_nginx_spreads_sign_ins_over_two_instances() {
    let Some(front) = Front::start("register=1000/1h").await else { return };
    let metadata = front.http.get(front.url("/.well-known/oauth-authorization-server")).send().await.unwrap();
    assert_eq!(metadata.json::<Value>().await.unwrap()["issuer"], front.base.as_str());
    for _ in 0..3 {
        assert_eq!(front.sign_in().await["access_token"], "sk-or-v1-test");
    }
    for instance in &front.instances {
        let metrics = format!("http://{}/metrics", instance.metrics.unwrap());
        let text = front.http.get(metrics).send().await.unwrap().text().await.unwrap();
        assert!(text.contains("requests_total{route="), "each has had some: {text}");
        assert!(!text.contains("status=\"5"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_the_documented_nginx_a_forged_address_frees_nobody() {
    let Some(front) = Front::start("register=2/1h").await else { return };
    let mut held = 0;
    for number in 0..8 {
        let reply = front.register(&format!("198.51.100.{number}")).await;
        if reply.status() == StatusCode::TOO_MANY_REQUESTS {
            let error: Value = reply.json().await.unwrap();
            assert_eq!(error["error"], "temporarily_unavailable", "by an instance");
            held += 1;
        }
    }
    assert_eq!(held, 4, "two of two instances each were let through");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_nginx_holds_back_a_flood() {
    let Some(front) = Front::start("token=1000/1h").await else { return };
    let mut statuses = Vec::new();
    for _ in 0..200 {
        statuses.push(front.http.get(front.url("/healthz")).send().await.unwrap().status());
    }
    assert!(statuses[..40].iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS));
}
