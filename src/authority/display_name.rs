//! A client's own name as the consent page shows it.
//!
//! Guarantees: pure. Nothing in a name is hidden, and letters that may pass for others are said beside it: a
//! name is chosen freely, and a person compares it with one that they know.

use icu_properties::props::{GeneralCategory, GeneralCategoryGroup, NamedEnumeratedProperty as _, Script};
use icu_properties::{CodePointMapData, CodePointMapDataBorrowed};

use crate::text::is_hidden;

/// A name, and what its letters are if they are not all of the Latin alphabet.
#[derive(Debug, PartialEq, Eq)]
pub struct DisplayName {
    /// The name; a hidden character stands there by its number.
    pub text: String,
    /// Names of its alphabets, such as `Cyrillic, Latin`; `None` for plain Latin letters.
    pub letters: Option<String>,
}

impl DisplayName {
    /// How to show `name`.
    pub fn new(name: &str) -> Self {
        let mut text = String::with_capacity(name.len());
        for character in name.chars() {
            match character {
                // Asks for the coloured form of the sign before it, and does nothing else.
                '\u{fe0f}' => {}
                hidden if is_hidden(hidden) => text.push_str(&format!("⟨U+{:04X}⟩", u32::from(hidden))),
                other => text.push(other),
            }
        }
        Self { text, letters: letters(name) }
    }
}

/// The alphabets of a name, unless all of its letters are plain Latin ones.
fn letters(name: &str) -> Option<String> {
    let mut kinds: Vec<&str> = name.chars().filter_map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    (!kinds.iter().all(|kind| *kind == "Latin")).then(|| kinds.join(", "))
}

/// The alphabet of a letter; `None` for what is no letter.
fn kind(character: char) -> Option<&'static str> {
    const CATEGORIES: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::new();
    const SCRIPTS: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::new();
    let category = CATEGORIES.get(character);
    if !GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Number).contains(category) {
        return None;
    }
    match SCRIPTS.get(character) {
        _ if character.is_ascii_digit() => None,
        Script::Latin if is_plain_latin(character) => Some("Latin"),
        // Mathematical, full-width and circled letters, and those of phonetic writing: made to look like
        // others.
        Script::Latin | Script::Common | Script::Inherited => Some("letter-like signs"),
        script => Some(script.long_name()),
    }
}

/// ASCII, and the letters of European languages: Latin-1, Extended-A (but the dotless ı) and Extended
/// Additional.
fn is_plain_latin(character: char) -> bool {
    character.is_ascii()
        || matches!(character, '\u{c0}'..='\u{17f}' | '\u{1e00}'..='\u{1eff}') && character != 'ı'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_shown_as_they_are() {
        for name in ["Claude Code", "VS Code (Insiders) 1.99", "Café Łódź", "Cursor – ❤\u{fe0f}", "7"]
        {
            let shown = DisplayName::new(name);
            assert_eq!((shown.text, shown.letters), (name.replace('\u{fe0f}', ""), None));
        }
    }

    #[test]
    fn letters_that_pass_for_others_are_said() {
        for (name, letters) in [
            ("Сlaude", "Cyrillic, Latin"),
            ("сосо", "Cyrillic"),
            ("𝐂laude", "Latin, letter-like signs"),
            ("Ｃｌａｕｄｅ", "letter-like signs"),
            ("ɡoogle", "Latin, letter-like signs"),
            ("深度 AI", "Han, Latin"),
        ] {
            assert_eq!(DisplayName::new(name).letters.as_deref(), Some(letters), "{name}");
        }
    }

    #[test]
    fn hidden_characters_are_shown_by_number() {
        assert_eq!(DisplayName::new("Claude\u{3164}\u{61c}").text, "Claude⟨U+3164⟩⟨U+061C⟩");
    }
}
