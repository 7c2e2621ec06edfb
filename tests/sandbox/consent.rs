//! What all consent pages share: a question that waits under an unguessable id for one answer by the page's
//! form.

use std::collections::HashMap;

use crate::account::{self, Account};
use crate::codes::{Challenge, Codes, Grant};
use crate::reply::{Reply, add_query};
use crate::request::Request;
use crate::switches::Consent;
use crate::{pages, random};

/// Questions of one provider that nobody has answered yet.
#[derive(Debug)]
pub struct Waiting<T>(HashMap<String, T>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Waiting<T> {
    /// Keeps a question and names it.
    pub fn ask(&mut self, question: T) -> String {
        let id = random::hex(16);
        self.0.insert(id.clone(), question);
        id
    }

    /// Takes the question that a form answers; a second answer finds none.
    pub fn take(&mut self, id: &str) -> Option<T> {
        self.0.remove(id)
    }

    /// The question that a submitted form answers, and its answer; else the page that says there is none.
    pub fn answered(&mut self, request: &Request, provider: &str) -> Result<(T, Decision), Reply> {
        let taken = submitted(request).and_then(|(id, decision)| Some((self.take(&id)?, decision)));
        taken.ok_or_else(|| pages::problem(400, provider, "This page has been answered already."))
    }
}

/// What a public client asks for with PKCE, as any OAuth server does.
#[derive(Debug)]
pub struct PublicClient {
    pub client_id: &'static str,
    pub redirect_uri: String,
    pub state: Option<String>,
    pub challenge: Challenge,
    pub scopes: Vec<String>,
}

impl PublicClient {
    /// Sends the browser back with a code, or with the person's no.
    pub fn send_back(self, codes: &mut Codes, decision: Decision, now: i64) -> Reply {
        let (target, state) = (self.redirect_uri.clone(), self.state.clone().unwrap_or_default());
        let Decision::Approve(account) = decision else {
            return Reply::redirect(&add_query(&target, &[("error", "access_denied"), ("state", &state)]));
        };
        let code = codes.issue(Grant {
            client_id: self.client_id.to_owned(),
            redirect_uri: Some(self.redirect_uri),
            challenge: Some(self.challenge),
            state: self.state,
            scopes: self.scopes,
            account,
            via: "authorize",
            resource: None,
            issued_at: now,
            spent: None,
        });
        Reply::redirect(&add_query(&target, &[("code", &code), ("state", &state)]))
    }
}

/// The person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    Approve(&'static Account),
    Deny,
}

/// The answer that a switch gives in place of the person.
pub fn by_switch(consent: Consent) -> Option<Decision> {
    match consent {
        Consent::Ask => None,
        Consent::Auto => Some(Decision::Approve(account::find(None))),
        Consent::Deny => Some(Decision::Deny),
    }
}

/// Id and answer of a submitted form.
fn submitted(request: &Request) -> Option<(String, Decision)> {
    let id = request.form()?.get("request")?.to_owned();
    Some((id, decision(request)?))
}

/// The button that was pressed.
pub fn decision(request: &Request) -> Option<Decision> {
    let form = request.form()?;
    match form.get("decision")? {
        "approve" => Some(Decision::Approve(account::find(form.get("account")))),
        "deny" => Some(Decision::Deny),
        _ => None,
    }
}
