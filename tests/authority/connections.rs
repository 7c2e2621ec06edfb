//! Many connections, and ones that break: no exchange loses its key.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;

/// Sends a token request for `code` on a connection of its own.
async fn send_token(server: &Server, code: &str) -> TcpStream {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "authorization_code"), ("code", code)])
        .extend_pairs([("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)])
        .finish();
    let head = format!(
        "POST /token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream
}

async fn upstream_was_asked(upstream: &Upstream) {
    while upstream.bodies.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_crowd_of_silent_connections_ends_no_exchange() {
    let upstream = Upstream::start().await;
    let mut settings = settings(&format!("http://{}", upstream.address));
    settings.trust_forwarded_for = true; // As behind a proxy, where one address is everybody.
    let server = start_with(settings, "k").await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    upstream.next.lock().unwrap().3 = Duration::from_secs(2);
    let mut honest = send_token(&server, &code).await;
    upstream_was_asked(&upstream).await;
    let mut crowd = Vec::new();
    for _ in 0..1100 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    let mut answer = vec![0; 4096];
    let read = honest.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("sk-or-v1-test"), "{answer}");
    assert_eq!(server.get(server.url("/healthz")).await.status(), StatusCode::OK, "and others still come in");
}

#[tokio::test]
async fn one_address_cannot_take_all_places() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let mut crowd = Vec::new();
    for _ in 0..200 {
        crowd.push(TcpStream::connect(server.address).await.unwrap());
    }
    assert_eq!(server.get(server.url("/healthz")).await.status(), StatusCode::OK);
    // The oldest of that address were closed to make room for its own newer ones.
    let mut byte = [0];
    assert_eq!(crowd[0].read(&mut byte).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_key_whose_connection_broke_waits_for_its_client() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    upstream.next.lock().unwrap().3 = Duration::from_millis(300);
    let broken = send_token(&server, &code).await;
    upstream_was_asked(&upstream).await;
    drop(broken);
    // OpenRouter takes the code once: what comes now is refused.
    upstream.answers(403, "application/json", "{}");
    let wrong = [("code", code.as_str()), ("client_id", &id), ("code_verifier", "x")];
    assert_eq!(server.token(&wrong).await.1["error"], "invalid_grant", "for nobody else");
    let mut again = server.token(&[("code", &code), ("client_id", &id)]).await;
    if again.0 != StatusCode::OK {
        // The server had not yet seen the connection's end.
        again = server.token(&[("code", &code), ("client_id", &id)]).await;
    }
    assert_eq!((again.0, &again.1["access_token"]), (StatusCode::OK, &json!("sk-or-v1-test")));
    assert_eq!(
        server.token(&[("code", &code), ("client_id", &id)]).await.1["error"],
        "invalid_grant",
        "once"
    );
}

/// What a program of another user reads of a server; `None` where this user cannot become another.
#[cfg(target_os = "linux")]
#[allow(clippy::print_stdout)]
async fn read_as_nobody(address: SocketAddr) -> Option<String> {
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let setpriv = |args: &[&str]| tokio::process::Command::new("setpriv").args(nobody).args(args).output();
    if !setpriv(&["true"]).await.is_ok_and(|ran| ran.status.success()) {
        println!("skipped: this user cannot become another one");
        return None;
    }
    let (host, port) = (address.ip(), address.port());
    let path = "/.well-known/oauth-authorization-server";
    let script = format!(
        "exec 3<>/dev/tcp/{host}/{port}; printf 'GET {path} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\
         Connection: close\\r\\n\\r\\n' >&3; cat <&3"
    );
    let ran = tokio::time::timeout(Duration::from_secs(20), setpriv(&["bash", "-c", &script])).await;
    Some(String::from_utf8(ran.unwrap().unwrap().stdout).unwrap())
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_a_public_url_other_users_of_the_machine_get_nothing() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let metadata =
        |server: &Server| server.http.get(format!("{}/.well-known/oauth-authorization-server", server.base));
    let Some(read) = read_as_nobody(server.address).await else { return };
    assert_eq!(read, "");
    assert_eq!(metadata(&server).send().await.unwrap().status(), StatusCode::OK, "its own user is served");
    let settings = Settings {
        public_url: Some("https://auth.example.com".to_owned()),
        ..settings(&format!("http://{}", upstream.address))
    };
    let public = start_with(settings, "p").await;
    let read = read_as_nobody(public.address).await.unwrap();
    assert!(read.starts_with("HTTP/1.1 200"), "a proxy may be anybody's: {read}");
}
