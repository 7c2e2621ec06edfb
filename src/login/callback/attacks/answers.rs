//! Answers at the right address that are not to be taken, and the page that ends it all.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DONE, Login, STATE, done, expected, is_guarded, refused, right};
use crate::error::{Code, Error};
use crate::login::callback::pages::Outcome;
use crate::login::callback::params::{Answer, Expected};
use crate::secret::Secret;

/// D52
#[tokio::test]
async fn a_replay_is_refused_and_after_the_end_nobody_listens() {
    let login = Login::start().await.still_works().await;
    let replay = login.honest().await;
    refused(&replay, 409);
    assert!(!replay.contains("Sandbox"), "reveals what was logged in to: {replay}");
    refused(&login.get(&format!("/callback?code=other&state={STATE}")).await, 409);
    refused(&login.get("/callback?code=other&state=wrong").await, 400);
    let port = login.port;
    let ((), page) = tokio::join!(login.listener.close(done()), async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {DONE} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    });
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
    assert!(TcpStream::connect(("::1", port)).await.is_err());
}

/// D53
#[tokio::test]
async fn duplicate_parameters_are_refused() {
    let login = Login::start().await;
    for query in [
        format!("code=right-code&code=right-code&state={STATE}"),
        format!("code=right-code&state={STATE}&state={STATE}"),
        format!("code=right-code&state={STATE}&state=wrong"),
        format!("error=access_denied&error=access_denied&state={STATE}"),
    ] {
        refused(&login.get(&format!("/callback?{query}")).await, 400);
    }
    login.still_works().await;
}

/// D56, D57, and D16: what the page shows, and what its responses carry.
#[tokio::test]
async fn the_page_is_escaped_and_loads_nothing() {
    let mut login = Login::start().await;
    let query =
        "error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E%1b%5B2J%0d%0aX-Evil:%201";
    let answer = login.get(&format!("/callback?{query}&state={STATE}")).await;
    assert!(answer.starts_with("HTTP/1.1 303 "), "{answer}");
    assert!(answer.contains(&format!("location: {DONE}\r\n")), "{answer}");
    assert!(!answer.contains(STATE) && !answer.contains("alert") && is_guarded(&answer), "{answer}");
    let Answer::Refused(refusal) = login.listener.split().0.await else { panic!("not a refusal") };
    assert_eq!(refusal.code, Some("access_denied"));
    let error = Error::new(Code::LoginDenied, "No <b>.").with_hint("Type `:ConvLogin <x>`.");
    let port = login.port;
    let page = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("GET {DONE} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    };
    let outcome = Outcome::Failed { error, description: refusal.description };
    let (page, ()) = tokio::join!(page, login.listener.close(outcome));
    assert!(is_guarded(page.split("\r\n\r\n").next().unwrap()), "{page}");
    assert!(page.contains("content-type: text/html; charset=utf-8\r\n"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; [2J X-Evil: 1"), "{page}");
    assert!(page.contains("No &lt;b&gt;.") && page.contains("<code>:ConvLogin &lt;x&gt;</code>"), "{page}");
    for forbidden in ["<script", "src=", "href=", "url(", "@import", "http:", "https:", "\u{1b}"] {
        assert!(!page.contains(forbidden), "{forbidden} in {page}");
    }
}

/// D15, D16, D18
#[tokio::test]
async fn another_issuers_answer_is_dropped_even_if_it_is_an_error() {
    let login = Login::start().await;
    for answer in ["code=x", "error=access_denied&error_description=planted"] {
        let target = format!("/callback?{answer}&state={STATE}&iss=https://evil.example");
        let page = login.get(&target).await;
        refused(&page, 400);
        assert!(!page.contains("planted") && !page.contains("evil"), "{page}");
    }
    login.still_works().await;
}

/// D17
#[tokio::test]
async fn a_promised_issuer_must_be_named() {
    let mut login = Login::start_with(Expected { iss_required: true, ..expected() }).await;
    refused(&login.get(&right()).await, 400);
    let named = format!("{}&iss=https%3A%2F%2Fid.example", right());
    assert!(login.get(&named).await.starts_with("HTTP/1.1 303 "));
    assert_eq!(login.listener.split().0.await, Answer::Code(Secret::new("right-code")));
}
