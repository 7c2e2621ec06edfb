//! This program's own authorization server as the issuer of a provider: discovery, registration, two consent
//! pages, and an OpenRouter key at the end.

use convocations::authority::{Authority, Settings};
use convocations::clock::Clock;
use convocations::credential::Kind;
use convocations::oauth::Failure;

use crate::common::{self, Response, Sandbox, TestDir, http};
use crate::fixture::{Fixture, arrive, parameter, person};

/// Serves it in front of the sandbox, for as long as the runtime lives; returns its issuer.
async fn authority(sandbox: &Sandbox) -> String {
    let dir = TestDir::new();
    let listen = "127.0.0.1:0".parse().unwrap();
    let own_secret = dir.paths().config_dir().join("authority.secret");
    let settings =
        Settings { access_log: false, ..Settings::new(listen, &sandbox.at("/openrouter"), own_secret) };
    let bound = Authority::bind(&settings, Clock::System).await.unwrap();
    let issuer = bound.issuer().to_owned();
    tokio::spawn(async move { bound.serve(std::future::pending()).await });
    issuer
}

/// Allows on the authority's page, approves on OpenRouter's, and returns where the browser is sent at last.
fn agree(authorize_url: &str) -> String {
    let page = http::get(authorize_url);
    assert_eq!(page.status, 200, "{}", page.text());
    let html = page.text();
    let sealed = html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let (endpoint, _) = authorize_url.split_once('?').unwrap();
    let origin = endpoint.strip_suffix("/authorize").unwrap();
    let own = cookies(&page);
    let headers = [("cookie", own.as_str()), ("origin", origin), ("sec-fetch-site", "same-origin")];
    let away = http::post_form_with(endpoint, &headers, &[("request", sealed), ("decision", "allow")]);
    let own = cookies(&away);
    let callback = common::approve(&away.location());
    http::get_with(&callback, &[("cookie", own.as_str())]).location()
}

fn cookies(response: &Response) -> String {
    let set = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs = set.filter_map(|(_, value)| value.split(';').next()).filter(|pair| !pair.ends_with('='));
    pairs.collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_server_is_an_issuer_like_any_other() {
    let upstream = Sandbox::start();
    let issuer = authority(&upstream).await;
    let fixture =
        Fixture::describing(|_| format!("[providers.gate]\nname = \"Gate\"\nissuer = \"{issuer}\"\n"));
    let mut login = fixture.start("gate", "browser");
    let opened = login.opened().await;
    assert!(opened.url.starts_with(&issuer) && parameter(&opened.url, "client_id").is_some());
    let url = opened.url.clone();
    arrive(&person(move || agree(&url)).await).await;
    login.done().await;

    let tokens = fixture.stored("gate").unwrap();
    assert_eq!((tokens.expires_at, &tokens.refresh_token), (None, &None), "a key lasts");
    let provider = fixture.services.config.provider("gate").unwrap();
    let login = "gate".parse().unwrap();
    let credential = provider.credential(&login, "login", Kind::Oauth, &tokens, 1);
    let me = format!("{issuer}/me");
    let answer = person(move || {
        let bearer = credential.headers["authorization"].expose().to_owned();
        http::get_with(&me, &[("authorization", &bearer)])
    });
    assert_eq!(answer.await.status, 200);
    let refreshed = fixture.client("gate", &tokens).refresh(&tokens).await;
    assert!(matches!(refreshed, Err(Failure::Refused(_))), "there is nothing to refresh with");
}
