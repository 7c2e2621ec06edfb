//! Text in a page.
//!
//! Guarantees: pure; what is put in is text and nothing else, and shows what it is: no markup, no quotes that
//! end an attribute, no controls, and none of the characters that turn the text around or take no room.

use crate::text::is_hidden;

/// A text as it may stand in a page, in an element or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if is_hidden(c) => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_is_markup_and_nothing_is_hidden() {
        assert_eq!(
            escape("<a href=\"x\" on='y'>&\u{1b}"),
            "&lt;a href=&quot;x&quot; on=&#39;y&#39;&gt;&amp; "
        );
        assert_eq!(escape("gpj\u{202e}.exe\u{200b}!"), "gpj .exe !");
    }
}
