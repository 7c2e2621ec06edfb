//! The loopback listener: the one place where the browser brings the provider's answer.
//!
//! Guarantees (rules 13, 14, 16): answers only to its own `Host`, its own path and `GET`, and only while the
//! login waits; whatever else comes is answered, counted and ends nothing; the first right answer is taken
//! and no second; the browser is sent on, so that the code leaves its address bar, to a page that tells how
//! the login ended. An answer that may be right and cannot show it waits in line until it has been tried.

use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;
use warp::Filter;
use warp::host::Authority;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::path::FullPath;
use warp::reply::Response;

use super::line::{Line, Trial, Verdict};
use super::pages::{self, Outcome, Words};
use super::params::{Answer, CallbackRejection, Checked, Expected, Params};
use super::port::Bound;
use crate::bounded_server::{self, Bounds, Limits, Stop};
use crate::secret::Secret;
use crate::tasks::Work;

/// What strangers on this machine may cost us: 128 × 16 KiB, and five seconds each.
const LIMITS: Limits = Limits {
    bounds: Bounds { connections: 128, per_address: None, own_user_only: false },
    header_bytes: 16 * 1024,
    header_time: Duration::from_secs(5),
    connection_time: Duration::from_secs(60),
    grace: Duration::from_secs(5),
    keep_alive: false,
};
/// How long the last answer may take to leave.
const LINGER: Duration = Duration::from_secs(1);
/// How long a browser waits for the end of the login before it is told to look elsewhere.
const PATIENCE: Duration = Duration::from_secs(25);
/// How long a browser that brought the answer may take to fetch its page.
const FETCH: Duration = Duration::from_secs(3);

/// What one listener answers to.
#[derive(Debug)]
pub(in crate::login) struct Site {
    /// The redirect's host, without the port.
    pub host: String,
    /// The redirect's path; it may hold a secret.
    pub path: Secret,
    /// Where the browser is sent to, known to nobody else.
    pub done_path: Secret,
    /// What an answer is held against.
    pub expected: Expected,
    /// Names for the pages.
    pub words: Words,
}

/// A listener at work; dropping it closes it at once.
#[derive(Debug)]
pub(in crate::login) struct Listener {
    /// The port.
    pub port: u16,
    /// What was turned away.
    pub ignored: watch::Receiver<Ignored>,
    /// What the provider said with its refusal, cleaned, for the page alone.
    pub quote: Option<String>,
    answer: oneshot::Receiver<Answer>,
    state: Arc<CallbackState>,
    stop: Stop,
    tasks: JoinSet<()>,
}

/// Requests that were turned away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::login) struct Ignored {
    pub count: u64,
    /// Why the last one was that came to the right address.
    pub why: Option<CallbackRejection>,
}

/// What the handlers of all connections share.
#[derive(Debug)]
struct CallbackState {
    site: Site,
    authority: String,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
    line: Line,
    /// Whether a right answer came.
    taken: AtomicBool,
    /// Whether an answer from the line is being tried.
    trying: AtomicBool,
    ignored: watch::Sender<Ignored>,
    outcome: watch::Sender<Option<Outcome>>,
    shown: Notify,
}

impl Listener {
    /// Begins to answer on the sockets.
    pub fn open(bound: Bound, site: Site) -> Self {
        let (sender, answer) = oneshot::channel();
        let (stop, stopped) = Stop::new();
        let state = Arc::new(CallbackState {
            authority: format!("{}:{}", site.host, bound.port),
            site,
            answer: Mutex::new(Some(sender)),
            line: Line::default(),
            taken: AtomicBool::new(false),
            trying: AtomicBool::new(false),
            ignored: watch::Sender::default(),
            outcome: watch::Sender::new(None),
            shown: Notify::new(),
        });
        let filter = routes(Arc::clone(&state));
        let mut tasks = JoinSet::new();
        let service = move |_| bounded_server::service(filter.clone());
        tasks.spawn(Box::pin(bounded_server::serve(bound.listeners, service, LIMITS, stopped)) as Work);
        Self { port: bound.port, ignored: state.ignored.subscribe(), quote: None, answer, state, stop, tasks }
    }

    /// The right answer, once it comes, and apart from it those that have to be tried.
    pub fn split(&mut self) -> (impl Future<Output = Answer>, Trials<'_>) {
        let answer = &mut self.answer;
        let answer = async {
            match answer.await {
                Ok(answer) => answer,
                // Taken already: there is no second one.
                Err(_) => std::future::pending().await,
            }
        };
        (answer, Trials(&self.state))
    }

    /// Counts an answer that was tried in vain, and tells its browser so.
    pub fn is_not_ours(&self, trial: Trial) {
        self.state.trying.store(false, Ordering::SeqCst);
        trial.turn_away();
    }

    /// Turns every later answer away: another way has won.
    pub fn refuse_more(&self) {
        self.state.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.state.line.close();
    }

    /// Tells the browser that brought the answer, if one did, how the login ended; then closes.
    pub async fn close(mut self, outcome: Outcome) {
        self.refuse_more();
        self.state.outcome.send_replace(Some(outcome));
        if self.state.has_browser() {
            let _ = tokio::time::timeout(FETCH, self.state.shown.notified()).await;
        }
        self.stop.stop();
        let _ = tokio::time::timeout(LINGER, self.tasks.join_next()).await;
    }
}

/// Answers that have to be tried.
pub(in crate::login) struct Trials<'a>(&'a CallbackState);

impl Trials<'_> {
    /// The next one, once it comes. The browser that brought it waits for what becomes of it.
    pub async fn next(self) -> Trial {
        let trial = self.0.line.next().await;
        // Should the login end now, this browser is shown how.
        self.0.trying.store(true, Ordering::SeqCst);
        trial
    }
}

fn routes(
    state: Arc<CallbackState>,
) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
    let host = warp::host::optional().or(warp::any().map(|| None)).unify();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let method = warp::method();
    let (path, headers) = (warp::path::full(), warp::header::headers_cloned());
    host.and(method).and(path).and(query).and(headers).then(
        move |host: Option<Authority>, method: Method, path: FullPath, query: String, headers: HeaderMap| {
            let state = Arc::clone(&state);
            let query = Secret::new(query);
            async move {
                let ours = host.is_some_and(|host| is_at(host.as_str(), &state.authority));
                if !ours || is_foreign(&headers) {
                    return state.stray(pages::refusal(StatusCode::FORBIDDEN));
                }
                state.route(&method, path.as_str(), &query, &headers).await
            }
        },
    )
}

/// Whether a browser that was sent to `authority` calls it so: the port that `http:` has anyway is left out.
fn is_at(host: &str, authority: &str) -> bool {
    let known = authority.strip_suffix(":80").filter(|_| !host.ends_with(":80")).unwrap_or(authority);
    host.eq_ignore_ascii_case(known)
}

/// Whether a page of another origin sends this in the background, or a program that says two things about
/// itself. What a person clicks is a navigation, whoever leads there.
fn is_foreign(headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let prefetch = ["purpose", "sec-purpose"].iter().any(|name| value(name).is_some());
    let background = matches!(value("sec-fetch-site"), Some(site) if site != b"none" && site != b"same-origin")
        && value("sec-fetch-mode").is_some_and(|mode| mode != b"navigate");
    let framed = value("sec-fetch-dest").is_some_and(|dest| dest != b"document" && dest != b"empty");
    let hosts = headers.get_all(header::HOST).iter().count();
    // A navigation by GET carries no Origin at all.
    headers.contains_key(header::ORIGIN) || prefetch || background || framed || hosts > 1
}

/// Whether a page as a whole is being loaded. A browser that says nothing about that counts as one.
fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_none_or(|dest| dest == "document")
}

impl CallbackState {
    async fn route(&self, method: &Method, path: &str, query: &Secret, headers: &HeaderMap) -> Response {
        let path = Secret::new(path);
        let (callback, done) = (path == self.site.path, path == self.site.done_path);
        if !callback && !done {
            return self.stray(pages::refusal(StatusCode::NOT_FOUND));
        }
        if method != Method::GET {
            return self.stray(pages::not_allowed());
        }
        if done { self.tell().await } else { self.callback(query, headers).await }
    }

    /// Takes the first right answer, and has those tried that may be right.
    async fn callback(&self, query: &Secret, headers: &HeaderMap) -> Response {
        match Params::parse(query.expose()).and_then(|params| params.check(&self.site.expected)) {
            Ok(Checked { answer, is_ours: true }) => self.take(answer),
            Ok(Checked { answer, is_ours: false }) if is_navigation(headers) => {
                self.have_tried(answer, headers).await
            }
            Ok(_) => self.rejected(CallbackRejection::State, pages::refusal(StatusCode::FORBIDDEN)),
            Err(why) => self.rejected(why, pages::rejected(&self.site.words, why)),
        }
    }

    async fn have_tried(&self, answer: Answer, headers: &HeaderMap) -> Response {
        let was_clicked = headers.get("sec-fetch-user").is_some();
        tracing::info!(was_clicked, "a callback without state waits to be tried");
        let Some(mut place) = self.line.join(answer, was_clicked) else { return self.stray(pages::used()) };
        match place.verdict().await {
            Verdict::Ended => pages::redirect(self.site.done_path.expose()),
            Verdict::NotOurs => self.stray(pages::not_accepted(&self.site.words)),
        }
    }

    fn take(&self, answer: Answer) -> Response {
        let sender = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if sender.is_none_or(|sender| sender.send(answer).is_err()) {
            return self.stray(pages::used());
        }
        tracing::info!("a callback came with the right state");
        self.taken.store(true, Ordering::SeqCst);
        pages::redirect(self.site.done_path.expose())
    }

    /// The page on which the browser stays: waits for the login's end.
    async fn tell(&self) -> Response {
        if !self.has_browser() {
            return self.stray(pages::refusal(StatusCode::NOT_FOUND));
        }
        let mut outcome = self.outcome.subscribe();
        let ended = async { outcome.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone()) };
        let page = match tokio::time::timeout(PATIENCE, ended).await {
            Ok(Some(outcome)) => pages::outcome(&self.site.words, &outcome),
            _ => pages::unfinished(&self.site.words),
        };
        self.shown.notify_one();
        page
    }

    /// Whether a browser waits for the page of the end.
    fn has_browser(&self) -> bool {
        self.taken.load(Ordering::SeqCst) || self.trying.load(Ordering::SeqCst)
    }

    fn stray(&self, reply: Response) -> Response {
        tracing::debug!(status = reply.status().as_u16(), "a request to the callback was turned away");
        self.ignored.send_modify(|ignored| ignored.count += 1);
        reply
    }

    /// A stray that came to the right address, so that the person may want to know.
    fn rejected(&self, why: CallbackRejection, reply: Response) -> Response {
        tracing::warn!(?why, "a callback was ignored");
        self.ignored.send_modify(|ignored| ignored.why = Some(why));
        self.stray(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::is_at;

    #[test]
    fn a_browser_leaves_out_the_port_of_http() {
        assert!(is_at("LocalHost:3000", "localhost:3000") && is_at("[::1]", "[::1]:80"));
        assert!(is_at("localhost", "localhost:80") && is_at("localhost:80", "localhost:80"));
        for other in
            ["localhost", "localhost:300", "localhost:80", "localhost.:3000", "evil.example:3000", ""]
        {
            assert!(!is_at(other, "localhost:3000"), "{other}");
        }
        assert!(!is_at("evil.example", "localhost:80"));
    }
}
