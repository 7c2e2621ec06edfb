//! A protected resource, such as an MCP server, says who signs its tokens (RFC 9728).
//!
//! Guarantees: no token is sent while asking; a document counts only if it is about the very resource that was asked
//! for: the same origin, and a path that is the same or leads to it.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::challenge::{self, Challenge};
use super::failure::Failure;
use super::metadata::{Fetched, fetch, strings, trusted};
use crate::error::{Code, Error};
use crate::http::Http;
use crate::provider::Provider;

/// Longest wait for the resource's first refusal; one that lets anybody in may never end its answer.
const KNOCK: Duration = Duration::from_secs(10);

/// What a resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resource {
    /// Its name, for the `resource` parameter (RFC 8707).
    pub name: String,
    /// Who signs tokens for it; the first of its list.
    pub issuers: Vec<String>,
    /// What a token needs: as the refusal says, else as the document does.
    pub scopes: Vec<String>,
}

/// Asks a resource.
///
/// # Errors
/// `Transient` if it could not be asked; `Configuration` if it does not say, or says something unusable.
pub(super) async fn ask(http: &Http, resource: &str, provider: &Provider) -> Result<Resource, Failure> {
    let url = Url::parse(resource).map_err(|_| silent(provider))?;
    let challenge = knock(http, &url).await?.unwrap_or_default();
    let named = challenge.resource_metadata.as_deref().and_then(|text| trusted(text, &url));
    let mut problem = None;
    for place in named.into_iter().chain(places(&url)) {
        match fetch(http, place, provider).await? {
            Fetched::Document(body) => match read(&body, &url, &challenge) {
                Some(found) => return Ok(found),
                None => problem = problem.or_else(|| Some(foreign(provider))),
            },
            Fetched::Later(failure) => problem = problem.or(Some(failure)),
            Fetched::Nothing => {}
        }
    }
    Err(problem.unwrap_or_else(|| silent(provider)))
}

/// Calls the resource without a token and reads its refusal. Some refuse only what they serve, so a call by POST
/// follows where GET is not taken.
async fn knock(http: &Http, url: &Url) -> Result<Option<Challenge>, Failure> {
    let client = http.client()?;
    let accept = "application/json, text/event-stream";
    let get = client.get(url.clone()).header(reqwest::header::ACCEPT, accept).timeout(KNOCK);
    let reply = match http.send(get).await {
        Ok(reply) if reply.status == StatusCode::METHOD_NOT_ALLOWED => {
            let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
            let post = client.post(url.clone()).header(reqwest::header::ACCEPT, accept).json(&ping);
            http.send(post.timeout(KNOCK)).await
        }
        reply => reply,
    };
    match reply {
        Ok(reply) if reply.status == StatusCode::UNAUTHORIZED => Ok(challenge::of(&reply.headers)),
        Ok(_) => Ok(None),
        // It was reached and does not end its answer: its document may still tell.
        Err(trouble) if trouble.sent => Ok(None),
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
    let scopes = if challenge.scopes.is_empty() { listed() } else { challenge.scopes.clone() };
    (!issuers.is_empty()).then(|| Resource { name: name.to_owned(), issuers, scopes })
}

/// Whether a resource's name covers an address: the same origin, and a path that is the same or a folder above it.
fn covers(name: &str, asked: &Url) -> bool {
    let Ok(name) = Url::parse(name) else { return false };
    let (own, other) = (name.path().trim_end_matches('/'), asked.path().trim_end_matches('/'));
    let below = other.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    name.origin() == asked.origin() && below && name.fragment().is_none()
}

fn silent(provider: &Provider) -> Failure {
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
