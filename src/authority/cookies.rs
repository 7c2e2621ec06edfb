//! What the person's browser carries between our pages: a name for the browser, and the requests it has
//! consented to.
//!
//! Guarantees: over https every cookie has the `__Host-` prefix, so that no other host can plant one (RFC
//! 6265bis, 4.1.3.2); each request has a cookie of its own, so that one does not replace another; a request
//! counts only in the browser that consented to it; however many there are, they fit into what servers take
//! of a header.

use serde::{Deserialize, Serialize};

use super::exchange::{Request, Response, add_cookie};
use super::pending::Pending;
use super::seal::SealKind;
use super::server::AuthorizationServer;

/// Seconds that a consent page, a flow or a code stays valid: OpenRouter's own codes live 10 minutes.
pub const TEMPORARY: i64 = 600;
/// Browsers keep 4,096 bytes of a cookie with its name and attributes (RFC 6265, 6.1).
const MAX_COOKIE_LEN: usize = 3900;
/// Most bytes of all our flows: nginx takes 8 KiB for one header line by default.
const MAX_FLOWS_LEN: usize = 6000;
/// Most flows that one browser carries: more tabs are not one person's.
const MAX_FLOWS: usize = 8;
/// Characters of the browser's name: 128 bits.
const BROWSER_LEN: usize = 22;

const BROWSER: &str = "browser";
const FLOW: &str = "flow-";

/// A request that the person consented to and that waits for OpenRouter's answer.
#[derive(Serialize, Deserialize)]
pub struct Flow {
    /// The client's request.
    pub pending: Pending,
    /// Sent upstream as `state`, which OpenRouter may or may not send back.
    pub id: String,
    /// The PKCE verifier of the request to OpenRouter.
    pub upstream_verifier: String,
    /// The browser that consented.
    pub browser: String,
    /// When that was, Unix seconds.
    pub begun_at: i64,
}

/// The browser's name as it sent it, if it looks like one of ours.
pub fn browser<'a>(server: &AuthorizationServer, request: &'a Request) -> Option<&'a str> {
    let name = full_name(server, BROWSER);
    let mut named = request.cookies().filter(|(key, _)| *key == name).map(|(_, value)| value);
    named.find(|value| {
        value.len() == BROWSER_LEN
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

/// Gives the browser its name, or the same again for as long as a new request may take.
pub fn keep_browser(server: &AuthorizationServer, response: &mut Response, browser: &str) {
    add_cookie(response, &cookie(server, BROWSER, browser, TEMPORARY * 2));
}

/// The flows that this browser carries and consented to itself, oldest first.
pub fn flows(server: &AuthorizationServer, request: &Request) -> Vec<Flow> {
    let Some(browser) = browser(server, request) else {
        return Vec::new();
    };
    let own = |flow: &Flow, id: &str| flow.id == id && flow.browser == browser;
    let mut flows: Vec<Flow> = sealed_flows(server, request)
        .filter_map(|(id, sealed)| {
            server.sealer.open::<Flow>(SealKind::Flow, sealed, server.now()).filter(|flow| own(flow, id))
        })
        .collect();
    flows.sort_by_key(|flow| flow.begun_at);
    flows
}

/// Adds a flow and drops those that have ended or are too many; `false` if it is too long for a cookie.
pub fn add_flow(
    server: &AuthorizationServer,
    request: &Request,
    response: &mut Response,
    flow: &Flow,
) -> bool {
    let sealed = server.sealer.seal(SealKind::Flow, flow, Some(flow.begun_at + TEMPORARY));
    let Some(sealed) = sealed.ok().filter(|text| text.len() <= MAX_COOKIE_LEN) else {
        return false;
    };
    let open: Vec<String> = flows(server, request).into_iter().map(|flow| flow.id).rev().collect();
    let (mut length, mut count) = (sealed.len(), 1);
    let mut carried: Vec<(&str, &str)> = sealed_flows(server, request).collect();
    // Newest first; what does not open comes last and is never kept.
    carried.sort_by_key(|(id, _)| open.iter().position(|known| known == id).unwrap_or(usize::MAX));
    for (id, text) in carried {
        (length, count) = (length + text.len(), count + 1);
        let known = open.iter().any(|known| known == id);
        if !known || length > MAX_FLOWS_LEN || count > MAX_FLOWS {
            end_flow(server, response, id);
        }
    }
    add_cookie(response, &cookie(server, &format!("{FLOW}{}", flow.id), &sealed, TEMPORARY));
    true
}

/// Takes a flow out of the browser.
pub fn end_flow(server: &AuthorizationServer, response: &mut Response, id: &str) {
    add_cookie(response, &cookie(server, &format!("{FLOW}{id}"), "", 0));
}

/// Ids and sealed texts of everything that looks like a flow.
fn sealed_flows<'a>(
    server: &AuthorizationServer,
    request: &'a Request,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let prefix = full_name(server, FLOW);
    request.cookies().filter_map(move |(name, value)| Some((name.strip_prefix(prefix.as_str())?, value)))
}

fn full_name(server: &AuthorizationServer, name: &str) -> String {
    format!("{}convocations-{name}", if server.is_https() { "__Host-" } else { "" })
}

/// `Lax`: the callback is a navigation that OpenRouter's page starts. Over http, which is loopback only, the
/// prefix and `Secure` are not to be had; there the path keeps our cookies from other programs' addresses, by
/// default at least.
fn cookie(server: &AuthorizationServer, name: &str, value: &str, max_age: i64) -> String {
    let name = full_name(server, name);
    let place = match server.path() {
        _ if server.is_https() => "/; Secure",
        "" => "/",
        path => path,
    };
    format!("{name}={value}; Path={place}; Max-Age={max_age}; HttpOnly; SameSite=Lax")
}
