//! The race under attack: floods of strays, wrong pastes, a clock that jumps.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Login, STATE, expected, refused, right};
use crate::clock::Clock;
use crate::error::{Code, Result};
use crate::login::authorization_request::AuthorizationRequest;
use crate::login::callback::params::{Answer, Expected, WithoutState};
use crate::login::callback::wait::{Arrival, CallbackWait, Came};
use crate::login::cancel::Deadline;
use crate::login::conversation::{Conversation, Teller, Typed};
use crate::login::events::{LoginEvent, Stage};
use crate::provider::CodeForm;
use crate::secret::Secret;

const ANY_CODE: CodeForm = CodeForm { min_length: 1, characters: None };

/// What a wait talks with, and the other ends of it.
struct Person {
    talk: Conversation,
    typing: mpsc::Sender<Typed>,
    heard: mpsc::UnboundedReceiver<LoginEvent>,
}

impl Person {
    fn new(deadline: Deadline) -> Self {
        let (typing, typed) = mpsc::channel(1);
        let (events, heard) = mpsc::unbounded_channel();
        let login = "openrouter".parse().unwrap();
        let teller = Teller { id: 1, login, method: "browser".into(), events };
        Self { talk: Conversation { teller, typed, deadline }, typing, heard }
    }

    /// Counts and sentences of what was told while it waited.
    fn told(&mut self) -> Vec<(u64, String)> {
        let mut told = Vec::new();
        while let Ok(event) = self.heard.try_recv() {
            if let Stage::Waiting { ignored, notice, error, .. } = event.stage {
                let error = error.map(|error| error.message().to_owned());
                told.push((ignored, notice.or(error).unwrap_or_default()));
            }
        }
        told
    }
}

#[tokio::test]
async fn ten_thousand_strays_do_not_end_it_and_are_reported_gently() {
    let mut login = Login::start().await;
    let (port, host) = (login.port, login.host());
    let mut person = Person::new(Deadline::after(60, &Clock::System));
    let requests = [request(&format!("http://{host}/callback"), false)];
    let flood = async {
        let request = format!("GET /callback?code=x&state=wrong HTTP/1.1\r\nHost: {host}\r\n\r\n");
        for _ in 0..10_000 {
            let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 400 "));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream
            .write_all(format!("GET {} HTTP/1.1\r\nHost: {host}\r\n\r\n", right()).as_bytes())
            .await
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    };
    let began = Instant::now();
    let mut wait =
        CallbackWait::new(&requests, &ANY_CODE, "Sandbox", Some(&mut login.listener), &mut person.talk);
    let (arrival, ()) = tokio::join!(wait.next(), flood);
    assert_eq!(come(arrival), (0, Answer::Code(Secret::new("right-code"))));
    assert_eq!(login.ignored(), 10_000);
    let reports = person.told();
    let most = began.elapsed().as_millis() / 500 + 1;
    assert!(!reports.is_empty() && reports.len() as u128 <= most, "{} reports", reports.len());
    assert!(reports.iter().any(|(_, said)| said.contains("another login")), "{reports:?}");
}

/// The one that ends it.
fn come(arrival: Result<Arrival>) -> (usize, Answer) {
    let arrival = arrival.unwrap();
    assert!(matches!(arrival.came, Came::Ours), "{arrival:?}");
    (arrival.index, arrival.answer)
}

fn request(redirect_uri: &str, shows_code: bool) -> AuthorizationRequest {
    AuthorizationRequest {
        redirect_uri: Some(redirect_uri.into()),
        url: Secret::new("https://id.example/authorize"),
        expected: expected(),
        code_verifier: Secret::new("v".repeat(43)),
        nonce: None,
        shows_code,
    }
}

/// Pastes texts one after the other, each once the last was answered.
async fn paste(sender: mpsc::Sender<Typed>, texts: Vec<String>) -> Vec<Option<Code>> {
    let mut replies: Vec<Option<Code>> = Vec::new();
    for text in texts {
        let (reply, answered) = oneshot::channel::<Result<()>>();
        sender.send(Typed { text: Secret::new(text), reply }).await.unwrap();
        replies.push(answered.await.unwrap().err().map(|error| error.code()));
    }
    replies
}

/// D60
#[tokio::test]
async fn a_wrong_paste_is_told_and_ends_nothing() {
    let mut login = Login::start().await;
    let ours = format!("http://{}/callback", login.host());
    let page = "https://id.example/shown";
    let mut shown = request(page, true);
    shown.expected.state = Some(Secret::new("another-state"));
    let requests = [request(&ours, false), shown];
    let mut person = Person::new(Deadline::after(60, &Clock::System));
    let texts = vec![
        String::new(),
        format!("https://evil.example/callback?code=x&state={STATE}"),
        format!("http://localhost:1/callback?code=x&state={STATE}"),
        "code#wrong".into(),
        format!("{ours}?code=x&state=wrong"),
        format!("{ours}?code=x"),
        "code=x&state=wrong".into(),
        "see you at ten".into(),
        "sk-or-v1-0123456789abcdef".into(),
        // The code of the page goes with the page's own attempt.
        "right-code#another-state".into(),
    ];
    let sender = person.typing.clone();
    let mut wait =
        CallbackWait::new(&requests, &ANY_CODE, "Sandbox", Some(&mut login.listener), &mut person.talk);
    let (arrival, replies) = tokio::join!(wait.next(), paste(sender, texts));
    wait.close();
    assert_eq!(come(arrival), (1, Answer::Code(Secret::new("right-code"))));
    let (bad, other) = (Some(Code::InvalidArgument), Some(Code::StateMismatch));
    assert_eq!(replies, [bad, bad, bad, other, other, other, other, bad, bad, None]);
    refused(&login.honest().await, 409);
}

#[tokio::test]
async fn time_is_up_by_the_wall_clock_too() {
    let clock = Clock::manual(1_000);
    let deadline = Deadline::after(1, &clock);
    clock.advance(2);
    let mut person = Person::new(deadline);
    let mut login = Login::start().await;
    login.get("/callback?code=x&state=wrong").await;
    let mut wait = CallbackWait::new(&[], &ANY_CODE, "Sandbox", Some(&mut login.listener), &mut person.talk);
    let error = wait.next().await.unwrap_err();
    assert_eq!(error.code(), Code::LoginTimeout);
    assert!(error.hint().unwrap().contains("1 time"), "{error:?}");
}

/// A service worker of a web app that once ran on the port takes the answer, and nobody comes.
#[tokio::test]
async fn where_nobody_comes_the_port_is_named_at_half_time_and_at_the_end() {
    let mut login = Login::start().await;
    login.get("/favicon.ico").await;
    let port = login.port;
    let mut person = Person::new(Deadline::after(3, &Clock::System));
    let mut wait = CallbackWait::new(&[], &ANY_CODE, "Sandbox", Some(&mut login.listener), &mut person.talk);
    let error = wait.next().await.unwrap_err();
    let names_it = |text: &str| {
        ["service worker", "callback.port", "paste", &port.to_string()].iter().all(|word| text.contains(word))
    };
    assert!(names_it(error.hint().unwrap()), "{error:?}");
    let told = person.told();
    assert_eq!(told.iter().filter(|(_, said)| names_it(said)).count(), 1, "{told:?}");
}

/// A login whose provider gives no `state` back.
async fn without_state() -> Login {
    Login::start_with(Expected { without_state: WithoutState::Tried, issuer: None, ..expected() }).await
}

#[tokio::test]
async fn codes_without_state_are_tried_one_a_second_while_their_browsers_wait() {
    let mut login = without_state().await;
    let (port, host) = (login.port, login.host());
    let mut person = Person::new(Deadline::after(60, &Clock::System));
    let get = |query: &str, headers: &str| {
        format!("GET /callback?{query} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n").into_bytes()
    };
    let send = async |request: Vec<u8>| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&request).await.unwrap();
        stream
    };
    // Gone before its turn, a page's own picture, and an answer with another state: none of them is tried.
    let mut gone = Vec::new();
    for number in 0..20 {
        gone.push(send(get(&format!("code=gone{number}"), "")).await);
    }
    drop(gone);
    let not_tried = [
        ("code=picture", "Sec-Fetch-Dest: image\r\n"),
        ("code=script", "Sec-Fetch-Dest: empty\r\n"),
        ("code=other&state=wrong", ""),
    ];
    for (query, headers) in not_tried {
        refused(&login.raw(&get(query, headers)).await, if query.contains("state") { 400 } else { 403 });
    }
    let mut wrong = send(get("code=wrong", "")).await;
    let mut clicked = send(get("code=clicked", "Sec-Fetch-Dest: document\r\nSec-Fetch-User: ?1\r\n")).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let began = Instant::now();
    let mut wait = CallbackWait::new(&[], &ANY_CODE, "Sandbox", Some(&mut login.listener), &mut person.talk);
    let mut tried = Vec::new();
    for _ in 0..2 {
        let Arrival { answer, came, .. } = wait.next().await.unwrap();
        assert!(matches!(came, Came::Unproven(_)));
        tried.push(answer);
        wait.go_on(came, crate::error::Error::new(Code::ProviderRefused, "No."));
    }
    assert_eq!(tried, ["clicked", "wrong"].map(|code| Answer::Code(Secret::new(code))));
    assert!(began.elapsed() >= std::time::Duration::from_secs(1));
    for stream in [&mut wrong, &mut clicked] {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        refused(&answer, 400);
        assert!(answer.contains("not disturbed"), "{answer}");
    }
    assert!(person.told().iter().any(|(_, said)| said == "No."));
    login.still_works().await;
}
