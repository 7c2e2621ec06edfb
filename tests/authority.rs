//! The authorization server in front of OpenRouter, over real sockets: every refusal, and the whole flow.
//!
//! OpenRouter's odd answers come from a small server of this test's own; the whole flow runs against the
//! sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use convocations::authority::{Authority, Rates, Settings};
use convocations::clock::Clock;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use warp::Filter;

#[path = "authority/browser.rs"]
mod browser;
#[path = "authority/clients.rs"]
mod clients;
#[path = "authority/connections.rs"]
mod connections;
#[path = "authority/resources.rs"]
mod resources;

const REDIRECT: &str = "http://127.0.0.1/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// What the pretend OpenRouter answers next: status, content type, body, delay.
type Answer = (u16, &'static str, String, Duration);

struct Upstream {
    address: SocketAddr,
    next: Arc<Mutex<Answer>>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Upstream {
    async fn start() -> Self {
        let key = json!({"key": "sk-or-v1-test", "user_id": null}).to_string();
        let next = Arc::new(Mutex::new((200, "application/json", key, Duration::ZERO)));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (answers, seen) = (Arc::clone(&next), Arc::clone(&bodies));
        let filter = warp::any().and(warp::body::bytes()).then(move |body: bytes_alias::Bytes| {
            seen.lock().unwrap().push(serde_json::from_slice(&body).unwrap_or(Value::Null));
            let (status, kind, text, delay) = answers.lock().unwrap().clone();
            async move {
                tokio::time::sleep(delay).await;
                warp::http::Response::builder()
                    .status(status)
                    .header("content-type", kind)
                    .body(text)
                    .unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(warp::serve(filter).incoming(listener).run());
        Self { address, next, bodies }
    }

    fn answers(&self, status: u16, kind: &'static str, body: &str) {
        *self.next.lock().unwrap() = (status, kind, body.to_owned(), Duration::ZERO);
    }
}

/// `warp` does not name the type that its own filter yields.
mod bytes_alias {
    pub type Bytes = warp::hyper::body::Bytes;
}

struct Server {
    base: String,
    address: SocketAddr,
    clock: Clock,
    http: Client,
}

fn settings(upstream: &str) -> Settings {
    let listen = "127.0.0.1:0".parse().unwrap();
    let own = std::env::temp_dir().join("no-secret-of-its-own");
    Settings { rates: None, access_log: false, ..Settings::new(listen, upstream, own) }
}

fn secret_file(secret: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("authority-test-{:016x}", rand::random::<u64>()));
    std::fs::write(&path, format!("{}\n", secret.repeat(32))).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// Binds with the secret in a file that is gone by the time it returns.
async fn bind(mut settings: Settings, secret: &str, clock: Clock) -> convocations::error::Result<Authority> {
    let file = secret_file(secret);
    settings.secret_file = Some(file.clone());
    let bound = Authority::bind(&settings, clock).await;
    std::fs::remove_file(file).unwrap();
    bound
}

async fn start_with(settings: Settings, secret: &str) -> Server {
    let clock = Clock::manual(1_800_000_000);
    let bound = bind(settings, secret, clock.clone()).await.unwrap();
    let (address, base) = (bound.address(), bound.issuer().to_owned());
    tokio::spawn(bound.serve(std::future::pending()));
    Server { base, address, clock, http: http() }
}

async fn start(upstream: &Upstream) -> Server {
    start_with(settings(&format!("http://{}", upstream.address)), "k").await
}

fn http() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

fn cookie(response: &Response) -> String {
    let all = response.headers().get_all("set-cookie").iter();
    let pairs = all.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn location(response: &Response) -> Url {
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

/// Where the link of a page that tells a fault leads; nothing goes there by itself.
async fn link(page: Response) -> Url {
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(page.headers().get("location").is_none() && page.headers().get("refresh").is_none());
    let html = page.text().await.unwrap();
    assert!(!html.contains("http-equiv"), "{html}");
    let link = html.split("<a href=\"").nth(1).unwrap().split('"').next().unwrap();
    Url::parse(&link.replace("&amp;", "&").replace("&#39;", "'")).unwrap()
}

fn query(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn register(&self, body: Value) -> Response {
        self.http.post(self.url("/register")).json(&body).send().await.unwrap()
    }

    async fn client_id(&self) -> String {
        let reply =
            self.register(json!({"redirect_uris": [REDIRECT], "client_name": "Test <b>client</b>"})).await;
        assert_eq!(reply.status(), StatusCode::CREATED);
        reply.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned()
    }

    fn authorize_url(&self, client_id: &str, change: &[(&str, Option<&str>)]) -> Url {
        let challenge = challenge(VERIFIER);
        let mut params = vec![
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", REDIRECT),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("state", "st&ate"),
        ];
        for (name, value) in change {
            params.retain(|(key, _)| key != name);
            if let Some(value) = value {
                params.push((name, value));
            }
        }
        Url::parse_with_params(&self.url("/authorize"), params).unwrap()
    }

    async fn get(&self, url: impl AsRef<str>) -> Response {
        self.http.get(url.as_ref()).send().await.unwrap()
    }

    /// Consent page → decision; returns the redirect and its cookies.
    async fn decide(&self, url: &Url, decision: &str) -> Response {
        let page = self.get(url.as_str()).await;
        assert_eq!(page.status(), StatusCode::OK, "{}", page.text().await.unwrap());
        let cookies = cookie(&page);
        let html = page.text().await.unwrap();
        self.post_decision(&sealed_of(&html), decision, &cookies, &self.base).await
    }

    async fn post_decision(&self, sealed: &str, decision: &str, cookies: &str, origin: &str) -> Response {
        self.http
            .post(self.url("/authorize"))
            .header("cookie", cookies)
            .header("origin", origin)
            .form(&[("request", sealed), ("decision", decision)])
            .send()
            .await
            .unwrap()
    }

    async fn callback(&self, query: &str, cookies: &str) -> Response {
        self.http.get(self.url(&format!("/callback?{query}"))).header("cookie", cookies).send().await.unwrap()
    }

    /// A code of ours, past consent and an upstream that answered with a code.
    async fn code(&self, client_id: &str, change: &[(&str, Option<&str>)]) -> String {
        let upstream = self.decide(&self.authorize_url(client_id, change), "allow").await;
        let cookies = cookie(&upstream);
        let back = self.callback("code=upstream-code", &cookies).await;
        query(&location(&back), "code").unwrap()
    }

    async fn token(&self, change: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        for (name, value) in change {
            form.retain(|(key, _)| key != name);
            form.push((name, value));
        }
        form.retain(|(_, value)| *value != "-");
        let reply = self.http.post(self.url("/token")).form(&form).send().await.unwrap();
        assert_eq!(reply.headers()["cache-control"], "no-store");
        (reply.status(), reply.json().await.unwrap())
    }
}

fn sealed_of(html: &str) -> String {
    html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn the_whole_round_hands_the_key_to_the_client_that_asked() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let redirect = "http://127.0.0.1:51234/cb";
    let url = server
        .authorize_url(&id, &[("redirect_uri", Some(redirect)), ("resource", Some(&server.url("/me")))]);
    let away = server.decide(&url, "allow").await;
    assert_eq!(away.status(), StatusCode::SEE_OTHER);
    let at = location(&away);
    assert_eq!((at.path(), query(&at, "callback_url")), ("/auth", Some(server.url("/callback"))));
    assert_eq!(query(&at, "code_challenge_method").as_deref(), Some("S256"));
    assert_ne!(query(&at, "code_challenge"), Some(challenge(VERIFIER)), "the upstream pair is our own");
    let back = server.callback("code=upstream-code", &cookie(&away)).await;
    let back = location(&back);
    assert!(back.as_str().starts_with(redirect), "{back}");
    assert_eq!(query(&back, "state").as_deref(), Some("st&ate"));
    assert_eq!(query(&back, "iss"), Some(server.base.clone()));
    let code = query(&back, "code").unwrap();
    let (status, body) = server
        .token(&[
            ("code", &code),
            ("client_id", &id),
            ("redirect_uri", redirect),
            ("resource", &server.url("/me")),
        ])
        .await;
    assert_eq!(
        (status, body),
        (StatusCode::OK, json!({"access_token": "sk-or-v1-test", "token_type": "Bearer", "scope": "api"}))
    );
    let sent = upstream.bodies.lock().unwrap().pop().unwrap();
    assert_eq!(sent["code"], "upstream-code");
    assert_eq!(query(&at, "code_challenge"), Some(challenge(sent["code_verifier"].as_str().unwrap())));
}

#[tokio::test]
async fn a_wrong_client_or_redirect_is_never_redirected_to() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    for change in [
        &[("client_id", Some("unknown"))][..],
        &[("client_id", None)],
        &[("redirect_uri", Some("https://evil.example/cb"))],
        &[("redirect_uri", Some("http://127.0.0.1/other"))],
        &[("redirect_uri", Some("http://127.0.0.1.evil.example/cb"))],
        &[("redirect_uri", Some("https://evil.example/<script>"))],
    ] {
        let reply = server.get(server.authorize_url(&id, change)).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{change:?}");
        assert!(reply.headers().get("location").is_none());
    }
    let twice = format!("{}&redirect_uri=https://evil.example", server.authorize_url(&id, &[]));
    assert_eq!(server.get(twice).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_other_fault_is_shown_here_with_a_link_back() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let long = "x".repeat(1025);
    for (change, error) in [
        (("response_type", Some("token")), "unsupported_response_type"),
        (("response_type", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge", Some("short")), "invalid_request"),
        (("resource", Some("https://x.example/#f")), "invalid_target"),
        (("limit", Some("-3")), "invalid_request"),
        (("usage_limit_type", Some("hourly")), "invalid_request"),
    ] {
        let back = link(server.get(server.authorize_url(&id, &[change])).await).await;
        assert!(back.as_str().starts_with(REDIRECT), "{change:?} {back}");
        assert_eq!(query(&back, "error").as_deref(), Some(error), "{change:?}");
        assert_eq!(query(&back, "state").as_deref(), Some("st&ate"));
        assert_eq!(query(&back, "iss"), Some(server.base.clone()));
    }
    let back = link(server.get(server.authorize_url(&id, &[("state", Some(&long))])).await).await;
    assert_eq!((query(&back, "error").as_deref(), query(&back, "state")), (Some("invalid_request"), None));
}

#[tokio::test]
async fn the_consent_page_names_the_redirect_host_and_cannot_be_framed() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let page = server
        .get(server.authorize_url(&id, &[("key_label", Some("<i>label</i>")), ("limit", Some("5"))]))
        .await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    assert!(page.headers()["set-cookie"].to_str().unwrap().contains("HttpOnly; SameSite=Lax"));
    let html = page.text().await.unwrap();
    assert!(html.contains("<b>http://127.0.0.1</b>/cb") && html.contains("$5"));
    assert!(html.contains("Test &lt;b&gt;client") && html.contains("&lt;i&gt;label"), "escaped");
    assert!(!html.contains("<script") && !html.contains("<b>client"));
}

#[tokio::test]
async fn a_decision_counts_only_from_our_page_in_the_same_browser() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let page = server.get(server.authorize_url(&id, &[])).await;
    let cookies = cookie(&page);
    let sealed = sealed_of(&page.text().await.unwrap());
    for (sealed, cookies, origin) in [
        (sealed.as_str(), "", server.base.as_str()),
        (&sealed, "convocations-browser=AAAAAAAAAAAAAAAAAAAAAA", &server.base),
        (&sealed, &cookies, "https://evil.example"),
        (&sealed, &cookies, "null"),
        ("forged", &cookies, &server.base),
        (&id, &cookies, &server.base),
    ] {
        let reply = server.post_decision(sealed, "allow", cookies, origin).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
        assert!(reply.headers().get("location").is_none());
    }
    server.clock.advance(601);
    assert_eq!(
        server.post_decision(&sealed, "allow", &cookies, &server.base).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_denial_here_or_upstream_reaches_the_client() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let url = server.authorize_url(&id, &[]);
    let here = location(&server.decide(&url, "deny").await);
    assert_eq!(query(&here, "error").as_deref(), Some("access_denied"));
    let away = server.decide(&url, "allow").await;
    let there = location(&server.callback("error=access_denied", &cookie(&away)).await);
    assert_eq!(query(&there, "error").as_deref(), Some("access_denied"));
    assert_eq!(query(&there, "iss"), Some(server.base.clone()));
}

#[tokio::test]
async fn a_callback_counts_only_with_its_own_flow() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let away = server.decide(&server.authorize_url(&id, &[]), "allow").await;
    let (cookies, at) = (cookie(&away), location(&away));
    assert_eq!(server.callback("code=x", "").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.callback("code=x&state=other", &cookies).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.callback("code=x&code=y", &cookies).await.status(), StatusCode::BAD_REQUEST);
    let state = query(&at, "state").unwrap();
    let echoed = server.callback(&format!("code=x&state={state}"), &cookies).await;
    assert_eq!(echoed.status(), StatusCode::SEE_OTHER, "an echoed state fits");
    assert!(echoed.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    server.clock.advance(601);
    assert_eq!(server.callback("code=x", &cookies).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_code_is_bound_to_all_it_was_made_for() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let other = server.register(json!({"redirect_uris": [REDIRECT], "client_name": "Other"})).await;
    let other = other.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned();
    let code = server.code(&id, &[("resource", Some(&server.url("/me")))]).await;
    let good = [("code", code.as_str()), ("client_id", id.as_str())];
    for (change, status, error) in [
        (("client_id", other.as_str()), 400, "invalid_grant"),
        (("client_id", "unknown client"), 401, "invalid_client"),
        (("redirect_uri", "http://127.0.0.1:1/cb"), 400, "invalid_grant"),
        (("redirect_uri", "-"), 400, "invalid_request"),
        (("code_verifier", "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong"), 400, "invalid_grant"),
        (("code_verifier", "-"), 400, "invalid_request"),
        (("code", "unknown"), 400, "invalid_grant"),
        (("code", id.as_str()), 400, "invalid_grant"),
        (("code", "-"), 400, "invalid_request"),
        (("grant_type", "refresh_token"), 400, "unsupported_grant_type"),
        (("grant_type", "-"), 400, "invalid_request"),
        (("resource", "https://b.example/"), 400, "invalid_target"),
        (("resource", server.base.as_str()), 400, "invalid_target"),
    ] {
        let (found, body) = server.token(&[good[0], good[1], change]).await;
        assert_eq!((found.as_u16(), body["error"].as_str()), (status, Some(error)), "{change:?} {body}");
    }
    assert!(upstream.bodies.lock().unwrap().is_empty(), "OpenRouter heard of none of these");
    server.clock.advance(601);
    assert_eq!(server.token(&good).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn openrouters_odd_answers_become_clean_errors() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    let good = [("code", code.as_str()), ("client_id", id.as_str())];
    let planted = r#"{"error":{"code":1,"message":"planted-message"}}"#;
    for (status, kind, body, expected, error) in [
        (400, "application/json", planted, 400, "invalid_grant"),
        (403, "application/json", planted, 400, "invalid_grant"),
        (409, "application/json", planted, 503, "temporarily_unavailable"),
        (429, "application/json", planted, 503, "temporarily_unavailable"),
        (500, "application/json", planted, 503, "temporarily_unavailable"),
        (502, "text/html", "<html>planted-message", 503, "temporarily_unavailable"),
        (200, "text/html", "<html>planted-message", 502, "server_error"),
        (200, "application/json", r#"{"key":""}"#, 502, "server_error"),
        (200, "application/json", r#"{"key":7}"#, 502, "server_error"),
        (200, "application/json", "", 502, "server_error"),
        (302, "text/html", "", 502, "server_error"),
    ] {
        upstream.answers(status, kind, body);
        let (found, reply) = server.token(&good).await;
        assert_eq!((found.as_u16(), reply["error"].as_str()), (expected, Some(error)), "{status} {body}");
        assert!(!reply.to_string().contains("planted"), "no upstream text in ours");
    }
    let huge = format!(r#"{{"key":"{}"}}"#, "x".repeat(100_000));
    upstream.answers(200, "application/json", &huge);
    assert_eq!(server.token(&good).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_passing_fault() {
    let server = start_with(settings("http://127.0.0.1:1"), "k").await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    let (status, body) = server.token(&[("code", &code), ("client_id", &id)]).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("temporarily_unavailable"))
    );
}

#[tokio::test]
async fn a_slow_upstream_is_given_up_in_time() {
    let upstream = Upstream::start().await;
    let mut settings = settings(&format!("http://{}", upstream.address));
    settings.upstream_timeout = Duration::from_millis(200);
    let server = start_with(settings, "k").await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    upstream.next.lock().unwrap().3 = Duration::from_secs(30);
    let (status, body) = server.token(&[("code", &code), ("client_id", &id)]).await;
    assert_eq!(
        (status, body["error"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("temporarily_unavailable"))
    );
}

#[tokio::test]
async fn requests_spread_at_random_over_two_instances_all_complete() {
    let upstream = Upstream::start().await;
    let servers = [start(&upstream).await, start(&upstream).await];
    let any = || &servers[usize::from(rand::random::<bool>())];
    for _ in 0..50 {
        let id = any().client_id().await;
        let first = any();
        let page = first.get(first.authorize_url(&id, &[])).await;
        let cookies = cookie(&page);
        let sealed = sealed_of(&page.text().await.unwrap());
        let second = any();
        let away = second.post_decision(&sealed, "allow", &cookies, &second.base).await;
        let back = any().callback("code=upstream-code", &cookie(&away)).await;
        let code = query(&location(&back), "code").unwrap();
        assert_eq!(any().token(&[("code", &code), ("client_id", &id)]).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn instances_share_nothing_but_the_secret() {
    let upstream = Upstream::start().await;
    let servers = [start(&upstream).await, start(&upstream).await];
    let id = servers[0].client_id().await;
    let away = servers[1].decide(&servers[1].authorize_url(&id, &[]), "allow").await;
    let back = servers[0].callback("code=upstream-code", &cookie(&away)).await;
    let code = query(&location(&back), "code").unwrap();
    assert_eq!(servers[1].token(&[("code", &code), ("client_id", &id)]).await.0, StatusCode::OK);
    let stranger = start_with(settings(&format!("http://{}", upstream.address)), "z").await;
    assert_eq!(stranger.token(&[("code", &code), ("client_id", &id)]).await.1["error"], "invalid_client");
    let own = stranger.client_id().await;
    assert_eq!(stranger.token(&[("code", &code), ("client_id", &own)]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn sealed_values_of_another_kind_do_not_open() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let page = server.get(server.authorize_url(&id, &[])).await;
    let consent = sealed_of(&page.text().await.unwrap());
    let away = server.decide(&server.authorize_url(&id, &[]), "allow").await;
    let flow =
        cookie(&away).split("; ").find_map(|pair| Some(pair.split_once("flow-")?.1.to_owned())).unwrap();
    let flow = flow.split_once('=').unwrap().1.to_owned();
    let code = server.code(&id, &[]).await;
    for foreign in [consent, flow, code] {
        let reply = server.get(server.authorize_url(&foreign, &[])).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
        assert_eq!(
            server.token(&[("code", &foreign[1..]), ("client_id", &id)]).await.1["error"],
            "invalid_grant"
        );
    }
}

#[tokio::test]
async fn registrations_are_checked() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let many: Vec<String> = (0..11).map(|at| format!("https://a.example/{at}")).collect();
    let long: Vec<String> = (0..5).map(|at| format!("https://a.example/{at}{}", "x".repeat(900))).collect();
    for (body, error) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({"redirect_uris": []}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["http://a.example/"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
        (json!({"redirect_uris": many}), "invalid_redirect_uri"),
        (json!({"redirect_uris": long}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "client_name": "a\nb"}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "grant_types": ["implicit"]}), "invalid_client_metadata"),
        (json!({"redirect_uris": [REDIRECT], "limit": 0}), "invalid_client_metadata"),
        (json!({"redirect_uris": "x"}), "invalid_client_metadata"),
        (json!([1]), "invalid_client_metadata"),
    ] {
        let reply = server.register(body.clone()).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(reply.json::<Value>().await.unwrap()["error"], error, "{body}");
    }
    let reply = server
        .register(json!({"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_basic", "unknown": 1}))
        .await;
    assert_eq!(reply.json::<Value>().await.unwrap()["token_endpoint_auth_method"], "none");
    let two = (server.client_id().await, server.client_id().await);
    assert_ne!(two.0, two.1);
}

#[tokio::test]
async fn a_registered_budget_goes_upstream() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let reply = server
        .register(json!({"redirect_uris": [REDIRECT], "limit": 5, "usage_limit_type": "monthly"}))
        .await;
    let id = reply.json::<Value>().await.unwrap()["client_id"].as_str().unwrap().to_owned();
    let away = server.decide(&server.authorize_url(&id, &[("limit", Some("2.5"))]), "allow").await;
    let at = location(&away);
    assert_eq!(
        (query(&at, "limit").as_deref(), query(&at, "usage_limit_type").as_deref()),
        (Some("2.5"), Some("monthly"))
    );
}

#[tokio::test]
async fn metadata_tells_where_everything_is() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let document: Value =
        server.get(server.url("/.well-known/oauth-authorization-server")).await.json().await.unwrap();
    assert_eq!(document["issuer"], server.base.as_str());
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    for endpoint in ["authorization_endpoint", "token_endpoint", "registration_endpoint"] {
        let reply = server.get(document[endpoint].as_str().unwrap()).await;
        assert_ne!(reply.status(), StatusCode::NOT_FOUND, "{endpoint}");
    }
    for path in ["", "/me"] {
        let url = server.url(&format!("/.well-known/oauth-protected-resource{path}"));
        let resource: Value = server.get(url).await.json().await.unwrap();
        assert_eq!(resource["resource"], server.url(path));
        assert_eq!(resource["authorization_servers"], json!([server.base]));
    }
    for nothing in [
        "/.well-known/oauth-protected-resource/x",
        "/.well-known/oauth-authorization-server/x",
        "/x",
        "//register",
    ] {
        assert_eq!(server.get(server.url(nothing)).await.status(), StatusCode::NOT_FOUND, "{nothing}");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_inserted() {
    let upstream = Upstream::start().await;
    let mut settings = settings(&format!("http://{}", upstream.address));
    settings.public_url = Some("https://auth.example/tenant".to_owned());
    let server = start_with(settings, "k").await;
    let at = |path: &str| format!("http://{}{path}", server.address);
    let document: Value =
        server.get(at("/.well-known/oauth-authorization-server/tenant")).await.json().await.unwrap();
    assert_eq!(document["token_endpoint"], "https://auth.example/tenant/token");
    assert_eq!(
        server.get(at("/.well-known/oauth-authorization-server")).await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(server.get(at("/tenant/healthz")).await.status(), StatusCode::OK);
    let reply = server.get(at("/tenant/me")).await;
    let challenge = reply.headers()["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("https://auth.example/.well-known/oauth-protected-resource/tenant/me"),
        "{challenge}"
    );
}

#[tokio::test]
async fn me_speaks_of_the_key_and_of_the_way_to_one() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let reply = server.get(server.url("/me")).await;
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    let challenge = reply.headers()["www-authenticate"].to_str().unwrap();
    let metadata = server.url("/.well-known/oauth-protected-resource/me");
    assert!(
        challenge.starts_with("Bearer ") && challenge.contains(&metadata) && !challenge.contains("error=")
    );
    let ask = || server.http.get(server.url("/me")).header("authorization", "bearer sk-or-v1-x").send();
    upstream.answers(200, "application/json", r#"{"data":{"label":"l","limit":5,"creator_user_id":"u"}}"#);
    let body: Value = ask().await.unwrap().json().await.unwrap();
    assert_eq!(body, json!({"data": {"label": "l", "limit": 5}}), "nothing that names the person");
    upstream.answers(401, "application/json", "{}");
    let refused = ask().await.unwrap();
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    upstream.answers(500, "application/json", "{}");
    assert_eq!(ask().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn browsers_may_ask_first_and_methods_are_told() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    for path in ["/token", "/register", "/me", "/.well-known/oauth-authorization-server"] {
        let reply = server.http.request(reqwest::Method::OPTIONS, server.url(path)).send().await.unwrap();
        assert_eq!(reply.status(), StatusCode::NO_CONTENT);
        assert_eq!(reply.headers()["access-control-allow-origin"], "*");
        let headers = reply.headers()["access-control-allow-headers"].to_str().unwrap();
        assert!(headers.contains("authorization") && headers.contains("mcp-protocol-version"));
    }
    let reply = server.get(server.url("/token")).await;
    assert_eq!(
        (reply.status(), reply.headers()["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "POST, OPTIONS")
    );
    let head = server.http.head(server.url("/.well-known/oauth-protected-resource")).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
}

#[tokio::test]
async fn large_and_odd_bodies_are_refused() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let huge = server.http.post(server.url("/token")).body("x".repeat(40_000)).send().await.unwrap();
    assert_eq!(huge.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let twice = "grant_type=authorization_code&grant_type=x";
    let form =
        server.http.post(server.url("/token")).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.body(twice).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let plain = server.http.post(server.url("/token")).header("content-type", "text/plain").body("x");
    assert_eq!(plain.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
    let long = format!("{}?{}", server.url("/authorize"), "x".repeat(20_000));
    // The rest of the URL may still be on its way when the answer is sent: the client sees it or a closed
    // connection.
    if let Ok(cut) = server.http.get(long).send().await {
        assert!(matches!(cut.status().as_u16(), 414 | 431), "{}", cut.status());
    }
    assert_eq!(server.get(server.url("/healthz")).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn too_many_requests_of_one_address_are_held_back() {
    let upstream = Upstream::start().await;
    let mut settings = settings(&format!("http://{}", upstream.address));
    (settings.rates, settings.trust_forwarded_for) = (Some(Rates::default()), true);
    let server = start_with(settings, "k").await;
    for _ in 0..20 {
        assert_eq!(server.register(json!({"redirect_uris": [REDIRECT]})).await.status(), StatusCode::CREATED);
    }
    let held = server.register(json!({"redirect_uris": [REDIRECT]})).await;
    assert_eq!(held.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(held.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let other = server.http.post(server.url("/register")).header("x-forwarded-for", "6.6.6.6, 192.0.2.9");
    assert_eq!(
        other.json(&json!({"redirect_uris": [REDIRECT]})).send().await.unwrap().status(),
        StatusCode::CREATED
    );
}

#[tokio::test]
async fn a_metadata_document_makes_a_client_and_its_fetch_is_guarded() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let id = format!("http://{}/client.json", listener.local_addr().unwrap());
    let away = format!("http://{}/moved.json", listener.local_addr().unwrap());
    let large = format!("http://{}/large.json", listener.local_addr().unwrap());
    let document = |id: &str, more: &str| json!({"client_id": id, "client_name": "Doc", "redirect_uris": [REDIRECT], "more": more});
    let (good, too_long) = (document(&id, ""), document(&large, &"x".repeat(6 << 10)));
    let fetched = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&fetched);
    let good = warp::path!("client.json").map(move || {
        count.fetch_add(1, Ordering::SeqCst);
        warp::reply::json(&good)
    });
    let too_long = warp::path!("large.json").map(move || warp::reply::json(&too_long));
    let moved =
        warp::path!("moved.json").map(|| warp::redirect(warp::http::Uri::from_static("/client.json")));
    tokio::spawn(warp::serve(good.or(moved).or(too_long)).incoming(listener).run());
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let page = server.get(server.authorize_url(&id, &[])).await;
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    assert!(html.contains("<bdi>Doc</bdi>") && html.contains("/client.json"), "its address is shown: {html}");
    let refused =
        server.get(server.authorize_url(&id, &[("redirect_uri", Some("https://evil.example/"))])).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "it is fetched once");
    let redirected = server.get(server.authorize_url(&away, &[])).await;
    assert_eq!(redirected.status(), StatusCode::BAD_REQUEST, "no redirect is followed");
    let too_large = server.get(server.authorize_url(&large, &[])).await;
    assert_eq!(too_large.status(), StatusCode::BAD_REQUEST);
    let words = |page: Response| async { page.text().await.unwrap() };
    let closed = "http://127.0.0.1:1/client.json";
    let closed = words(server.get(server.authorize_url(closed, &[])).await).await;
    assert_eq!(words(too_large).await, closed, "one sentence, whatever was found there");
    let mut public = settings(&format!("http://{}", upstream.address));
    public.public_url = Some("https://auth.example".to_owned());
    let public = start_with(public, "k").await;
    let url = public
        .authorize_url(&id, &[])
        .as_str()
        .replace("https://auth.example", &format!("http://{}", public.address));
    assert_eq!(
        public.get(&url).await.status(),
        StatusCode::BAD_REQUEST,
        "a public server never fetches from loopback"
    );
}

#[tokio::test]
async fn a_bare_host_name_may_redirect_to_itself() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let good = server
        .get(server.authorize_url("app.example", &[("redirect_uri", Some("https://app.example/cb"))]))
        .await;
    assert_eq!(good.status(), StatusCode::OK);
    for bad in ["https://evil.example/cb", "http://app.example/cb", REDIRECT] {
        let reply = server.get(server.authorize_url("app.example", &[("redirect_uri", Some(bad))])).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn a_public_address_demands_a_public_url_and_a_secret() {
    let mut open = settings("http://127.0.0.1:1");
    open.listen = "0.0.0.0:0".parse().unwrap();
    let refused = bind(open.clone(), "k", Clock::System).await.err().unwrap();
    assert!(refused.hint().unwrap().contains("--public-url"));
    open.public_url = Some("http://auth.example".to_owned());
    assert!(bind(open.clone(), "k", Clock::System).await.is_err(), "https only");
    open.public_url = Some("https://auth.example".to_owned());
    assert!(Authority::bind(&open, Clock::System).await.is_err(), "no secret of its own making in public");
    assert!(!open.own_secret.exists());
}

#[tokio::test]
async fn metrics_count_answers_on_their_own_port() {
    let upstream = Upstream::start().await;
    let mut with_metrics = settings(&format!("http://{}", upstream.address));
    with_metrics.metrics = Some("127.0.0.1:0".parse().unwrap());
    let bound = bind(with_metrics, "k", Clock::System).await.unwrap();
    let (base, metrics) = (bound.issuer().to_owned(), bound.metrics_address().unwrap());
    tokio::spawn(bound.serve(std::future::pending()));
    let http = http();
    http.get(format!("{base}/healthz")).send().await.unwrap();
    let text = http.get(format!("http://{metrics}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(text.contains("requests_total{route=\"healthz\",status=\"200\"} 1"), "{text}");
    assert_eq!(http.get(format!("{base}/metrics")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn shutdown_finishes_what_is_under_way() {
    let upstream = Upstream::start().await;
    let bound = bind(settings(&format!("http://{}", upstream.address)), "k", Clock::System).await.unwrap();
    let (base, address) = (bound.issuer().to_owned(), bound.address());
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(bound.serve(async {
        let _ = ended.await;
    }));
    upstream.next.lock().unwrap().3 = Duration::from_millis(300);
    let http = http();
    let slow =
        tokio::spawn(http.get(format!("{base}/me")).header("authorization", "Bearer sk-or-v1-x").send());
    while upstream.bodies.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    end.send(()).unwrap();
    assert!(slow.await.unwrap().is_ok(), "the request under way is answered");
    running.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "and nobody listens any more");
}
