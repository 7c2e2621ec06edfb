//! A protected resource, such as an MCP server, says who signs its tokens (RFC 9728).
//!
//! Guarantees: no token is sent while asking; a document counts only if it is about the very resource that
//! was asked for: the same origin, and a path that is the same or leads to it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::challenge::{self, Challenge};
use super::client::Wire;
use super::failure::Failure;
use super::metadata::{Fetched, fetch, strings, trusted};
use crate::error::{Code, Error};
use crate::http::{Head, Http, TransportError};
use crate::provider::Provider;
use crate::text::is_hidden;

/// Longest wait for the resource's first refusal; one that lets anybody in may never end its answer.
const FIRST_REFUSAL: Duration = Duration::from_secs(10);

/// Longest name of a resource that is shown, in characters.
const MAX_TITLE: usize = 64;

/// Longest list of scopes that is asked for, in bytes: with all else an address has to stay below eight
/// kilobytes, which is what servers take.
const MAX_SCOPES: usize = 4 << 10;

/// What a resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// Its name, for the `resource` parameter (RFC 8707); absent where that is not known.
    pub name: Option<String>,
    /// What people call it (RFC 9728, 2), if it says.
    pub title: Option<String>,
    /// Who signs tokens for it; the first of its list.
    pub issuers: Vec<String>,
    /// What a token needs: as the refusal says, else as the document does.
    pub scopes: Vec<String>,
}

/// What came of asking.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// Its document, if it has one.
    pub resource: Option<Resource>,
    /// What its refusal said.
    pub challenge: Challenge,
    /// Whether it refused a call without a token, as a resource does that wants one.
    pub is_refused: bool,
}

impl Resource {
    /// One that has no document, by the address that the settings give.
    pub fn named(name: &str, challenge: Challenge) -> Self {
        Self { name: Some(name.to_owned()), ..Self::nameless(challenge) }
    }

    /// One that has no document and knows no name of its own.
    pub fn nameless(challenge: Challenge) -> Self {
        Self { name: None, title: None, issuers: Vec::new(), scopes: sound(challenge.scopes) }
    }
}

/// Asks a resource. One that has no document is no failure: somebody else may know who signs its tokens.
///
/// # Errors
/// `Transient` if it could not be asked; `Configuration` if it says something unusable.
pub(super) async fn ask(wire: &Wire, url: &Url) -> Result<Answer, Failure> {
    let mut answer = without_token(&wire.http, url).await?;
    let named = answer.challenge.resource_metadata.as_deref().and_then(|text| trusted(text, url));
    let mut problem = None;
    for place in named.into_iter().chain(places(url)) {
        match fetch(wire, place).await? {
            Fetched::Document(body) => match read(&body, url, &answer.challenge) {
                Some(found) => {
                    answer.resource = Some(found);
                    return Ok(answer);
                }
                None => problem = problem.or_else(|| Some(foreign(&wire.provider))),
            },
            Fetched::Later(failure) => problem = problem.or(Some(failure)),
            Fetched::Nothing => {}
        }
    }
    problem.map_or(Ok(answer), Err)
}

/// Calls the resource without a token and reads its refusal: by GET and, since many refuse only what they
/// serve, by POST. Nothing of an answer but its head is waited for: one that lets anybody in may never end.
async fn without_token(http: &Http, url: &Url) -> Result<Answer, Failure> {
    let accept = "application/json, text/event-stream";
    let get = http.get(url.clone())?.header(reqwest::header::ACCEPT, accept).timeout(FIRST_REFUSAL);
    let by_get = refusal(http.head(get).await)?;
    if by_get.is_refused {
        return Ok(by_get);
    }
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    let post = http.post(url.clone())?.header(reqwest::header::ACCEPT, accept).json(&ping);
    refusal(http.head(post.timeout(FIRST_REFUSAL)).await)
}

fn refusal(head: Result<Head, TransportError>) -> Result<Answer, Failure> {
    match head {
        Ok(head) => Ok(Answer {
            resource: None,
            is_refused: head.status == StatusCode::UNAUTHORIZED,
            challenge: challenge::of(&head.headers).unwrap_or_default(),
        }),
        // It was reached and does not answer: its document may still tell.
        Err(trouble) if trouble.sent => Ok(Answer::default()),
        Err(trouble) => Err(trouble.into()),
    }
}

/// RFC 9728, 3.1: the well-known part before the path, then at the root.
fn places(resource: &Url) -> Vec<Url> {
    let path = resource.path().trim_end_matches('/');
    let mut paths = vec![format!("/.well-known/oauth-protected-resource{path}")];
    if !path.is_empty() {
        paths.push("/.well-known/oauth-protected-resource".to_owned());
    }
    let at = |path: String| {
        let mut url = resource.clone();
        url.set_path(&path);
        url.set_query(None);
        url
    };
    paths.into_iter().map(at).collect()
}

pub(super) fn read(body: &Value, asked: &Url, challenge: &Challenge) -> Option<Resource> {
    let name = body.get("resource").and_then(Value::as_str).filter(|name| covers(name, asked))?;
    let issuers = strings(body.get("authorization_servers")?);
    let issuers: Vec<String> =
        issuers.into_iter().filter(|issuer| trusted(issuer, asked).is_some()).collect();
    let listed = || strings(body.get("scopes_supported").unwrap_or(&Value::Null));
    let scopes = sound(if challenge.scopes.is_empty() { listed() } else { challenge.scopes.clone() });
    let title =
        body.get("resource_name").and_then(Value::as_str).map(str::trim).filter(|text| is_title(text));
    let title = title.map(str::to_owned);
    (!issuers.is_empty()).then(|| Resource { name: Some(name.to_owned()), title, issuers, scopes })
}

/// Those that are scopes (RFC 6749, 3.3), and no more than an address can carry.
fn sound(scopes: Vec<String>) -> Vec<String> {
    let is_scope = |scope: &String| {
        !scope.is_empty()
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'))
    };
    let mut length = 0;
    let fits = |scope: &String| {
        length += scope.len() + 1;
        length <= MAX_SCOPES
    };
    scopes.into_iter().filter(is_scope).take_while(fits).collect()
}

/// Whether a text may be shown as somebody's name.
fn is_title(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_TITLE && !text.chars().any(is_hidden)
}

/// Whether a resource's name covers an address: the same origin, and a path that is the same or a folder
/// above it.
fn covers(name: &str, asked: &Url) -> bool {
    let Ok(name) = Url::parse(name) else { return false };
    let (own, other) = (name.path().trim_end_matches('/'), asked.path().trim_end_matches('/'));
    let below = other.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    name.origin() == asked.origin() && below && name.fragment().is_none()
}

pub(super) fn silent(provider: &Provider) -> Failure {
    Failure::Configuration(
        Error::new(
            Code::ConfigInvalid,
            format!("{} does not say where its tokens come from.", provider.name),
        )
        .with_hint(format!("Check `resource` under `[providers.{}]`, or give its `issuer`.", provider.id)),
    )
}

fn foreign(provider: &Provider) -> Failure {
    Failure::Configuration(
        Error::new(
            Code::ConfigInvalid,
            format!("The description of {} is about another resource.", provider.name),
        )
        .with_hint(format!("Write `resource` under `[providers.{}]` as its server names it.", provider.id)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_covers_itself_and_what_is_below() {
        let asked = Url::parse("https://mcp.example/a/b").unwrap();
        for name in [
            "https://mcp.example/a/b",
            "https://mcp.example/a/b/",
            "https://mcp.example/a",
            "https://mcp.example",
        ] {
            assert!(covers(name, &asked), "{name}");
        }
        for name in [
            "https://mcp.example/a/b/c",
            "https://mcp.example/a/bc",
            "https://mcp.example/A/b",
            "https://mcp.example:8443/a/b",
            "http://mcp.example/a/b",
            "https://mcp.example.evil.example/a/b",
            "https://mcp.example/a/b#x",
            "mcp",
        ] {
            assert!(!covers(name, &asked), "{name}");
        }
    }

    #[test]
    fn the_refusals_scopes_win_over_the_documents() {
        let asked = Url::parse("https://mcp.example/mcp").unwrap();
        let body = json!({
            "resource": asked.as_str(), "authorization_servers": ["http://127.0.0.1/", "https://as.example"],
            "scopes_supported": ["a", "b"],
        });
        let mut challenge = Challenge::default();
        let found = read(&body, &asked, &challenge).unwrap();
        assert_eq!((found.issuers, found.scopes.len()), (vec!["https://as.example".to_owned()], 2));
        challenge.scopes = vec!["a".to_owned()];
        assert_eq!(read(&body, &asked, &challenge).unwrap().scopes, ["a"]);
        assert_eq!(read(&json!({ "resource": asked.as_str() }), &asked, &challenge), None);
    }
}
