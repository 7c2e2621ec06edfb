//! What of a stranger's text may be shown, and what may travel as a credential.
//!
//! Guarantees: pure.

/// Whether a character shows nothing and does something: controls, terminal escapes, line breaks, those that
/// turn the text around or take no room (Unicode's `Default_Ignorable_Code_Point` and `Bidi_Control`), and
/// the fillers of Hangul and Braille, which look like blanks.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A stranger's name for something as it stands in a message: of bounded length, and without what is hidden.
pub fn short(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().take(max).map(|c| if is_hidden(c) { '?' } else { c }).collect();
    if shown.len() < text.len() && text.chars().nth(max).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether text can stand in a header and on one line: `VSCHAR` of RFC 6749, appendix A, which is all that
/// tokens are made of.
pub fn is_credential(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// What was pasted, without blanks around it and without the marks that a terminal puts there when a program
/// before left its bracketed paste on.
pub fn pasted(text: &str) -> &str {
    let text = text.trim();
    let text = text.strip_prefix("\u{1b}[200~").unwrap_or(text);
    text.strip_suffix("\u{1b}[201~").unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_unseen_is_hidden() {
        assert!(
            ['\u{1b}', '\n', '\u{7f}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{feff}', '\u{61c}', '\u{3164}']
                .into_iter()
                .all(is_hidden)
        );
        assert!(!"aé ½“中".chars().any(is_hidden));
    }

    #[test]
    fn a_name_is_cut_and_cleaned() {
        assert_eq!(short("plain", 5), "plain");
        assert_eq!(short("é\u{1b}[2J and so on", 5), "é?[2J…");
    }

    #[test]
    fn the_marks_of_a_paste_are_no_part_of_it() {
        for text in ["\u{1b}[200~a b\u{1b}[201~\n", "\u{1b}[200~a b\n\u{1b}[201~", " a b\u{1b}[201~", "a b"] {
            assert_eq!(pasted(text), "a b", "{text:?}");
        }
    }

    #[test]
    fn a_credential_is_one_line() {
        assert!(is_credential("tid=1;exp=2 x~"));
        for text in ["", "a\r\nx-evil: 1", "a\u{7f}", "é", "a\0"] {
            assert!(!is_credential(text), "{text:?}");
        }
    }
}
