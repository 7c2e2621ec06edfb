//! A login whose credential the person has already: an API key, typed or pasted.

use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::login::attempt::Attempt;
use crate::login::conversation::{Conversation, timed_out};
use crate::login::events::{Input, Stage};
use crate::secret::Secret;
use crate::text::pasted;

/// Longest key that is taken, in bytes. The longest seen are service-account tokens below 4 KiB.
const MAX_KEY: usize = 8 * 1024;

/// Waits for a key of possible form.
pub(in crate::login) async fn obtain(attempt: &Attempt, talk: &mut Conversation) -> Result<Tokens> {
    talk.tell(Stage::Waiting {
        input: Input::ApiKey,
        label: Some(format!("{} API key", attempt.provider.name)),
        page: attempt.method.page.clone(),
        expires_at: talk.deadline.expires_at,
        ignored: 0,
        notice: None,
        error: None,
    });
    loop {
        let typed = tokio::select! {
            Some(typed) = talk.typed.recv() => typed,
            () = talk.deadline.passed() => return Err(timed_out().with_hint("Start again, with the key at hand.")),
        };
        let key = check(typed.text.expose());
        typed.answer(key.clone().map(drop));
        if let Ok(key) = key {
            return Ok(Tokens::api_key(key, attempt.now()));
        }
    }
}

/// A key without the blanks, quotes and `NAME=` that come along with it.
///
/// # Errors
/// `invalid_argument` for what cannot travel in a header.
pub fn check(text: &str) -> Result<Secret> {
    let text = unquoted(pasted(text)).trim();
    let key = match text.strip_prefix("export ").unwrap_or(text).split_once('=') {
        Some((name, value)) if is_variable(name) => unquoted(value),
        _ => text,
    };
    if key.is_empty() {
        return Err(Error::new(Code::InvalidArgument, "The key is empty.").with_hint("Paste the whole key."));
    }
    if key.len() > MAX_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(Code::InvalidArgument, "This does not look like an API key.")
            .with_hint("Paste the key alone, on one line."));
    }
    Ok(Secret::new(key))
}

/// A client secret, which may be of any visible characters: nothing but blanks around it is taken off.
///
/// # Errors
/// `invalid_argument` for what is none.
pub fn check_client_secret(text: &str) -> Result<Secret> {
    let secret = pasted(text);
    if secret.is_empty() || secret.len() > MAX_KEY || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(Code::InvalidArgument, "This does not look like a client secret.")
            .with_hint("Paste the secret alone, on one line."));
    }
    Ok(Secret::new(secret))
}

/// Without the quotes around it, if they are a pair.
fn unquoted(text: &str) -> &str {
    let pair = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    ['"', '\'', '`'].into_iter().find_map(pair).unwrap_or(text)
}

fn is_variable(name: &str) -> bool {
    name.ends_with("_KEY")
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_key_out_of_its_wrapping() {
        for text in [
            "sk-1_a=",
            " sk-1_a=\n",
            "\"sk-1_a=\"",
            "OPENAI_API_KEY=sk-1_a=",
            "export X_KEY='sk-1_a='",
            "\u{1b}[200~sk-1_a=\u{1b}[201~",
        ] {
            assert_eq!(check(text).unwrap().expose(), "sk-1_a=", "{text}");
        }
    }

    /// RFC 6749, appendix A.2: a client secret may have quotes at its ends, and they are part of it.
    #[test]
    fn a_client_secret_loses_nothing() {
        for text in ["'quoted'", "\"half", "X_KEY=1"] {
            assert_eq!(check_client_secret(&format!(" {text}\n")).unwrap().expose(), text);
        }
        assert!(check_client_secret("two words").is_err() && check_client_secret("").is_err());
        assert_eq!(check("\"half").unwrap().expose(), "\"half", "nor does a key lose half a pair");
    }

    #[test]
    fn refuses_what_no_header_can_carry() {
        for text in
            ["", " ", "''", "two words", "line\nbreak", "schlüssel", "nul\0", &"x".repeat(MAX_KEY + 1)]
        {
            assert_eq!(check(text).unwrap_err().code(), Code::InvalidArgument, "{text:?}");
        }
    }
}
