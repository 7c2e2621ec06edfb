//! What is so, by the providers' own record, and the check that the store agrees.

use std::collections::BTreeMap;
use std::time::Duration;

use convocations::credential::Tokens;
use convocations::login_id::LoginId;
use convocations::secret::Secret;
use convocations::store::Stored;
use serde_json::Value;

use crate::world::{LOGINS, World, about};

/// How long what is under way may take to settle.
const SETTLE: Duration = Duration::from_secs(20);

/// What became of a refresh token that was sent, by its fingerprint.
#[derive(Debug, Default, Clone, Copy)]
struct Fate {
    /// It was carried out, and the answer did not arrive as it was.
    lost: bool,
    /// The provider said that it takes it no more.
    refused: bool,
    /// It had answered it, the answer had arrived, and still it was sent again.
    sent_again: bool,
}

type Fates = BTreeMap<String, Fate>;

#[derive(Debug, Default)]
pub struct Truth {
    present: BTreeMap<LoginId, bool>,
    /// Of tokens whose calls are no longer in the providers' record.
    fates: Fates,
    pub refreshes: u64,
    lost: u64,
    refused: u64,
    checks: u64,
}

impl Truth {
    pub fn logged_in(&mut self, login: &LoginId) {
        self.present.insert(login.clone(), true);
    }

    pub fn logged_out(&mut self, login: &LoginId) {
        self.present.insert(login.clone(), false);
    }

    pub fn report(&self) -> String {
        let Self { refreshes, lost, refused, .. } = self;
        format!(
            "{refreshes} refreshes, {lost} answers lost on the way, {refused} logins refused and made anew"
        )
    }

    /// The fates of all tokens, by the providers' record so far.
    fn learn(&self, calls: &Value) -> Fates {
        let mut fates = self.fates.clone();
        for call in calls["list"].as_array().unwrap() {
            let bearer =
                call["headers"]["authorization"].as_str().and_then(|text| text.strip_prefix("Bearer "));
            let is_copilot = call["route"] == "github.copilot-token";
            let sent = if is_copilot { bearer } else { call["fields"]["refresh_token"].as_str() };
            let Some(sent) = sent else { continue };
            let fate = fates.entry(Secret::new(sent).fingerprint()).or_default();
            let refusal = refusal(call);
            // A GitHub token is not spent by its use; it may have ended otherwise.
            fate.sent_again |= refusal == Some(Refusal::Own) && !fate.lost && !is_copilot;
            fate.lost |= is_lost(&call["fault"]);
            fate.refused |= refusal.is_some();
        }
        fates
    }

    /// Takes over what the record says, which is then forgotten, of the tokens that still matter.
    fn archive(&mut self, calls: &Value, matter: &[String]) {
        let list = calls["list"].as_array().unwrap();
        let is_refresh = |call: &&Value| call["fields"]["refresh_token"].is_string();
        let refreshes: Vec<&Value> = list.iter().filter(is_refresh).collect();
        self.refreshes += refreshes.iter().filter(|call| call["status"] == 200).count() as u64;
        self.lost += refreshes.iter().filter(|call| is_lost(&call["fault"])).count() as u64;
        self.fates = self.learn(calls);
        self.fates.retain(|fingerprint, _| matter.contains(fingerprint));
    }
}

/// Faults that come after the work, or take the new token out of the answer; one that comes byte by byte may
/// take longer than anybody waits.
fn is_lost(fault: &Value) -> bool {
    let omitted = fault["omit"].as_array().is_some_and(|names| names.contains(&"access_token".into()));
    let cut = fault["drop"] == "after" || fault["shape"] == "truncated" || fault["shape"] == "cut-short";
    cut || omitted || fault["drip_ms"].as_u64() > Some(0)
}

/// A provider's no to a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// Its own.
    Own,
    /// One that was planted.
    Planted,
}

fn refusal(call: &Value) -> Option<Refusal> {
    let fault = &call["fault"];
    // GitHub's answer to a token that it does not know is a bare 401.
    let is_unknown = call["route"] == "github.copilot-token" && fault["status"] == 401;
    if fault["body"]["error"] == "invalid_grant" || is_unknown {
        return Some(Refusal::Planted);
    }
    let is_own = fault["body"].is_null() && fault["status"].is_null();
    let is_no = call["status"].as_u64().is_some_and(|status| matches!(status, 400..=403));
    (is_own && is_no).then_some(Refusal::Own)
}

/// What a refresh sends, by the record of a call.
fn sent(call: &Value) -> Option<&str> {
    match call["route"].as_str()? {
        "github.copilot-token" => call["headers"]["authorization"].as_str()?.strip_prefix("Bearer "),
        _ => call["fields"]["refresh_token"].as_str().or_else(|| call["fields"]["token"].as_str()),
    }
}

/// All calls with one token, told in short.
fn story(calls: &Value, fingerprint: &str) -> Vec<String> {
    let list = calls["list"].as_array().unwrap().iter();
    let ours =
        list.filter(|call| sent(call).is_some_and(|sent| Secret::new(sent).fingerprint() == fingerprint));
    ours.map(|call| format!("{} at {}: {}, {}", call["route"], call["at"], call["status"], call["fault"]))
        .collect()
}

/// What the next refresh spends.
fn spent(tokens: &Tokens) -> &Secret {
    tokens.base_token.as_ref().or(tokens.refresh_token.as_ref()).expect("a login that is worth keeping")
}

impl World {
    /// Every login is as it must be, at the latest when what is under way has settled.
    pub async fn check(&mut self) {
        let end = tokio::time::Instant::now() + SETTLE;
        loop {
            let wrong = self.what_is_wrong();
            if wrong.is_empty() {
                break;
            }
            assert!(tokio::time::Instant::now() < end, "{wrong:#?}\n{}", self.report());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.truth.checks += 1;
        if self.truth.checks.is_multiple_of(100) {
            self.forget_record().await;
        }
        self.log_in_again_where_refused();
    }

    /// The record grows, and is read as a whole: waits until nobody asks a provider any more, and begins it
    /// anew.
    pub async fn forget_record(&mut self) {
        self.sandbox.no_faults();
        for process in &self.processes {
            process.broker.finish_in_flight().await;
        }
        let (store, mut matter) = (self.store(), Vec::new());
        for (login, entry) in store.index().unwrap().logins {
            matter.push(spent(&store.read(&login).unwrap().unwrap().tokens).fingerprint());
            matter.extend(entry.refused);
        }
        self.truth.archive(&self.sandbox.calls(), &matter);
        self.sandbox.forget_calls();
    }

    fn what_is_wrong(&self) -> Vec<String> {
        let store = self.store();
        let valid = self.sandbox.valid();
        let mut wrong = Vec::new();
        for (name, ..) in LOGINS {
            let login: LoginId = name.parse().unwrap();
            match store.read(&login) {
                Err(error) => wrong.push(format!("{login} cannot be read: {error:?}")),
                Ok(None) => wrong.extend(self.truth.present[&login].then(|| format!("{login} is gone"))),
                Ok(Some(stored)) => wrong.extend(self.explain(&login, &stored, &valid)),
            }
        }
        wrong
    }

    /// Why a stored login is not as it must be, if it is not.
    fn explain(&self, login: &LoginId, stored: &Stored, valid: &Value) -> Option<String> {
        if !self.truth.present[login] {
            return Some(format!("{login} is back after its logout"));
        }
        let (_, _, provider, _) = about(login);
        let taken = holds(&valid[provider], spent(&stored.tokens).expose());
        let needs_login = stored.entry.needs_login.is_some();
        if taken && !needs_login {
            return None;
        }
        let calls = self.sandbox.calls();
        let fates = self.truth.learn(&calls);
        let fate = |fingerprint: &str| fates.get(fingerprint).copied().unwrap_or_default();
        let current = fate(&spent(&stored.tokens).fingerprint());
        if let Some((token, _)) = fates.iter().find(|(_, fate)| fate.sent_again) {
            let calls = story(&calls, token);
            return Some(format!("a token was sent again after its answer had arrived: {calls:#?}"));
        }
        match (&stored.entry.refused, needs_login) {
            (Some(refused), true) if fate(refused).refused => None,
            (_, true) => Some(format!("{login} was given up, and nobody refused it")),
            (_, false) if current.lost => None,
            _ => Some(format!("{login} holds a token that is spent, and the next one had arrived")),
        }
    }

    /// A person does what the message says.
    fn log_in_again_where_refused(&mut self) {
        let index = self.store().index().unwrap();
        let ended = index.logins.iter().filter(|(_, entry)| entry.needs_login.is_some());
        for login in ended.map(|(login, _)| login.clone()).collect::<Vec<_>>() {
            self.log_in(&login);
            self.truth.refused += 1;
        }
    }
}

fn holds(value: &Value, text: &str) -> bool {
    match value {
        Value::String(have) => have == text,
        Value::Array(items) => items.iter().any(|item| holds(item, text)),
        Value::Object(map) => map.values().any(|inner| holds(inner, text)),
        _ => false,
    }
}
