//! The device grant (RFC 8628), GitHub's errors at HTTP 200, and OpenAI's dialect.
//!
//! Guarantees: never polls sooner than the provider allows ([`Schedule`]); an answer that says nothing final
//! keeps the login waiting. The waiting itself, and the person, are the caller's.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::client::Client;
use super::failure::{self, Failure, lacking};
use super::ready::Begin;
use super::token::{CodeExchange, DEVICE_GRANT};
use super::token_answer;
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::http::Reply;
use crate::provider::{DeviceDialect, Encoding, Grant, Method, Provider};
use crate::secret::Secret;

/// Seconds between polls if the provider does not say (RFC 8628, 3.2).
const DEFAULT_INTERVAL: u64 = 5;
/// Seconds that `slow_down` adds for good (RFC 8628, 3.5).
const SLOW_DOWN: u64 = 5;
/// Longest interval that is believed, in seconds.
const MAX_INTERVAL: u64 = 120;
/// Seconds a code lives if the provider does not say: OpenAI's fifteen minutes.
const DEFAULT_LIFETIME: u64 = 900;
/// Added to every wait: a provider's clock that runs a little slow counts a poll on the dot as too early.
const MARGIN: Duration = Duration::from_millis(500);

/// What the person is shown, and what the polls carry.
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    /// Carried by the polls.
    pub device_code: Secret,
    /// Typed by the person.
    pub user_code: Secret,
    /// Where it is typed.
    pub verification_uri: String,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Secret>,
    /// Seconds between polls.
    pub interval: u64,
    /// Seconds until the code is void.
    pub expires_in: u64,
}

/// What one poll brought.
#[derive(Debug)]
pub enum Poll {
    /// The person is not done.
    Pending,
    /// The provider wants fewer polls; with the interval it asks for, if it says.
    SlowDown(Option<u64>),
    /// The person has typed the code. These are the first tokens, for [`Client::complete`]; the code is
    /// spent.
    Done(Box<Tokens>),
}

/// When the next poll may be sent.
#[derive(Debug, Clone)]
pub struct Schedule {
    interval: u64,
}

impl Schedule {
    /// The schedule of an authorization; the first poll waits for an interval too.
    pub fn new(authorization: &DeviceAuthorization) -> Self {
        Self { interval: authorization.interval }
    }

    /// How long to wait before the next poll.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.interval) + MARGIN
    }

    /// After `slow_down`: what the provider says, but never less than five seconds more than now.
    pub fn slow_down(&mut self, asked: Option<u64>) {
        self.interval = asked.unwrap_or(0).max(self.interval + SLOW_DOWN).min(MAX_INTERVAL);
    }

    /// After a connection that timed out (RFC 8628, 3.5: exponential back-off).
    pub fn unreachable(&mut self) {
        self.interval = (self.interval * 2).min(MAX_INTERVAL);
    }
}

impl Client {
    /// Asks for a code.
    ///
    /// # Errors
    /// A [`Failure`].
    pub async fn device(&self) -> Result<DeviceAuthorization, Failure> {
        let (provider, method) = (self.provider(), &self.ready.described);
        let mut params = Vec::new();
        self.add_client_and_resource(&mut params)?;
        if !method.scopes.is_empty() {
            params.push(("scope", method.scopes.join(" ")));
        }
        params.extend(method.authorize_params.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let encoding = match method.device_dialect {
            DeviceDialect::Rfc8628 => method.token_encoding,
            DeviceDialect::Openai | DeviceDialect::Nanogpt => Encoding::Json,
        };
        let reply = self.post(self.device_url()?, encoding, &params).await?;
        // Metadata may name an address that nothing is at. What is said in JSON says more; but for OpenAI,
        // which answers so where the account has device codes off.
        let is_openai = method.device_dialect == DeviceDialect::Openai;
        if matches!(reply.status.as_u16(), 404 | 405 | 501) && (is_openai || !failure::is_json(&reply)) {
            return Err(Failure::Configuration(not_offered(provider)));
        }
        let body = failure::read(&reply, &provider.name).map_err(|failure| or_another(failure, provider))?;
        read_authorization(&body, provider, method)
    }

    fn device_url(&self) -> Result<&Url, Failure> {
        match &self.ready.begin {
            Begin::Device(url) => Ok(url),
            Begin::Browser(_) | Begin::Nowhere => Err(Failure::Configuration(not_offered(self.provider()))),
        }
    }

    /// Asks once whether the person is done.
    ///
    /// # Errors
    /// A [`Failure`]; a `Transient` one keeps the login waiting.
    pub async fn poll(&self, authorization: &DeviceAuthorization) -> Result<Poll, Failure> {
        match self.ready.described.device_dialect {
            DeviceDialect::Rfc8628 => self.poll_standard(authorization).await,
            DeviceDialect::Openai => self.poll_openai(authorization).await,
            DeviceDialect::Nanogpt => self.poll_nanogpt(authorization).await,
        }
    }

    /// What a poll finds is said by the HTTP status; at the end the answer is a key.
    async fn poll_nanogpt(&self, authorization: &DeviceAuthorization) -> Result<Poll, Failure> {
        let params = [("device_code", authorization.device_code.expose().to_owned())];
        let asked_at = self.now();
        let reply = self.post(&self.ready.token_url, Encoding::Json, &params).await?;
        // A page at one of these is somebody's in between.
        let end = |code, what: &str| {
            let message = format!("{} says that the code {what}.", self.provider().name);
            let hint = "Start the login again for a new one.";
            Err(Failure::Refused(Error::new(code, message).with_hint(hint)))
        };
        match (reply.status.as_u16(), failure::is_json(&reply)) {
            (202, _) => Ok(Poll::Pending),
            (429, _) => Ok(Poll::SlowDown(reply.retry_after.map(|wait| wait.as_secs()))),
            (404, true) => end(Code::ProviderRefused, "is not one of its own"),
            (409, true) => end(Code::ProviderRefused, "has been used already"),
            (410, true) => end(Code::LoginTimeout, "has expired"),
            _ => Ok(Poll::Done(Box::new(token_answer::minted(&reply, self.provider(), asked_at)?))),
        }
    }

    async fn poll_standard(&self, authorization: &DeviceAuthorization) -> Result<Poll, Failure> {
        let mut params = vec![
            ("grant_type", DEVICE_GRANT.to_owned()),
            ("device_code", authorization.device_code.expose().to_owned()),
        ];
        self.add_client_and_resource(&mut params)?;
        let asked_at = self.now();
        let reply = self.ask_for_tokens(&params).await?;
        if let Some(waiting) = waiting(&reply) {
            return Ok(waiting);
        }
        let name = &self.provider().name;
        let body = failure::read(&reply, name)?;
        Ok(Poll::Done(Box::new(token_answer::tokens(&body, name, asked_at)?)))
    }

    /// 403 and 404 mean "not yet"; at the end the server hands out a code and the verifier that it made
    /// itself.
    async fn poll_openai(&self, authorization: &DeviceAuthorization) -> Result<Poll, Failure> {
        let (name, http) = (&self.provider().name, &self.wire.http);
        let mut url = self.device_url()?.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push("token");
        }
        let body = json!({ "device_auth_id": authorization.device_code.expose(), "user_code": authorization.user_code.expose() });
        let reply = http.send(self.with_headers(http.post(url)?).json(&body)).await?;
        if let Some(waiting) = waiting(&reply) {
            return Ok(waiting);
        }
        if matches!(reply.status.as_u16(), 403 | 404) {
            return Ok(Poll::Pending);
        }
        let body = failure::read(&reply, name)?;
        let secret = |key: &str| body.get(key).and_then(Value::as_str).map(Secret::new);
        let redirect = self.ready.described.redirect.as_ref();
        let exchange = CodeExchange {
            code: secret("authorization_code").ok_or_else(|| lacking(name, "code"))?,
            code_verifier: secret("code_verifier").ok_or_else(|| lacking(name, "verifier"))?,
            redirect_uri: redirect.and_then(|redirect| redirect.page.clone()),
            state: None,
            nonce: None,
        };
        Ok(Poll::Done(Box::new(self.first_tokens(&exchange).await?)))
    }
}

pub(super) fn read_authorization(
    body: &Value,
    provider: &Provider,
    method: &Method,
) -> Result<DeviceAuthorization, Failure> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let any = |keys: &[&str]| keys.iter().find_map(|key| text(key)).map(str::to_owned);
    let device_code =
        any(&["device_code", "device_auth_id"]).ok_or_else(|| lacking(&provider.name, "device code"))?;
    let user_code = any(&["user_code", "usercode"]).filter(|code| is_user_code(code));
    let verification_uri = any(&["verification_uri", "verification_url"])
        .or_else(|| method.verification_url.as_ref().map(ToString::to_string));
    let verification_uri = verification_uri.filter(|uri| is_openable(uri));
    Ok(DeviceAuthorization {
        device_code: Secret::new(device_code),
        user_code: Secret::new(user_code.ok_or_else(|| lacking(&provider.name, "code to type"))?),
        verification_uri: verification_uri.ok_or_else(|| lacking(&provider.name, "address to open"))?,
        verification_uri_complete: any(&["verification_uri_complete"])
            .filter(|uri| is_openable(uri))
            .map(Secret::new),
        interval: seconds(body.get("interval")).unwrap_or(DEFAULT_INTERVAL).clamp(1, MAX_INTERVAL),
        expires_in: seconds(body.get("expires_in")).unwrap_or(DEFAULT_LIFETIME).clamp(1, 3600),
    })
}

/// A number, or OpenAI's number as text.
fn seconds(value: Option<&Value>) -> Option<u64> {
    let value = value?;
    value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn is_user_code(code: &str) -> bool {
    code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

/// https, or this machine in tests: whatever else a provider sends is not opened.
fn is_openable(uri: &str) -> bool {
    uri.len() <= 2048 && crate::provider::check_url("verification_uri", uri).is_ok()
}

/// `authorization_pending` and `slow_down`, at any status.
fn waiting(reply: &Reply) -> Option<Poll> {
    let body: Value = serde_json::from_slice(&reply.body).ok()?;
    let codes = failure::codes(&body);
    if codes.contains(&"slow_down") {
        return Some(Poll::SlowDown(seconds(body.get("interval"))));
    }
    codes
        .iter()
        .any(|code| matches!(*code, "authorization_pending" | "deviceauth_authorization_pending"))
        .then_some(Poll::Pending)
}

fn not_offered(provider: &Provider) -> Error {
    let message = format!("{} does not offer device codes to this login.", provider.name);
    let otherwise = "Use another method, or allow device codes in the account's settings.";
    Error::new(Code::ProviderRefused, message)
        .with_hint(another_method(provider).unwrap_or_else(|| otherwise.to_owned()))
}

/// A client that may not use this grant may still use the other one.
fn or_another(failure: Failure, provider: &Provider) -> Failure {
    let Some(other) = another_method(provider) else { return failure };
    let both = |error: Error| {
        let hint = error.hint().map(|hint| format!("{hint} {other}")).unwrap_or_else(|| other.clone());
        error.with_hint(hint)
    };
    match failure {
        Failure::Configuration(error) => Failure::Configuration(both(error)),
        Failure::UnknownClient(error) => Failure::UnknownClient(both(error)),
        failure => failure,
    }
}

/// The way that needs no device code, if there is one.
pub(super) fn another_method(provider: &Provider) -> Option<String> {
    let by_browser = |method: &&Method| matches!(method.grant, Grant::AuthorizationCode | Grant::MintKey);
    let method = provider.methods.iter().find(by_browser)?;
    Some(format!(
        "Log in with `:ConvLogin! {} {}`: it takes the address that a browser anywhere ends at, pasted.",
        provider.id, method.id
    ))
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::config::Config;

    fn authorization(body: Value) -> Result<DeviceAuthorization, Failure> {
        let provider = Config::builtin().provider("anthropic").unwrap();
        read_authorization(&body, &provider, provider.default_method().unwrap())
    }

    fn good() -> Value {
        json!({"device_code": "d", "user_code": "AB-12", "verification_uri": "https://x.example/device"})
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let found = authorization(good()).unwrap();
        assert_eq!((found.interval, found.expires_in), (5, 900));
    }

    #[test]
    fn intervals_come_as_numbers_and_as_text_and_never_as_a_hot_loop() {
        for (sent, used) in
            [(json!(7), 7), (json!("7"), 7), (json!(0), 1), (json!("x"), 5), (json!(9999), 120)]
        {
            let mut body = good();
            body["interval"] = sent;
            assert_eq!(authorization(body).unwrap().interval, used);
        }
    }

    #[test]
    fn nothing_but_a_web_address_is_opened() {
        for bad in ["http://x.example/", "file:///etc/passwd", "javascript:1", ""] {
            let mut body = good();
            body["verification_uri"] = json!(bad);
            assert!(authorization(body).is_err(), "{bad}");
        }
        let mut body = good();
        body["user_code"] = json!("A\u{1b}[2J");
        assert!(authorization(body).is_err(), "no terminal escapes");
    }

    #[test]
    fn the_interval_only_grows() {
        let mut schedule = Schedule::new(&authorization(good()).unwrap());
        assert!(schedule.wait() >= Duration::from_secs(5));
        schedule.slow_down(None);
        assert!(schedule.wait() >= Duration::from_secs(10));
        schedule.slow_down(Some(3));
        assert!(schedule.wait() >= Duration::from_secs(15), "a server that asks for less is not obeyed");
        schedule.slow_down(Some(40));
        assert!(schedule.wait() >= Duration::from_secs(40));
        schedule.unreachable();
        assert!(schedule.wait() >= Duration::from_secs(80));
        schedule.unreachable();
        assert!(schedule.wait() <= Duration::from_secs(121));
    }

    #[test]
    fn waiting_is_understood_at_any_status() {
        let reply = |status: u16, body: &str| Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            date: None,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        assert!(matches!(waiting(&reply(200, r#"{"error":"authorization_pending"}"#)), Some(Poll::Pending)));
        assert!(matches!(waiting(&reply(400, r#"{"error":"authorization_pending"}"#)), Some(Poll::Pending)));
        let slow = waiting(&reply(200, r#"{"error":"slow_down","interval":10}"#));
        assert!(matches!(slow, Some(Poll::SlowDown(Some(10)))));
        assert!(waiting(&reply(400, r#"{"error":"access_denied"}"#)).is_none());
        assert!(waiting(&reply(502, "<html>")).is_none());
    }
}
