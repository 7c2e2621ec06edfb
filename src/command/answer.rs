//! What a command has printed, read.
//!
//! Guarantees: pure; no word of it is repeated; what is not of the form that was agreed on is refused, with
//! what to do about it.

use std::collections::BTreeMap;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::correct;
use crate::credential::Tokens;
use crate::error::{Code, Error, Result};
use crate::provider::{CommandFormat, CommandSource, Program};
use crate::secret::Secret;
use crate::text::is_credential;

/// No time of our days in seconds has more: it is in milliseconds.
const LATEST: i64 = 100_000_000_000;
/// Most headers of an answer.
const MAX_HEADERS: usize = 32;
/// What a connection needs for itself (RFC 9110, 7.6.1), and what says where a request goes and how long it
/// is.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a command of the format `json` prints; more than this is read past.
#[derive(Deserialize)]
struct Printed {
    token: Secret,
    expires_at: Option<i64>,
    #[serde(default)]
    headers: BTreeMap<String, Secret>,
}

/// The text of an output, without the line break at its end.
pub(super) fn utf8(program: &Program, printed: Zeroizing<Vec<u8>>) -> Result<Secret> {
    let text = std::str::from_utf8(&printed).map_err(|_| no_text(program, "that is not UTF-8"))?;
    if text.contains('\0') {
        return Err(no_text(program, "with a NUL in it"));
    }
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    match text.trim().is_empty() {
        true => Err(Error::new(Code::StoreUnreadable, format!("`{}` prints nothing.", program.name()))
            .with_hint("Run it in a terminal: its vault may be locked, or have nothing of that name.")),
        false => Ok(Secret::new(text)),
    }
}

/// A single line that can stand in a header.
///
/// # Errors
/// `bad_response`.
pub fn text(program: &Program, printed: &Secret) -> Result<Secret> {
    let text = printed.expose();
    let name = program.name();
    if text.contains(['\n', '\r']) {
        let message = format!("`{name}` prints several lines, and a credential is one.");
        return Err(Error::new(Code::BadResponse, message).with_hint(format!(
            "Let `{}` print it alone; `pass` and its like print the whole entry.",
            program.setting
        )));
    }
    match is_credential(text) {
        true => Ok(Secret::new(text.trim())),
        false => Err(no_text(program, "with characters that no credential has")),
    }
}

/// The credential that the source `command` has printed. `now` is in Unix seconds.
///
/// # Errors
/// `bad_response`.
pub fn credential(source: &CommandSource, printed: &Secret, now: i64) -> Result<Tokens> {
    let program = &source.program;
    let mut tokens = match source.format {
        CommandFormat::Text => Tokens::api_key(text(program, printed)?, now),
        CommandFormat::Json => of_json(program, printed, now)?,
    };
    tokens.use_until = tokens.expires_at.is_none().then(|| now.saturating_add(source.ttl));
    tokens.origins = vec![source.binding()];
    Ok(tokens)
}

fn of_json(program: &Program, printed: &Secret, now: i64) -> Result<Tokens> {
    let printed: Printed = serde_json::from_str(printed.expose()).map_err(|_| {
        of_form(
            program,
            "no JSON object with a `token`",
            "`expires_at` is a number, `headers` an object of texts",
        )
    })?;
    let mut tokens = Tokens::api_key(text(program, &printed.token)?, now);
    if let Some(end) = printed.expires_at {
        if !(0..LATEST).contains(&end) {
            return Err(of_form(
                program,
                "an `expires_at` that is no time",
                "it counts seconds since 1970, not milliseconds",
            ));
        }
        if end <= now {
            return Err(of_form(
                program,
                "a token that has ended",
                "refresh it where the command takes it from",
            ));
        }
        tokens.expires_at = Some(end);
    }
    let is_fit = |(name, value): (&String, &Secret)| is_header(name) && is_credential(value.expose());
    if printed.headers.len() > MAX_HEADERS || !printed.headers.iter().all(is_fit) {
        return Err(of_form(
            program,
            "headers that no request may have",
            "each is a name and one line of plain text",
        ));
    }
    tokens.headers = printed.headers;
    Ok(tokens)
}

fn is_header(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name.bytes().all(is_name)
        && !OF_THE_CONNECTION.iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn of_form(program: &Program, what: &str, hint: &str) -> Error {
    Error::new(Code::BadResponse, format!("`{}` prints {what}.", program.name()))
        .with_hint(format!("`:h conv-command` has the form: {hint}."))
}

fn no_text(program: &Program, what: &str) -> Error {
    Error::new(Code::BadResponse, format!("`{}` prints something {what}.", program.name()))
        .with_hint(correct(program))
}
