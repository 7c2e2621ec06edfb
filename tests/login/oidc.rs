//! A provider that nobody here wrote: npm's `oidc-provider`, through login, refresh and logout.
//!
//! `make deps` puts it into `.deps/sdk`; where node or the package is missing the tests say so and are
//! skipped.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use convocations::credential::Tokens;
use convocations::login::Stage;
use convocations::oauth::{Failure, Revocation};
use serde_json::Value;
use url::Url;

use crate::common::TestDir;
use crate::common::http::{self, Response};
use crate::fixture::{Fixture, arrive, person};

/// The issuer as a process; it ends with its stdin.
struct Issuer {
    child: Child,
    url: String,
    /// Private keys of its clients, in PEM.
    pems: Value,
}

impl Issuer {
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules: PathBuf = root.join(".deps/sdk/node_modules");
        if !modules.join("oidc-provider").exists() {
            eprintln!("skipped: no oidc-provider in .deps/sdk (`make deps` installs it where npm is)");
            return None;
        }
        let mut command = Command::new("node");
        command.arg(root.join("tests/oidc/issuer.mjs")).arg(modules).env("NO_COLOR", "1");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["issuer"].as_str().unwrap().to_owned();
        Some(Self { child, url, pems: ready["pems"].clone() })
    }

    fn fixture(&self) -> Fixture {
        let url = &self.url;
        Fixture::describing(|_| {
            format!(
                "[providers.corp]\nissuer = \"{url}\"\nscopes = [\"openid\", \"email\", \"offline_access\"]\n"
            )
        })
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser with cookies.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Follows redirects within `origin`; returns where it leads outside, or the page it ends at.
    fn follow(&mut self, url: &str, mut response: Response) -> Result<String, Response> {
        let mut at = Url::parse(url).unwrap();
        let origin = at.origin();
        loop {
            self.keep(&response);
            if !(300..400).contains(&response.status) {
                return Err(response);
            }
            at = at.join(&response.location()).unwrap();
            if at.origin() != origin {
                return Ok(at.into());
            }
            response = http::get_with(at.as_str(), &[("cookie", self.sent().as_str())]);
        }
    }

    fn get(&mut self, url: &str) -> Result<String, Response> {
        self.follow(url, http::get_with(url, &[("cookie", self.sent().as_str())]))
    }

    /// Sends the page's form off with all its hidden fields.
    fn submit(&mut self, page: &Response) -> Result<String, Response> {
        let html = page.text();
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!("{name}=\""))?;
            Some(rest.split('"').next()?.replace("&amp;", "&"))
        };
        let action = attribute(&html, "action").unwrap_or_else(|| panic!("no form in {html}"));
        let inputs = html.split("<input").skip(1).map(|input| input.split('>').next().unwrap());
        let fields: Vec<(String, String)> = inputs
            .filter_map(|input| Some((attribute(input, "name")?, attribute(input, "value")?)))
            .collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let cookies = self.sent();
        let response = http::post_form_with(&action, &[("cookie", cookies.as_str())], &fields);
        self.follow(&action, response)
    }

    fn keep(&mut self, response: &Response) {
        for (name, value) in &response.headers {
            let pair = value.split(';').next().and_then(|pair| pair.split_once('='));
            if let (true, Some((key, value))) = (name.eq_ignore_ascii_case("set-cookie"), pair) {
                self.cookies.insert(key.to_owned(), value.to_owned());
            }
        }
    }

    fn sent(&self) -> String {
        let pairs: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }
}

async fn refresh(fixture: &Fixture, tokens: &Tokens) -> Result<Tokens, Failure> {
    fixture.client("corp", tokens).refresh(tokens).await
}

/// Refresh with rotation, reuse refused, revocation: what follows every login.
async fn live_and_end(fixture: &Fixture) {
    let first = fixture.stored("corp").unwrap();
    let second = refresh(fixture, &first).await.unwrap();
    let third = refresh(fixture, &second).await.unwrap();
    assert_ne!(first.access_token, second.access_token);
    assert_ne!(second.refresh_token, third.refresh_token, "it rotates");
    let revoked = fixture.client("corp", &third).revoke(&third).await.unwrap();
    assert_eq!(revoked, Revocation::Revoked);
    let Err(Failure::Refused(_)) = refresh(fixture, &third).await else { panic!("it was revoked") };
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_browser() {
    let Some(issuer) = Issuer::start() else { return };
    let fixture = issuer.fixture();
    let mut login = fixture.start("corp", "browser");
    let url = login.opened().await.url;
    let back = person(move || Browser::default().get(&url).map_err(|page| page.text())).await.unwrap();
    arrive(&back).await;
    let Stage::Done { identity, .. } = login.done().await.stage else { panic!() };
    assert_eq!(identity.as_deref(), Some("ada@oidc.test"));
    live_and_end(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn by_a_code() {
    let Some(issuer) = Issuer::start() else { return };
    let fixture = issuer.fixture();
    let mut login = fixture.start("corp", "device");
    let event = login.event().await;
    let Stage::DeviceCode { verification_uri_complete, .. } = event.stage else { panic!("{event:?}") };
    let url = verification_uri_complete.unwrap().expose().to_owned();
    person(move || {
        let mut browser = Browser::default();
        let typed = browser.get(&url).unwrap_err();
        let asked = browser.submit(&typed).unwrap_err();
        let done = browser.submit(&asked).unwrap_err();
        assert_eq!(done.status, 200, "{}", done.text());
    })
    .await;
    login.done().await;
    live_and_end(&fixture).await;
}

/// A program of its own, which proves itself in each way that there is.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_person() {
    let Some(issuer) = Issuer::start() else { return };
    let folder = TestDir::new();
    let secret = folder.path().join("secret");
    for client in ["rsa", "ec", "ed25519", "client_secret_basic", "client_secret_post"] {
        let text = issuer.pems[client].as_str().unwrap_or("s:e cret");
        std::fs::write(&secret, text).unwrap();
        let auth = if issuer.pems[client].is_string() { "private_key_jwt" } else { client };
        let fixture = Fixture::describing(|_| {
            format!(
                "[providers.corp]\nissuer = \"{}\"\nclient_id = \"{client}\"\nclient_secret = \"file:{}\"\n\
                 [providers.corp.login.machine]\ngrant = \"client-credentials\"\nclient_auth = \"{auth}\"\n\
                 client_key_id = \"{client}\"\n",
                issuer.url,
                secret.display()
            )
        });
        fixture.start_headless("corp", None).done().await;
        let first = fixture.stored("corp").unwrap();
        assert!(first.refresh_token.is_none() && !first.access_token.is_empty(), "{client}");
        let broker = fixture.broker();
        let refused = first.access_token.clone();
        let newer = broker.invalidate(&"corp".parse().unwrap(), &refused).await.unwrap();
        assert_ne!(newer.token, refused, "{client}: asked for again, by its own proof");
        std::fs::write(&secret, "none").unwrap();
        let error = broker.invalidate(&"corp".parse().unwrap(), &newer.token).await.unwrap_err();
        assert!(!format!("{error:?}").contains(newer.token.expose()), "{client}");
    }
}
