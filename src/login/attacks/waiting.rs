//! The race under attack: floods of strays, wrong pastes, a clock that jumps.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::{Login, STATE, expected, refused, right};
use crate::clock::Clock;
use crate::error::{Code, Result};
use crate::login::answer::Answer;
use crate::login::attempt::Attempt;
use crate::login::race::{Race, Typed};
use crate::login::wait::Deadline;
use crate::secret::Secret;

#[tokio::test]
async fn ten_thousand_strays_do_not_end_it_and_are_reported_gently() {
    let mut login = Login::start().await;
    let (port, host) = (login.port, login.host());
    let deadline = Deadline::after(60, &Clock::System);
    let (_keep, mut typed) = mpsc::channel::<Typed>(1);
    let attempts = [attempt(&format!("http://{host}/callback"), false)];
    let reports = std::cell::RefCell::new(Vec::new());
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
    let race = Race {
        attempts: &attempts,
        listener: Some(&mut login.listener),
        typed: &mut typed,
        deadline: &deadline,
    };
    let (won, ()) = tokio::join!(race.run(|count| reports.borrow_mut().push(count)), flood);
    assert_eq!(won.unwrap(), (0, Answer::Code(Secret::new("right-code"))));
    assert_eq!(login.ignored(), 10_000);
    let reports = reports.into_inner();
    let most = began.elapsed().as_millis() / 500 + 1;
    assert!(!reports.is_empty() && reports.len() as u128 <= most, "{} reports", reports.len());
}

fn attempt(redirect_uri: &str, shows_code: bool) -> Attempt {
    Attempt {
        redirect_uri: Some(redirect_uri.into()),
        url: Secret::new("https://id.example/authorize"),
        expected: expected(),
        code_verifier: Secret::new("v".repeat(43)),
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
    let mut shown = attempt(page, true);
    shown.expected.state = Some(Secret::new("another-state"));
    let attempts = [attempt(&ours, false), shown];
    let (sender, mut typed) = mpsc::channel(1);
    let deadline = Deadline::after(60, &Clock::System);
    let texts = vec![
        String::new(),
        format!("https://evil.example/callback?code=x&state={STATE}"),
        format!("http://localhost:1/callback?code=x&state={STATE}"),
        "code#wrong".into(),
        format!("{ours}?code=x&state=wrong"),
        format!("{ours}?code=x"),
        "code=x&state=wrong".into(),
        // The code of the page goes with the page's own attempt.
        "right-code#another-state".into(),
    ];
    let race = Race {
        attempts: &attempts,
        listener: Some(&mut login.listener),
        typed: &mut typed,
        deadline: &deadline,
    };
    let (won, replies) = tokio::join!(race.run(|_| ()), paste(sender, texts));
    assert_eq!(won.unwrap(), (1, Answer::Code(Secret::new("right-code"))));
    let (bad, other) = (Some(Code::InvalidArgument), Some(Code::StateMismatch));
    assert_eq!(replies, [bad, bad, bad, other, other, other, other, None]);
    refused(&login.honest().await, 409);
}

#[tokio::test]
async fn time_is_up_by_the_wall_clock_too() {
    let clock = Clock::manual(1_000);
    let deadline = Deadline::after(1, &clock);
    clock.advance(2);
    let (_keep, mut typed) = mpsc::channel::<Typed>(1);
    let mut login = Login::start().await;
    login.get("/favicon.ico").await;
    let race =
        Race { attempts: &[], listener: Some(&mut login.listener), typed: &mut typed, deadline: &deadline };
    let error = race.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), Code::LoginTimeout);
    assert!(error.hint().unwrap().contains("1 time"), "{error:?}");
}
