//! Sites of others around the authority: an OpenRouter that signs people in at another host, a client, and a
//! third party behind each.

#![allow(dead_code)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use convocations::authority::{Authority, Settings};
use convocations::clock::Clock;
use tokio::sync::oneshot;
use url::Url;
use warp::Filter;
use warp::http::{Response, StatusCode};

use crate::common::{self, TestDir};

/// What a site was asked for, without host.
pub type Seen = Arc<Mutex<Vec<String>>>;

/// A site of its own origin that answers each path and query as `answer` says; returns its base URL.
pub fn site(answer: impl Fn(&Url) -> Response<String> + Clone + Send + Sync + 'static) -> (String, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let (sender, receiver) = std::sync::mpsc::channel::<SocketAddr>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let query = warp::query::raw().or(warp::any().map(String::new)).unify();
            let filter =
                warp::path::full().and(query).map(move |path: warp::path::FullPath, query: String| {
                    let asked = format!("{}?{query}", path.as_str());
                    noted.lock().unwrap().push(asked.clone());
                    answer(&Url::parse("http://site").unwrap().join(&asked).unwrap())
                });
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            warp::serve(filter).incoming(listener).run().await;
        });
    });
    (format!("http://{}", receiver.recv().unwrap()), seen)
}

/// A redirect by GET.
pub fn to(location: &str) -> Response<String> {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header("location", location)
        .body(String::new())
        .unwrap()
}

/// A page that says something.
pub fn page(text: &str) -> Response<String> {
    let html = format!("<!doctype html><title>{text}</title><p>{text}</p>");
    Response::builder().header("content-type", "text/html").body(html).unwrap()
}

/// A parameter of a URL's query.
pub fn parameter(url: &Url, name: &str) -> String {
    let pair = url.query_pairs().find(|(key, _)| key == name);
    pair.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// An OpenRouter that sends people through a sign-in at another origin, and that agrees without a question.
/// With `echo` it sends `state` back.
pub fn openrouter(echo: bool) -> String {
    let (sign_in, _) = site(|url| {
        let back = Url::parse(&parameter(url, "back")).unwrap();
        to(back.as_str())
    });
    let (openrouter, _) = site(move |url| match url.path() {
        "/auth" => {
            let mut back = Url::parse(&parameter(url, "callback_url")).unwrap();
            back.query_pairs_mut().append_pair("code", "upstream-code");
            if echo {
                back.query_pairs_mut().append_pair("state", &parameter(url, "state"));
            }
            let mut there = Url::parse(&sign_in).unwrap();
            there.query_pairs_mut().append_pair("back", back.as_str());
            to(there.as_str())
        }
        _ => {
            let key = r#"{"key":"sk-or-v1-test","user_id":null}"#.to_owned();
            Response::builder().header("content-type", "application/json").body(key).unwrap()
        }
    });
    openrouter
}

/// An authority at work until dropped.
pub struct Running {
    /// What clients call it.
    pub issuer: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its metrics are, if it has any.
    pub metrics: Option<SocketAddr>,
    _end: oneshot::Sender<()>,
}

/// An authority in front of `upstream`, with what `change` does to its settings.
pub fn authority(upstream: &str, change: impl FnOnce(&mut Settings)) -> Running {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (end, ended) = oneshot::channel::<()>();
    let dir = TestDir::new();
    let own = dir.path().join("authority.secret");
    let mut settings = Settings::new("127.0.0.1:0".parse().unwrap(), upstream, own);
    settings.access_log = false;
    change(&mut settings);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let authority = Authority::bind(&settings, Clock::System).await.unwrap();
            drop(dir);
            let (issuer, metrics) = (authority.issuer().to_owned(), authority.metrics_address());
            sender.send((issuer, authority.address(), metrics)).unwrap();
            let end = async { drop(ended.await) };
            authority.serve(end).await;
        });
    });
    let (issuer, address, metrics) = receiver.recv().unwrap();
    Running { issuer, address, metrics, _end: end }
}

/// A client that registered itself for `redirect`, and its authorize URL.
pub fn authorize_url(base: &str, redirect: &str, state: &str) -> String {
    let body = serde_json::json!({ "redirect_uris": [redirect], "client_name": "Example Client", "limit": 12.5,
        "expires_at": "2027-01-31T23:00:00Z", "usage_limit_type": "monthly", "key_label": "Example key" });
    let client = common::post_json(&format!("{base}/register"), &body).json()["client_id"].clone();
    let query = [
        ("response_type", "code"),
        ("client_id", client.as_str().unwrap()),
        ("redirect_uri", redirect),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("state", state),
    ];
    Url::parse_with_params(&format!("{base}/authorize"), query).unwrap().into()
}
