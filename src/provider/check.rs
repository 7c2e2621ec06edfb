//! Checks of single values, and the words in which a mistake is told.
//!
//! Guarantees: an error names the key by its full path and says what is allowed; the value itself is never
//! repeated, since it could be a secret.

use std::path::PathBuf;

use url::Url;

use crate::error::{Code, Error, Result};
use crate::loopback::is_loopback;
use crate::paths::{SETTINGS_FILE, SHARED_SETTINGS_FILE};
use crate::template;
use crate::text::{is_hidden, short};

/// Longest path of a setting that is repeated, in characters.
const MAX_PATH: usize = 160;
/// Longest description of a mistake, which may repeat a name that a person gave, in characters.
const MAX_WORDS: usize = 400;

/// Whether every value is one line whose braces are in order.
pub(super) fn check_templates<'a>(
    path: &str,
    templates: impl Iterator<Item = (&'a String, &'a String)>,
) -> Result<()> {
    for (name, text) in templates {
        if !template::is_well_formed(text) || text.contains(['\r', '\n']) {
            return Err(invalid(&format!("{path}.{name}"), "it must be one line with values as `{token}`."));
        }
    }
    Ok(())
}

/// Whether an environment can have a variable of this name.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// RFC 9110, 5.6.2.
pub(super) fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Templates stand where any text may: put one there before the URL is checked.
pub(super) fn without_templates(text: &str) -> String {
    template::fill(text, |_| Some("x".to_owned())).unwrap_or_else(|| text.to_owned())
}

pub(super) fn optional_url(path: &str, text: Option<&str>) -> Result<Option<Url>> {
    text.map(|text| check_url(path, text)).transpose()
}

pub(super) fn check_optional_url(path: &str, text: Option<&str>) -> Result<()> {
    optional_url(path, text).map(drop)
}

/// An https URL, or an http one to this machine.
///
/// # Errors
/// `config_invalid` naming `path`. The URL itself is not repeated: it could hold a secret.
pub fn check_url(path: &str, text: &str) -> Result<Url> {
    // A parser takes blanks and line breaks out, or covers them up: the text itself is what is shown and
    // opened. A brace is left of a template that has no value.
    let is_plain = !text.chars().any(|c| is_hidden(c) || c.is_whitespace() || matches!(c, '{' | '}'));
    let url = Url::parse(text).ok().filter(|_| is_plain).ok_or_else(|| invalid(path, "it is not a URL."))?;
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(invalid(path, "it must not carry a user name or password."))
        }
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(invalid(path, "http is allowed for this machine only; use https.")),
        _ => Err(invalid(path, "it must be an https URL.")),
    }
}

/// A path that is the same wherever the program is started.
pub(super) fn absolute(path: &str) -> Option<PathBuf> {
    let path = match path.strip_prefix("~/") {
        Some(below) => dirs::home_dir()?.join(below),
        None => PathBuf::from(path),
    };
    path.is_absolute().then_some(path)
}

/// A mistake at `path`.
pub(super) fn invalid(path: &str, words: &str) -> Error {
    let (path, words) = (short(path, MAX_PATH), short(words, MAX_WORDS));
    Error::new(Code::ConfigInvalid, format!("The setting `{path}` is not valid: {words}"))
        .with_hint(format!(
            "Correct it where it is set: in {SETTINGS_FILE}, {SHARED_SETTINGS_FILE} or the options of `require(\"conv\").setup()`."
        ))
}
