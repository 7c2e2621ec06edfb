//! `{name}` in addresses, header values and pages.
//!
//! Guarantees: filled in one pass, so that a text put in is never taken for a name. Knows no names.

/// Fills every `{name}`; `None` if one has no value. `{{` is not special: no header we know needs a brace.
pub fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = behind;
    }
    filled.push_str(rest);
    Some(filled)
}

/// Whether every brace of a template has its partner and a name between them.
pub fn is_well_formed(template: &str) -> bool {
    let plain = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut rest = template;
    while let Some((_, after)) = rest.split_once('{') {
        match after.split_once('}') {
            Some((name, behind)) if plain(name) => rest = behind,
            _ => return false,
        }
    }
    !rest.contains('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_or_gives_up() {
        let value = |name: &str| (name == "token").then(|| "T".to_owned());
        assert_eq!(fill("Bearer {token}", value).as_deref(), Some("Bearer T"));
        assert_eq!(fill("{token}{token}!", value).as_deref(), Some("TT!"));
        assert_eq!(fill("{other}", value), None);
        assert_eq!(fill("{token}{", value), None, "a brace without its partner");
        let braces = |name: &str| Some(format!("{{{name}}}"));
        assert_eq!(fill("<{a}>{b}", braces).as_deref(), Some("<{a}>{b}"), "what is put in is no name");
        assert!(
            is_well_formed("a {token} b")
                && !is_well_formed("{")
                && !is_well_formed("}")
                && !is_well_formed("{}")
        );
    }
}
