//! The provider's answer as it comes back: the query of the callback, or the same in pasted text.
//!
//! Guarantees: pure; a parameter that stands there twice is refused; `state` is compared in constant time,
//! and before `error` is looked at (rule 14); `iss` is compared by plain string comparison (RFC 9207).

use url::form_urlencoded;

use crate::provider::CallbackBrings;
use crate::secret::Secret;
use crate::text::is_hidden;

/// Longest code that is taken, in bytes. The longest seen in the wild are JWTs below 4 KiB.
const MAX_CODE: usize = 8 * 1024;
/// Longest piece of a provider's `error_description` that is shown, in characters.
pub(in crate::login) const MAX_DESCRIPTION: usize = 200;

/// The parameters of an authorization response (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Debug, Default, PartialEq)]
pub(in crate::login) struct Params {
    pub code: Option<Secret>,
    pub key: Option<Secret>,
    pub state: Option<Secret>,
    pub iss: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
}

/// What an answer is held against.
#[derive(Debug, Clone)]
pub(in crate::login) struct Expected {
    /// The `state` of the authorization request; `None` if the request carried none.
    pub state: Option<Secret>,
    /// What an answer without `state` is worth.
    pub without_state: WithoutState,
    /// What it is to bring.
    pub brings: CallbackBrings,
    /// The issuer that was asked, if it is known.
    pub issuer: Option<String>,
    /// The provider's metadata promise `iss` in every answer.
    pub iss_required: bool,
}

/// What becomes of an answer that has no `state`. One with a wrong `state` is refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::login) enum WithoutState {
    /// Refused.
    Refused,
    /// Tried: PKCE tells whether its code is this login's, and if it is not, nothing has happened.
    Tried,
    /// Ours: it came by a path that only we and the provider know.
    Ours,
}

/// An answer of the right form.
#[derive(Debug, PartialEq)]
pub(in crate::login) struct Checked {
    pub answer: Answer,
    /// Whether it is the answer to this request for sure, and so may end the login.
    pub is_ours: bool,
}

/// What an answer says.
#[derive(Debug, PartialEq)]
pub(in crate::login) enum Answer {
    /// The authorization code, or the key where the callback brings that.
    Code(Secret),
    /// The provider or the person said no.
    Refused(ErrorResponse),
}

/// An error response (RFC 6749, 4.1.2.1), with what may be shown of it.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::login) struct ErrorResponse {
    /// One of the codes that the standards know, or `None`: a provider's own words never reach a message.
    pub code: Option<&'static str>,
    /// The provider's description, cleaned and cut; for the page alone.
    pub description: Option<String>,
}

/// Why an answer is not taken. It never ends a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::login) enum CallbackRejection {
    /// Not the form of an answer: a parameter twice, neither code nor error, a code with blanks inside.
    Malformed,
    /// No state, or another attempt's.
    State,
    /// Another issuer's answer.
    OtherIssuer,
    /// No issuer named where one must be.
    NoIssuer,
    /// A pasted address of another place.
    Address,
    /// A pasted API key.
    Key,
}

/// Error codes of RFC 6749 section 4.1.2.1 and OpenID Connect Core section 3.1.2.6.
const KNOWN_ERRORS: &[&str] = &[
    "access_denied",
    "invalid_request",
    "unauthorized_client",
    "unsupported_response_type",
    "invalid_scope",
    "server_error",
    "temporarily_unavailable",
    "interaction_required",
    "login_required",
    "account_selection_required",
    "consent_required",
    "invalid_target",
];

impl Params {
    /// Reads a query string, without its `?`.
    pub fn parse(query: &str) -> Result<Self, CallbackRejection> {
        let mut params = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "code" => put(&mut params.code, Secret::new(value))?,
                "key" => put(&mut params.key, Secret::new(value))?,
                "state" => put(&mut params.state, Secret::new(value))?,
                "iss" => put(&mut params.iss, value)?,
                "error" => put(&mut params.error, value)?,
                "error_description" => put(&mut params.error_description, value)?,
                _ => {}
            }
        }
        Ok(params)
    }

    /// Holds the answer against what was asked.
    pub fn check(self, expected: &Expected) -> Result<Checked, CallbackRejection> {
        let is_ours = match (&self.state, &expected.state, expected.without_state) {
            (Some(got), Some(wanted), _) if got == wanted => true,
            // A provider that was sent no `state` has nothing to echo, and what it makes up says nothing.
            (None, _, worth) | (Some(_), None, worth) if worth != WithoutState::Refused => {
                worth == WithoutState::Ours
            }
            _ => return Err(CallbackRejection::State),
        };
        match (&self.iss, &expected.issuer) {
            (Some(got), Some(wanted)) if got != wanted => return Err(CallbackRejection::OtherIssuer),
            (None, _) if expected.iss_required => return Err(CallbackRejection::NoIssuer),
            _ => {}
        }
        let brought = match expected.brings {
            CallbackBrings::Code => self.code,
            CallbackBrings::Key => self.key,
        };
        let answer = match (self.error, brought) {
            (Some(error), _) => {
                Answer::Refused(ErrorResponse::new(&error, self.error_description.as_deref()))
            }
            (None, Some(code)) if is_code(code.expose()) => Answer::Code(code),
            _ => return Err(CallbackRejection::Malformed),
        };
        Ok(Checked { answer, is_ours })
    }
}

impl ErrorResponse {
    fn new(code: &str, description: Option<&str>) -> Self {
        Self {
            code: KNOWN_ERRORS.iter().find(|known| **known == code).copied(),
            description: description.map(clean).filter(|text| !text.is_empty()),
        }
    }
}

/// Whether `text` may be an authorization code: visible ASCII (RFC 6749 appendix A.11 without the blank).
pub(in crate::login) fn is_code(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_CODE && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// One line of at most 200 characters, without control characters and without those that turn the text
/// around.
fn clean(text: &str) -> String {
    let shown = |c: char| if is_hidden(c) { ' ' } else { c };
    let text: String = text.chars().take(MAX_DESCRIPTION * 4).map(shown).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MAX_DESCRIPTION) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn put<T>(slot: &mut Option<T>, value: T) -> Result<(), CallbackRejection> {
    match slot.replace(value) {
        Some(_) => Err(CallbackRejection::Malformed),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Expected {
        Expected {
            state: Some(Secret::new("s3cret")),
            without_state: WithoutState::Refused,
            brings: CallbackBrings::Code,
            issuer: Some("https://id.example".into()),
            iss_required: false,
        }
    }

    fn check(query: &str, expected: &Expected) -> Result<Answer, CallbackRejection> {
        Params::parse(query)?.check(expected).map(|checked| checked.answer)
    }

    #[test]
    fn the_right_state_brings_the_code() {
        let code = Answer::Code(Secret::new("a-b+c/d"));
        assert_eq!(check("code=a-b%2Bc/d&state=s3cret&scope=x", &expected()), Ok(code));
    }

    #[test]
    fn state_comes_before_everything_else() {
        for query in [
            "code=a",
            "code=a&state=",
            "code=a&state=S3cret",
            "error=access_denied&state=x",
            "error=access_denied",
        ] {
            assert_eq!(check(query, &expected()), Err(CallbackRejection::State), "{query}");
        }
    }

    #[test]
    fn nothing_may_stand_there_twice() {
        for query in
            ["code=a&code=a&state=s3cret", "code=a&state=s3cret&state=s3cret", "state=s3cret&error=a&error=a"]
        {
            assert_eq!(check(query, &expected()), Err(CallbackRejection::Malformed), "{query}");
        }
    }

    #[test]
    fn an_answer_has_a_code_or_an_error() {
        for query in
            ["state=s3cret", "code=&state=s3cret", "code=a%20b&state=s3cret", "code=a%00&state=s3cret"]
        {
            assert_eq!(check(query, &expected()), Err(CallbackRejection::Malformed), "{query}");
        }
    }

    /// A key is nobody's code and a code nobody's key; PKCE binds no key, so that its `state` is demanded.
    #[test]
    fn a_key_is_taken_where_one_is_to_come() {
        let key = Expected { brings: CallbackBrings::Key, ..expected() };
        let brought = Answer::Code(Secret::new("llmgtwy_1"));
        assert_eq!(check("key=llmgtwy_1&state=s3cret", &key), Ok(brought));
        for query in ["code=a&state=s3cret", "key=&state=s3cret", "key=a&key=a&state=s3cret"] {
            assert_eq!(check(query, &key), Err(CallbackRejection::Malformed), "{query}");
        }
        assert_eq!(check("key=a", &key), Err(CallbackRejection::State));
        assert_eq!(check("key=a&state=s3cret", &expected()), Err(CallbackRejection::Malformed));
    }

    #[test]
    fn the_issuer_is_compared_as_it_is() {
        let mut expected = expected();
        let with = |iss: &str| format!("error=access_denied&state=s3cret{iss}");
        assert!(check(&with("&iss=https://id.example"), &expected).is_ok());
        assert!(check(&with(""), &expected).is_ok());
        assert_eq!(check(&with("&iss=https://id.example/"), &expected), Err(CallbackRejection::OtherIssuer));
        expected.iss_required = true;
        assert_eq!(check(&with(""), &expected), Err(CallbackRejection::NoIssuer));
    }

    #[test]
    fn a_missing_state_is_worth_what_the_path_is_and_a_wrong_one_nothing() {
        for (without_state, is_ours) in [(WithoutState::Ours, true), (WithoutState::Tried, false)] {
            let expected = Expected { without_state, ..expected() };
            for query in ["code=a", "error=access_denied"] {
                let checked = Params::parse(query).unwrap().check(&expected).unwrap();
                assert_eq!(checked.is_ours, is_ours, "{query}");
            }
            assert!(Params::parse("code=a&state=s3cret").unwrap().check(&expected).unwrap().is_ours);
            assert_eq!(check("code=a&state=x", &expected), Err(CallbackRejection::State));
        }
    }

    #[test]
    fn what_the_provider_says_is_cleaned_and_its_code_is_one_we_know() {
        let query = "state=s3cret&error=evil%1b[2J&error_description=no%1b]0;x%07%0a%E2%80%AEway";
        let refusal = ErrorResponse { code: None, description: Some("no ]0;x way".into()) };
        assert_eq!(check(query, &expected()), Ok(Answer::Refused(refusal)));
        let long = clean(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), MAX_DESCRIPTION + 1);
    }
}
