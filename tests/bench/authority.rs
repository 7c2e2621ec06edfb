//! The authority's rows: metadata and a whole authorize–callback–token round, against a bare warp server that
//! answers the same bytes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use convocations::authority::{Authority, Settings};
use convocations::clock::Clock;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use warp::Filter;

use crate::table::Table;

const CLIENTS: usize = 8;
const TIME: Duration = Duration::from_millis(500);
const TURNS: usize = 7;
const REDIRECT: &str = "http://127.0.0.1/cb";

/// Measures both.
pub fn rows(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let upstream = bare(r#"{"key":"sk-or-v1-bench","user_id":null}"#.to_owned()).await;
        let base = authority(&upstream).await;
        let http = client();
        let url = format!("{base}/.well-known/oauth-authorization-server");
        let document = http.get(&url).send().await.unwrap().text().await.unwrap();
        let floor = format!("{}/", bare(document).await);
        let (rate, bare_rate) = in_turns(&http, &url, &floor).await;
        table.rate("authority: metadata", rate, bare_rate, Some(0.8));
        let id = register(&http, &base).await;
        let rounds = round_rate(&http, &base, &id).await;
        // Four requests here and one upstream: held against the floor's rate for as many, without a budget.
        table.rate("authority: a whole round (5 requests)", rounds, bare_rate / 5.0, None);
    });
}

fn client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// A warp server that answers everything with these bytes; returns its base URL.
async fn bare(body: String) -> String {
    let body = Arc::new(body);
    let filter = warp::any().map(move || {
        warp::http::Response::builder()
            .header("content-type", "application/json")
            .body(body.as_str().to_owned())
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(warp::serve(filter).incoming(listener).run());
    base
}

async fn authority(upstream: &str) -> String {
    let own = std::env::temp_dir().join(format!("authority-bench-{}", std::process::id())).join("secret");
    let settings = Settings {
        rates: None,
        access_log: false,
        ..Settings::new("127.0.0.1:0".parse().unwrap(), upstream, own.clone())
    };
    let bound = Authority::bind(&settings, Clock::System).await.unwrap();
    std::fs::remove_dir_all(own.parent().unwrap()).unwrap();
    let base = bound.issuer().to_owned();
    tokio::spawn(bound.serve(std::future::pending()));
    base
}

/// How often `work` is done a second by several at once.
async fn rate<F: Future<Output = ()>>(work: impl Fn() -> F) -> f64 {
    let end = Instant::now() + TIME;
    let one = || async {
        let mut done = 0u32;
        while Instant::now() < end {
            work().await;
            done += 1;
        }
        done
    };
    let all = [one(), one(), one(), one(), one(), one(), one(), one()];
    let mut total = 0;
    let mut set = Box::pin(futures_join(all));
    for done in set.as_mut().await {
        total += done;
    }
    f64::from(total) / TIME.as_secs_f64()
}

/// Waits for all of them on one task.
async fn futures_join<F: Future<Output = u32>>(all: [F; CLIENTS]) -> Vec<u32> {
    let mut pending: Vec<_> = all.into_iter().map(|one| Some(Box::pin(one))).collect();
    let mut done = vec![0; CLIENTS];
    std::future::poll_fn(|cx| {
        let mut left = false;
        for (place, slot) in pending.iter_mut().enumerate() {
            let Some(future) = slot else { continue };
            match future.as_mut().poll(cx) {
                std::task::Poll::Ready(count) => {
                    done[place] = count;
                    *slot = None;
                }
                std::task::Poll::Pending => left = true,
            }
        }
        if left { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    done
}

/// The rates of two addresses, measured in turns so that whatever else the machine does falls on both; the
/// median of each.
async fn in_turns(http: &Client, url: &str, floor: &str) -> (f64, f64) {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(get_rate(http, url).await);
        bare.push(get_rate(http, floor).await);
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[TURNS / 2]
    };
    (median(&mut ours), median(&mut bare))
}

async fn get_rate(http: &Client, url: &str) -> f64 {
    rate(|| async {
        http.get(url).send().await.unwrap().bytes().await.unwrap();
    })
    .await
}

async fn register(http: &Client, base: &str) -> String {
    let body = json!({"redirect_uris": [REDIRECT], "client_name": "Bench"});
    let reply: Value =
        http.post(format!("{base}/register")).json(&body).send().await.unwrap().json().await.unwrap();
    reply["client_id"].as_str().unwrap().to_owned()
}

async fn round_rate(http: &Client, base: &str, id: &str) -> f64 {
    rate(|| async { round(http, base, id).await.unwrap_or(()) }).await
}

/// Authorize, consent, callback, token.
async fn round(http: &Client, base: &str, id: &str) -> Result<(), Infallible> {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let query = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", REDIRECT),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let url = reqwest::Url::parse_with_params(&format!("{base}/authorize"), query).unwrap();
    let page = http.get(url).send().await.unwrap();
    let cookies = cookie(&page);
    let html = page.text().await.unwrap();
    let sealed = html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let decide = http.post(format!("{base}/authorize")).header("cookie", cookies).header("origin", base);
    let away = decide.form(&[("request", sealed), ("decision", "allow")]).send().await.unwrap();
    let callback = http.get(format!("{base}/callback?code=upstream")).header("cookie", cookie(&away));
    let back = callback.send().await.unwrap();
    let back = reqwest::Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("redirect_uri", REDIRECT),
        ("code_verifier", verifier),
        ("code", &code),
    ];
    let token = http.post(format!("{base}/token")).form(&form).send().await.unwrap();
    assert!(token.status().is_success());
    token.bytes().await.unwrap();
    Ok(())
}

fn cookie(response: &Response) -> String {
    let all = response.headers().get_all("set-cookie").iter();
    let pairs = all.map(|value| value.to_str().unwrap().split(';').next().unwrap().to_owned());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}
