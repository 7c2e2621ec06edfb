//! Any bytes as a pasted text and as a callback's query: nothing is taken without the login's own state.

use url::form_urlencoded;

use super::callback::params::{
    Answer, CallbackRejection, Expected, MAX_DESCRIPTION, Params, WithoutState, is_code,
};
use super::callback::paste;
use crate::provider::CallbackBrings;
use crate::secret::Secret;
use crate::text::is_hidden;

const STATE: &str = "4f2c6e0b9d1a4f2c6e0b9d1a4f2c6e0b";
const ISSUER: &str = "https://id.example";

/// A pasted text.
pub fn pasted(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parsed = || paste::parse(&text).map(|pasted| pasted.params);
    judge(parsed, mentions(&paste::tidy(&text), STATE));
}

/// The query of a callback.
pub fn callback(data: &[u8]) {
    let query = String::from_utf8_lossy(data);
    judge(|| Params::parse(&query), mentions(&query, STATE));
    let times = |name: &str| form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).count();
    let twice = ["code", "state", "iss", "error", "error_description"].iter().any(|name| times(name) > 1);
    assert!(
        !twice || Params::parse(&query) == Err(CallbackRejection::Malformed),
        "a parameter stands there twice"
    );
}

/// Holds an answer against a login whose state stands in the text (or not), and against another login.
fn judge(parsed: impl Fn() -> Result<Params, CallbackRejection>, is_named: bool) {
    if let Ok(checked) = parsed().and_then(|params| params.check(&expected(STATE))) {
        assert!(is_named && checked.is_ours, "taken without the state");
        check(&checked.answer);
    }
    let other = parsed().and_then(|params| params.check(&expected("another login's state")));
    assert!(other.is_err(), "taken with another login's state");
}

fn check(answer: &Answer) {
    match answer {
        Answer::Code(code) => assert!(is_code(code.expose()), "a code that cannot be one"),
        Answer::Refused(refusal) => {
            let shown = refusal.description.as_deref().unwrap_or_default();
            assert!(shown.chars().count() <= MAX_DESCRIPTION + 1 && !shown.contains(is_hidden));
        }
    }
}

fn expected(state: &str) -> Expected {
    Expected {
        state: Some(Secret::new(state)),
        without_state: WithoutState::Refused,
        brings: CallbackBrings::Code,
        issuer: Some(ISSUER.to_owned()),
        iss_required: false,
    }
}

/// Whether a word stands in a text, percent-encoded or not.
fn mentions(text: &str, word: &str) -> bool {
    let (bytes, mut at) = (text.as_bytes(), 0);
    let mut decoded = Vec::with_capacity(bytes.len());
    let hex = |at: usize| char::from(*bytes.get(at)?).to_digit(16);
    while at < bytes.len() {
        match (bytes[at], hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).contains(word)
}
