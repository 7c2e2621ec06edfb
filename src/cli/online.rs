//! `convocations doctor --online`: the way to each server of each provider in use.
//!
//! Guarantees: all servers are walked to at the same time, each step within its limit, so that the whole
//! takes as long as the slowest of them; what is waited for is shown, and Ctrl-C ends it.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use url::Url;

use super::context::Context;
use super::output;
use crate::error::{Error, Result};
use crate::http::reach;
use crate::protocol::{LoginStatus, Reach, Step};
use crate::provider::Provider;

/// A server, and who needs it.
#[derive(Debug)]
struct Server {
    url: Url,
    logins: Vec<String>,
}

/// Walks to the servers of these logins, in the order of their names.
pub(super) async fn walk(context: &Context, logins: &[LoginStatus]) -> Vec<Reach> {
    let (trust, now) = (context.http.trust(), context.clock.now());
    let mut waiting = servers(context, logins);
    let mut walks: FuturesUnordered<_> = waiting
        .iter()
        .map(|(origin, Server { url, logins })| {
            let (url, origin, logins) = (url.clone(), origin.clone(), logins.clone());
            async move { (origin, Reach { logins, ..reach(trust, &url, now).await }) }
        })
        .collect();
    let mut reached = Vec::new();
    loop {
        progress(waiting.keys());
        let Some((origin, reach)) = walks.next().await else { break };
        waiting.remove(&origin);
        reached.push(reach);
    }
    reached.sort_by(|one, other| one.server.cmp(&other.server));
    reached
}

fn progress<'a>(waiting: impl ExactSizeIterator<Item = &'a String>) {
    let (count, names) = (waiting.len(), waiting.map(String::as_str).collect::<Vec<_>>().join(", "));
    match count {
        0 => output::progress(&[""]),
        _ => output::progress(&[&format!("Asking {names}…"), &format!("Asking {count} servers…")]),
    }
}

/// By their origin: where the API is, and where tokens come from.
fn servers(context: &Context, logins: &[LoginStatus]) -> BTreeMap<String, Server> {
    let mut found: BTreeMap<String, Server> = BTreeMap::new();
    for status in logins {
        let Ok(provider) = context.config.provider(&status.provider) else { continue };
        for url in urls(&provider, status.method.as_deref()) {
            let server = found.entry(url.origin().ascii_serialization());
            let server = server.or_insert_with(|| Server { url, logins: Vec::new() });
            let login = status.login.as_str();
            if !server.logins.iter().any(|known| known == login) {
                server.logins.push(login.to_owned());
            }
        }
    }
    found
}

fn urls(provider: &Provider, method: Option<&str>) -> Vec<Url> {
    let read = |text: &Option<String>| text.as_deref().and_then(|text| Url::parse(text).ok());
    let method = method.and_then(|name| provider.method(name));
    let token = method.and_then(|method| method.token_url.clone());
    [token.or_else(|| read(&provider.issuer)), read(&provider.base_url)].into_iter().flatten().collect()
}

/// That the way leads there, in a sentence.
///
/// # Errors
/// At which step it ends, and why.
pub(super) fn outcome(reach: &Reach) -> Result<String> {
    let by = reach.proxy.as_ref().map(|proxy| format!(" by the proxy {proxy}")).unwrap_or_default();
    let server = reach.server.trim_start_matches("https://");
    if let Some((step, error)) =
        reach.steps.iter().find_map(|taken| Some((taken.step, taken.error.as_ref()?)))
    {
        let told =
            Error::new(error.code(), format!("{server}{by}: {} failed. {}", word(step), error.message()));
        return Err(match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        });
    }
    let ms: u64 = reach.steps.iter().map(|taken| taken.ms).sum();
    let has_clock = reach.steps.iter().any(|taken| taken.step == Step::Clock);
    let clock = if has_clock { ", and the clocks agree" } else { "" };
    Ok(format!("{server}{by} can be reached ({ms} ms){clock}."))
}

/// The step, as the begin of "… failed".
fn word(step: Step) -> &'static str {
    match step {
        Step::Name => "Looking up the name",
        Step::Connect => "Connecting",
        Step::Proxy => "The proxy",
        Step::Tls => "TLS",
        Step::Answer => "Asking",
        Step::Clock => "Comparing the clocks",
    }
}
