//! A real browser: headless Chromium goes through the consent page to ours, and we look at what a person sees
//! there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::time::Duration;

use convocations::error::Code;

use crate::common::chromium::Browser;
use crate::fixture::{Fixture, person};

/// Opens a provider's address, presses the button, and returns what stands on the page in the end.
fn through(provider: &'static str, url: String, button: &'static str, text: &'static str) -> Option<String> {
    let mut browser = Browser::start()?;
    browser.go(&url);
    browser.sees(provider);
    browser.press(button);
    let seen = browser.sees(text);
    assert!(!browser.overflows(), "the page is wider than its window");
    Some(seen)
}

/// A web app on the callback's port as developers leave it behind: its service worker answers every page from
/// now on.
fn web_app(port: u16, browser: &mut Browser) {
    const WORKER: &str = "self.addEventListener('install', () => self.skipWaiting());\
        self.addEventListener('activate', event => event.waitUntil(clients.claim()));\
        self.addEventListener('fetch', event => { if (event.request.mode === 'navigate') event.respondWith(\
        new Response('<h1>My web app</h1>', { headers: { 'content-type': 'text/html' } })) });";
    const PAGE: &str = "<h1>Loading</h1><script>navigator.serviceWorker.register('/sw.js');\
        navigator.serviceWorker.ready.then(() => document.querySelector('h1').textContent = 'Installed')</script>";
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let is_over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let server = std::thread::spawn({
        let is_over = is_over.clone();
        move || {
            for stream in listener.incoming() {
                if is_over.load(std::sync::atomic::Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let mut line = String::new();
                // A connection that the browser opened in advance says nothing.
                stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                let _ = BufReader::new(&stream).read_line(&mut line);
                let (kind, body) = match line.contains("/sw.js") {
                    true => ("text/javascript", WORKER),
                    false => ("text/html", PAGE),
                };
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        }
    });
    browser.go(&format!("http://localhost:{port}/"));
    browser.sees("Installed");
    is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    let _ = std::net::TcpStream::connect(("127.0.0.1", port));
    server.join().unwrap();
}

/// The service worker takes the answer; the address that the browser ends at, pasted, finishes the login.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_web_apps_service_worker_takes_can_be_pasted() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let fixture = Fixture::with(&format!("[callback]\nport = {port}\ntimeout = 36\n"));
    let Some(browser) = person(move || {
        let mut browser = Browser::start()?;
        web_app(port, &mut browser);
        Some(browser)
    })
    .await
    else {
        return skipped();
    };
    let mut login = fixture.start("openrouter", "browser");
    let opened = login.opened().await;
    assert_eq!(opened.port, Some(port));
    let seen = person(move || {
        let mut browser = browser;
        browser.go(&opened.url);
        browser.sees("OpenRouter");
        browser.press("approve");
        browser.sees("My web app")
    })
    .await;
    let address = seen.lines().next().unwrap();
    assert!(address.contains("/api/openrouter/oauth/callback?code="), "{address}");
    assert_eq!(fixture.sandbox.count("openrouter.keys"), 0, "it never came to the login");
    let (told, _) = login.told().await;
    assert!(told.contains("service worker") && told.contains("callback.port"), "{told}");
    login.paste(address).await.unwrap();
    login.done().await;
}

fn skipped() {
    eprintln!("SKIPPED: no Chromium here; install the package `chromium` to look at the login's pages.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_worked() {
    let fixture = Fixture::new();
    let mut login = fixture.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through("OpenRouter", url, "approve", "You can close this tab")).await
    else {
        return skipped();
    };
    assert!(seen.contains("You are logged in to OpenRouter"), "{seen}");
    assert!(seen.contains("Kept in\nan encrypted file on this machine"), "{seen}");
    assert!(seen.contains("go back to Neovim"), "{seen}");
    let address = seen.lines().next().unwrap();
    assert!(
        !address.contains("code") && !address.contains('?'),
        "the code stays in the address bar: {address}"
    );
    login.done().await;
    login.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_did_not() {
    let fixture = Fixture::new();
    fixture.echo_state();
    let mut login = fixture.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through("OpenRouter", url, "deny", "You can close this tab")).await
    else {
        return skipped();
    };
    assert!(seen.contains("The login to OpenRouter did not work"), "{seen}");
    assert!(seen.contains("was not allowed") && seen.contains(":ConvLogin openrouter"), "{seen}");
    login.failed(Code::LoginDenied).await;
}

/// LLM Gateway's callback has the key itself in its address, which is not where the browser stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_came_in_the_address_leaves_it() {
    let fixture = Fixture::new();
    let mut login = fixture.start("llmgateway", "browser");
    let url = login.opened().await.url;
    let seen = person(move || through("LLM Gateway", url, "approve", "You can close this tab")).await;
    let Some(seen) = seen else { return skipped() };
    login.done().await;
    login.over().await;
    let key = fixture.stored("llmgateway").unwrap().access_token;
    let address = seen.lines().next().unwrap();
    assert!(!seen.contains(key.expose()) && !address.contains('?'), "the key stays in sight: {address}");
    assert!(seen.contains("You are logged in to LLM Gateway"), "{seen}");
}
