//! What the browser shows at the end of a login.
//!
//! Guarantees: every text put in is escaped; the headers of rule 16 are on every response; no script, and
//! nothing is loaded from anywhere.

use warp::http::header::{self, HeaderValue};
use warp::http::{Response, StatusCode};
use warp::reply::Response as Reply;

use super::params::CallbackRejection;
use crate::credential::BackendKind;
use crate::error::Error;
use crate::html::escape;
use crate::template;
use crate::wording::Face;

const TEMPLATE: &str = include_str!("pages/page.html");
const STYLE: &str = include_str!("pages/page.css");

const CHECK: &str =
    r#"<circle class="disc" cx="32" cy="32" r="30"/><path class="line" d="M20 33l8.5 8.5L45 25"/>"#;
const CROSS: &str =
    r#"<circle class="disc" cx="32" cy="32" r="30"/><path class="line" d="M23 23l18 18M41 23L23 41"/>"#;
const DOTS: &str = r#"<circle class="disc" cx="32" cy="32" r="30"/><g class="dot"><circle cx="20" cy="32" r="3.5"/><circle cx="32" cy="32" r="3.5"/><circle cx="44" cy="32" r="3.5"/></g>"#;

/// Names that the pages use.
#[derive(Debug, Clone)]
pub(in crate::login) struct Words {
    /// The provider's name for people.
    pub provider: String,
    /// Where the person came from.
    pub place: Face,
}

/// How a login ended, for the page.
#[derive(Debug, Clone)]
pub(in crate::login) enum Outcome {
    /// Stored.
    Done { identity: Option<String>, store: BackendKind },
    /// Not stored, with the provider's cleaned words, if it gave any.
    Failed { error: Error, description: Option<String> },
}

/// The page that the person stays on.
pub(in crate::login) fn outcome(words: &Words, outcome: &Outcome) -> Reply {
    match outcome {
        Outcome::Done { identity, store } => logged_in(words, identity.as_deref(), *store),
        Outcome::Failed { error, description } => failed(words, error, description.as_deref()),
    }
}

fn logged_in(words: &Words, identity: Option<&str>, store: BackendKind) -> Reply {
    let account = identity.map(|identity| row("Account", identity)).unwrap_or_default();
    let body = format!(
        "<p class=\"soft\">Your AI plugins can use it right away.</p>\n<dl>\n{account}{}</dl>\n\
         <p class=\"next\">You can close this tab and go back to {}.</p>\n",
        row("Kept in", store.place()),
        words.place.name()
    );
    let heading = format!("You are logged in to {}", words.provider);
    page(StatusCode::OK, "good", CHECK, &heading, &body)
}

fn row(name: &str, value: &str) -> String {
    format!("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name), escape(value))
}

fn failed(words: &Words, error: &Error, description: Option<&str>) -> Reply {
    let quote = description.map(|text| {
        let (provider, text) = (escape(&words.provider), escape(text));
        format!("<blockquote><small>{provider} says</small>{text}</blockquote>\n")
    });
    let hint = error.hint().map(|hint| format!("<p class=\"soft\">{}</p>\n", prose(&words.place.say(hint))));
    let body = format!(
        "<p>{}</p>\n{}{}<p class=\"next\">You can close this tab and go back to {}.</p>\n",
        prose(&words.place.say(error.message())),
        quote.unwrap_or_default(),
        hint.unwrap_or_default(),
        words.place.name()
    );
    let heading = format!("The login to {} did not work", words.provider);
    page(StatusCode::OK, "bad", CROSS, &heading, &body)
}

/// The provider takes longer to answer us than a browser likes to wait.
pub(in crate::login) fn unfinished(words: &Words) -> Reply {
    let body = format!(
        "<p>{} still has to confirm it. {} tells you how it ends.</p>\n\
         <p class=\"next\">You can close this tab.</p>\n",
        escape(&words.provider),
        capital(words.place.name())
    );
    page(StatusCode::OK, "wait", DOTS, "Almost there", &body)
}

/// An answer that is not taken, and why.
pub(in crate::login) fn rejected(words: &Words, why: CallbackRejection) -> Reply {
    let (heading, reason) = match why {
        CallbackRejection::State => {
            ("This answer belongs to another login".to_owned(), "It may come from an older tab.".to_owned())
        }
        CallbackRejection::OtherIssuer => (
            format!("This answer does not come from {}", words.provider),
            format!(
                "It names another issuer than the one that was asked. Log in on the page of {} alone.",
                words.provider
            ),
        ),
        CallbackRejection::NoIssuer => (
            "This answer does not say who gives it".to_owned(),
            format!(
                "{} promises to name itself in every answer (`iss`, RFC 9207), and this one has no such name.",
                words.provider
            ),
        ),
        _ => return refusal(StatusCode::BAD_REQUEST),
    };
    still_waiting(words, &heading, &reason)
}

/// A code, or a refusal, that came without `state` and is not this login's, as far as anybody can tell.
pub(in crate::login) fn not_accepted(words: &Words) -> Reply {
    let heading = format!("{} did not confirm this answer", words.provider);
    let reason = format!(
        "It does not say which login it belongs to. If you did not allow the login, cancel it in {}; if you did, the \
         code may have been used already, or be too old.",
        words.place.name()
    );
    still_waiting(words, &heading, &reason)
}

fn still_waiting(words: &Words, heading: &str, reason: &str) -> Reply {
    let body = format!(
        "<p>{}</p>\n<p class=\"soft\">The login that waits now is not disturbed by it.</p>\n\
         <p class=\"next\">Finish the newest tab, or start again from {}.</p>\n",
        prose(reason),
        words.place.name()
    );
    page(StatusCode::BAD_REQUEST, "wait", DOTS, heading, &body)
}

/// A second hit of a callback.
pub(in crate::login) fn used() -> Reply {
    let body = "<p>A login link works once. Nothing was changed.</p>\n\
                <p class=\"next\">You can close this tab.</p>\n";
    page(StatusCode::CONFLICT, "wait", DOTS, "This link was used already", body)
}

/// Any other refusal: one line, for programs more than for people.
pub(in crate::login) fn refusal(status: StatusCode) -> Reply {
    let text = format!("{}\n", status.canonical_reason().unwrap_or("Refused"));
    respond(status, "text/plain; charset=utf-8", text)
}

/// A method other than GET.
pub(in crate::login) fn not_allowed() -> Reply {
    let mut reply = refusal(StatusCode::METHOD_NOT_ALLOWED);
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    reply
}

/// Sends the browser on, so that the code leaves its address bar and history.
pub(in crate::login) fn redirect(path: &str) -> Reply {
    let mut reply = refusal(StatusCode::SEE_OTHER);
    if let Ok(path) = HeaderValue::from_str(path) {
        reply.headers_mut().insert(header::LOCATION, path);
    }
    reply
}

fn page(status: StatusCode, tone: &str, mark: &str, heading: &str, body: &str) -> Reply {
    let heading = escape(heading);
    let field = |name: &str| match name {
        "style" => Some(STYLE),
        "tone" => Some(tone),
        "mark" => Some(mark),
        "title" | "heading" => Some(&*heading),
        "body" => Some(body),
        _ => None,
    };
    let filled = template::fill(TEMPLATE, |name| field(name).map(str::to_owned));
    respond(status, "text/html; charset=utf-8", filled.unwrap_or_default())
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, content_type);
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::REFERRER_POLICY, "no-referrer");
    set(header::CACHE_CONTROL, "no-store");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::CONNECTION, "close");
    reply
}

/// No script, and nothing loaded from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// Escaped, with `commands` in backticks set as code.
fn prose(text: &str) -> String {
    let escaped = escape(text);
    let mut pieces = escaped.split('`');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (index, piece) in pieces.enumerate() {
        out.push_str(if index % 2 == 0 { "<code>" } else { "</code>" });
        out.push_str(piece);
    }
    if escaped.matches('`').count() % 2 == 1 {
        out.push_str("</code>");
    }
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[tokio::test]
    async fn what_to_do_next_is_said_in_the_words_of_the_place() {
        let error = Error::new(Code::LoginDenied, "No.").with_hint("Start again with `:ConvLogin corp`.");
        for (place, command) in
            [(Face::Editor, ":ConvLogin corp"), (Face::Terminal, "convocations login corp")]
        {
            let words = Words { provider: "Corp".into(), place };
            let reply = outcome(&words, &Outcome::Failed { error: error.clone(), description: None });
            let page = http_body_util::BodyExt::collect(reply.into_body()).await.unwrap().to_bytes();
            let page = String::from_utf8_lossy(&page).into_owned();
            assert!(page.contains(&format!("<code>{command}</code>")), "{page}");
            assert!(page.contains(&format!("go back to {}", place.name())), "{page}");
        }
    }

    #[test]
    fn commands_are_set_as_code_and_always_closed() {
        assert_eq!(prose("Type `:x <y>` now."), "Type <code>:x &lt;y&gt;</code> now.");
        assert_eq!(prose("odd `tick"), "odd <code>tick</code>");
    }
}
