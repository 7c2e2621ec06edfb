//! What serde says about a setting, in words for the person who wrote it.
//!
//! Guarantees: pure; the value itself is never repeated, since it could be a secret.

use strsim::levenshtein;

use crate::text::short;

/// Words for the types that serde names after Rust's.
const TYPES: &[(&str, &str)] = &[
    ("u16", "a whole number from 0 to 65535"),
    ("u64", "a whole number, 0 or more"),
    ("i64", "a whole number"),
    ("a boolean", "true or false"),
    ("a string", "a text"),
    ("string or map", "a text"),
    ("a sequence", "a list"),
    ("a map", "a table"),
];

/// Longest name of a setting that is repeated, in characters.
const MAX_FIELD: usize = 64;

/// The name of a setting that is not known, out of serde's message. The name is the person's, and may hold
/// what looks like the words after it.
pub(super) fn unknown_field(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field `")?;
    let end = rest.rfind("`, expected ").or_else(|| rest.rfind("`, there are no fields"))?;
    Some(&rest[..end])
}

/// What is allowed, out of serde's message.
pub(super) fn allowed(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        // The name is the person's, and may hold what looks like the words after it.
        let (field, known) = rest.rsplit_once("`, expected ").unwrap_or((rest, "nothing"));
        let field = short(field.trim_end_matches("`, there are no fields"), MAX_FIELD);
        return match nearest(&field, names(known)) {
            Some(near) => format!("`{field}` is not known here; did you mean `{near}`?"),
            None => format!("`{field}` is not known here; expected {known}."),
        };
    }
    // The last one is serde's: what comes before may hold the value.
    match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("it must be {}.", plain(expected)),
        None => "the value is not of the right form.".to_owned(),
    }
}

fn plain(expected: &str) -> &str {
    let known = TYPES.iter().find(|(name, _)| *name == expected).map(|(_, words)| *words);
    known.unwrap_or(if expected.starts_with("struct ") { "a table" } else { expected })
}

/// The names between backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The name that was probably meant: at most a third of its letters are different.
fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |name: &&str| levenshtein(typed, name);
    names.min_by_key(far).filter(|name| levenshtein(typed, name) <= (name.len() / 3).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_with_what_was_meant() {
        let message = "unknown field `token_ulr`, expected one of `label`, `token_url`, `page`";
        assert_eq!(allowed(message), "`token_ulr` is not known here; did you mean `token_url`?");
        let message = "unknown field `zzz`, expected `port` or `timeout`";
        assert_eq!(allowed(message), "`zzz` is not known here; expected `port` or `timeout`.");
        let long = format!("unknown field `x`, expected {}`, expected `port`", "y".repeat(9000));
        assert!(allowed(&long).len() < 200);
    }

    #[test]
    fn types_are_told_in_words_and_values_not_at_all() {
        let told =
            |expected: &str| allowed(&format!("invalid type: string \"planted\", expected {expected}"));
        assert_eq!(
            allowed("unknown variant `x, expected planted`, expected `a` or `b`"),
            "it must be `a` or `b`."
        );
        assert_eq!(told("u16"), "it must be a whole number from 0 to 65535.");
        assert_eq!(told("string or map"), "it must be a text.");
        assert_eq!(told("struct StoreSection"), "it must be a table.");
        assert_eq!(told("`auto` or `keyring`"), "it must be `auto` or `keyring`.");
        assert_eq!(allowed("planted"), "the value is not of the right form.");
    }
}
