//! Any bytes as a provider's answer, as a header of it, and as a token: a value that keeps its promises or an
//! error without a word of the answer.

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde_json::Value;
use url::Url;

use super::challenge::Challenge;
use super::failure::Failure;
use super::{
    challenge, device, failure, identity, jwt, metadata, registration, resource, second_step, token_answer,
};
use crate::config::Config;
use crate::credential::Tokens;
use crate::http::{self, Reply};
use crate::provider::check_url;
use crate::secret::Secret;
use crate::text::is_hidden;

const STATUSES: [u16; 12] = [200, 201, 302, 400, 401, 403, 404, 408, 418, 429, 500, 503];
const ISSUER: &str = "https://id.example/";
const NOW: i64 = 1_800_000_000;

/// The answer of a token, device, key or Copilot endpoint: a byte for the status, then the body.
pub fn answer(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let reply = reply(STATUSES[usize::from(*first) % STATUSES.len()], body);
    let read = failure::read(&reply, "P");
    assert!(read.is_ok() <= reply.status.is_success(), "good news from a bad status");
    quiet(body, read.as_ref().err());
    let config = Config::builtin();
    let Ok(provider) = config.provider("github-copilot") else { panic!("a built-in provider") };
    let Some(method) = provider.default_method() else { panic!("a built-in method") };
    let minted = token_answer::minted(&reply, &provider, NOW);
    quiet(body, minted.as_ref().err());
    minted.iter().for_each(usable);
    let Ok(read) = read else { return };
    let tokens = token_answer::tokens(&read, "P", NOW);
    quiet(body, tokens.as_ref().err());
    tokens.iter().for_each(usable);
    match device::read_authorization(&read, &provider, method) {
        Ok(code) => {
            for address in
                [Some(&*code.verification_uri), code.verification_uri_complete.as_ref().map(Secret::expose)]
            {
                assert!(address.is_none_or(is_openable), "an address that is not opened");
            }
            assert!((1..=3600).contains(&code.expires_in) && code.interval >= 1);
        }
        Err(failure) => quiet(body, Some(&failure)),
    }
    let base_url = second_step::copilot_base_url(&read, &String::from_utf8_lossy(body));
    assert!(base_url.is_none_or(|url| is_openable(&url)), "an address that no token goes to");
    let _ = second_step::copilot_end(&read, NOW);
    let shown = identity::in_answer(&read, Some(&Secret::new(String::from_utf8_lossy(body))));
    assert!(shown.is_none_or(|name| !name.contains(is_hidden)), "a name that is not shown");
}

/// A document: metadata of a server or a resource, or the answer of a registration.
pub fn document(data: &[u8]) {
    let (Ok(body), Ok(url)) = (serde_json::from_slice::<Value>(data), Url::parse(ISSUER)) else { return };
    if let Ok(server) = metadata::read(&body, ISSUER, &url) {
        assert_eq!(body["issuer"], ISSUER, "another issuer's document");
        let named = [&server.authorize_url, &server.token_url, &server.registration_url, &server.revoke_url];
        let more = [&server.device_authorization_url, &server.userinfo_url];
        named.into_iter().chain(more).flatten().for_each(|url| assert_eq!(url.scheme(), "https"));
    }
    if let Some(found) = resource::read(&body, &url, &Challenge::default()) {
        assert!(!found.issuers.is_empty());
        assert!(
            found
                .name
                .and_then(|name| Url::parse(&name).ok())
                .is_some_and(|name| name.origin() == url.origin()),
            "another's resource"
        );
    }
    if let Some(made) = registration::read(&body, &Value::Null, ISSUER) {
        let mut kept = registration::Registrations::default();
        kept.add(made);
        let again = registration::Registrations::from_secret(&kept.to_secret());
        assert_eq!(again, Some(kept), "a registration gets lost");
    }
}

/// A `WWW-Authenticate`, `Retry-After` or `Date` header, and a JWT.
pub fn header(data: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(data) {
        for name in [RETRY_AFTER.as_str(), "retry-after-ms", DATE.as_str()] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            let _ = (http::retry_after(&headers), http::date(&headers));
        }
        headers.insert(WWW_AUTHENTICATE, value);
        let found = challenge::of(&headers);
        let text = String::from_utf8_lossy(data).to_ascii_lowercase();
        assert!(found.is_none() || text.contains("bearer"), "a challenge of another scheme");
    }
    let text = String::from_utf8_lossy(data);
    let _ = (jwt::claims(&text), jwt::expires_at(&text, NOW));
    let values = identity::account_values(Some(&Secret::new(&*text)), &Secret::new(&*text));
    assert!(values.values().all(|value| !value.contains(is_hidden)), "a header of two lines");
}

fn reply(status: u16, body: &[u8]) -> Reply {
    let status = StatusCode::from_u16(status).unwrap_or_default();
    Reply { status, retry_after: None, date: None, headers: HeaderMap::new(), body: body.to_vec() }
}

/// A token that can travel: it stands in a header and on a line of its own.
fn usable(tokens: &Tokens) {
    let token = tokens.access_token.expose();
    assert!(token.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "a token of two lines");
    assert!(tokens.expires_at.is_none_or(|end| end > 0), "an end before time began");
}

fn is_openable(address: &str) -> bool {
    check_url("", address).is_ok() && !address.contains(|c: char| is_hidden(c) || c.is_whitespace())
}

/// No text of the answer is in the error.
fn quiet(body: &[u8], failure: Option<&Failure>) {
    let Some(failure) = failure else { return };
    let shown = format!("{failure:?}");
    assert!(!shown.contains("planted"), "an error repeats the answer");
    assert!(shown.len() < 1000 || body.len() < 1000, "an error as long as the answer");
}
