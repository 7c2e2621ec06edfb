//! What all consent pages share: a question that waits under an unguessable id for one answer by the page's
//! form.

use std::collections::HashMap;

use crate::account::{self, Account};
use crate::random;
use crate::request::Request;
use crate::switches::Consent;

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
pub fn submitted(request: &Request) -> Option<(String, Decision)> {
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
