//! The steps that data cannot describe: what some providers make of a login's tokens before an API takes
//! them.
//!
//! Each has a name that a description's `second_step` gives. To add one: a variant of [`SecondStep`], a
//! function, and a line in [`run`].

use serde_json::Value;
use url::Url;

use super::client::Client;
use super::failure::{self, Failure, lacking};
use super::ready::Step;
use super::token_answer::credential;
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::provider::{Provider, SecondStep};

/// Runs a step on tokens whose `access_token` is the first step's.
///
/// # Errors
/// A [`Failure`].
pub(super) async fn run(client: &Client, step: &Step, tokens: Tokens) -> Result<Tokens, Failure> {
    match step.step {
        SecondStep::AnthropicConsoleKey => anthropic_console_key(client, &step.url, &tokens).await,
        SecondStep::CopilotToken => copilot_token(client, &step.url, tokens).await,
    }
}

async fn anthropic_console_key(client: &Client, url: &Url, tokens: &Tokens) -> Result<Tokens, Failure> {
    let (http, name, now) = (&client.wire.http, &client.provider().name, client.now());
    // The body is empty, and said to be: many servers refuse a POST without a length (411).
    let request = http.post(url.clone())?.bearer_auth(tokens.access_token.expose());
    let request = request.header(reqwest::header::CONTENT_LENGTH, 0);
    let reply = http.send(client.with_headers(request)).await?;
    let body = failure::read(&reply, name)?;
    let key = credential(&body, "raw_key").ok_or_else(|| lacking(name, "key"))?;
    let mut made = Tokens::api_key(key, now);
    made.identity.clone_from(&tokens.identity);
    made.organization.clone_from(&tokens.organization);
    Ok(made)
}

async fn copilot_token(client: &Client, url: &Url, tokens: Tokens) -> Result<Tokens, Failure> {
    let (http, provider, now) = (&client.wire.http, client.provider(), client.now());
    let base = tokens.access_token.clone();
    let request = http.get(url.clone())?.bearer_auth(base.expose());
    let reply = http.send(client.with_headers(request)).await?;
    // GitHub says no in JSON; a page is somebody's in between.
    let is_github = failure::is_json(&reply);
    match reply.status.as_u16() {
        401 if is_github => return Err(Failure::Refused(github_refused(provider))),
        403 if is_github => return Err(Failure::Configuration(no_copilot(provider))),
        _ => {}
    }
    let body = failure::read(&reply, &provider.name)?;
    let token = credential(&body, "token").ok_or_else(|| lacking(&provider.name, "Copilot token"))?;
    let mut made = tokens;
    made.base_url = copilot_base_url(&body, token.expose());
    made.expires_at = copilot_end(&body, now);
    made.access_token = token;
    made.base_token = Some(base);
    made.obtained_at = now;
    Ok(made)
}

/// `expires_at` is the server's clock; with `refresh_in` beside it a local clock that is wrong shows, and
/// counts.
pub(super) fn copilot_end(body: &Value, now: i64) -> Option<i64> {
    let end = body.get("expires_at").and_then(Value::as_i64);
    let soon =
        body.get("refresh_in").and_then(Value::as_i64).filter(|seconds| (1..=86_400).contains(seconds));
    let by_refresh = |soon: i64| now.saturating_add(soon + 300);
    match (end, soon) {
        // The token is new, so an end in the past or far off means that the clocks differ: `refresh_in` plus
        // the five minutes that GitHub leaves between it and the end is right by our own clock.
        (Some(end), Some(soon)) if end.abs_diff(by_refresh(soon)) > 600 => Some(by_refresh(soon)),
        (Some(end), _) => Some(end),
        (None, Some(soon)) => Some(by_refresh(soon)),
        (None, None) => None,
    }
}

/// `endpoints.api`, else the token's `proxy-ep` with `api.` for `proxy.`; else the description's own.
pub(super) fn copilot_base_url(body: &Value, token: &str) -> Option<String> {
    let named = body.pointer("/endpoints/api").and_then(Value::as_str).map(str::to_owned);
    let from_token = || {
        let host = token.split(';').find_map(|pair| pair.trim().strip_prefix("proxy-ep="))?;
        Some(format!("https://{}", host.replacen("proxy.", "api.", 1)))
    };
    let url = named.or_else(from_token)?;
    // The token will be sent there: only an address of the allowed form.
    crate::provider::check_url("endpoints.api", &url).ok().map(|_| url.trim_end_matches('/').to_owned())
}

fn github_refused(provider: &Provider) -> Error {
    Error::new(Code::ProviderRefused, "GitHub no longer accepts the stored GitHub token.")
        .with_hint(format!("Log in again with `:ConvLogin {}`.", provider.id))
}

fn no_copilot(provider: &Provider) -> Error {
    Error::new(Code::ProviderRefused, "This GitHub account has no access to Copilot.").with_hint(format!(
        "Check the plan at https://github.com/settings/copilot, or log in to another account with `:ConvLogin {}@NAME`.",
        provider.id
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn copilots_base_url_comes_from_the_answer_or_the_token() {
        let base = |body: Value, token: &str| copilot_base_url(&body, token);
        let api = "https://api.business.githubcopilot.com";
        assert_eq!(base(json!({"endpoints": {"api": api}}), "tid=1").as_deref(), Some(api));
        let token = "tid=1;proxy-ep=proxy.individual.githubcopilot.com;exp=1";
        assert_eq!(base(json!({}), token).as_deref(), Some("https://api.individual.githubcopilot.com"));
        assert_eq!(base(json!({"endpoints": {"api": "http://evil.example"}}), "x"), None);
        assert_eq!(base(json!({}), "tid=1"), None);
    }

    #[test]
    fn copilots_end_allows_for_a_wrong_clock() {
        let now = 1_000_000;
        assert_eq!(
            copilot_end(&json!({"expires_at": now + 1800, "refresh_in": 1500}), now),
            Some(now + 1800)
        );
        assert_eq!(
            copilot_end(&json!({"expires_at": now - 9000, "refresh_in": 1500}), now),
            Some(now + 1800)
        );
        assert_eq!(
            copilot_end(&json!({"expires_at": now + 90_000, "refresh_in": 1500}), now),
            Some(now + 1800)
        );
        assert_eq!(copilot_end(&json!({"refresh_in": 1500}), now), Some(now + 1800));
        assert_eq!(copilot_end(&json!({"expires_at": now + 5}), now), Some(now + 5));
    }
}
