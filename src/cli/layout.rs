//! Text as it fits a terminal.
//!
//! Guarantees: a line that is redrawn is never wider than the terminal, so that it stays one line; prose
//! breaks between words, an address never. What no terminal reads is left as it is. Knows no command.

use textwrap::core::display_width;
use textwrap::{Options, WordSeparator, WordSplitter};

/// Cells of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Across.
    pub columns: usize,
    /// Down.
    pub rows: usize,
}

/// What terminals had before they could be asked.
const TYPICAL: Size = Size { columns: 80, rows: 24 };

/// The size of the terminal behind standard error or output, or the typical one if neither tells.
pub fn size() -> Size {
    use terminal_size::{Height, Width, terminal_size_of};
    let told = terminal_size_of(std::io::stderr()).or_else(|| terminal_size_of(std::io::stdout()));
    match told {
        Some((Width(columns @ 1..), Height(rows @ 1..))) => {
            Size { columns: columns.into(), rows: rows.into() }
        }
        _ => TYPICAL,
    }
}

/// Breaks lines that are wider than `columns` between words; what follows keeps the line's own indent.
pub fn fold(text: &str, columns: usize) -> String {
    let fold_line = |line: &str| {
        let words = line.trim_start_matches(' ');
        let indent = " ".repeat(line.len() - words.len());
        let options = Options::new(columns)
            .initial_indent(&indent)
            .subsequent_indent(&indent)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false);
        textwrap::fill(words, options)
    };
    text.split('\n').map(fold_line).collect::<Vec<_>>().join("\n")
}

/// A text beside its head, whatever its lines, folded if `columns` are given.
pub fn beside(head: &str, text: &str, columns: Option<usize>) -> String {
    let width = display_width(head);
    let text = match columns {
        // Of less no column would be left.
        Some(columns) => fold(text, columns.saturating_sub(width).max(20)),
        None => text.to_owned(),
    };
    format!("{head}{}", text.replace('\n', &format!("\n{}", " ".repeat(width))))
}

/// The first of several wordings, best first, that leaves the last cell of a line free; of the last one, what
/// fits.
pub fn one_line<'a>(wordings: &[&'a str], columns: usize) -> std::borrow::Cow<'a, str> {
    let room = columns.saturating_sub(1);
    match wordings.iter().find(|text| display_width(text) <= room) {
        Some(text) => (*text).into(),
        None => cut(wordings.last().copied().unwrap_or_default(), room).into(),
    }
}

fn cut(text: &str, room: usize) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if display_width(&kept) > room {
            kept.pop();
            break;
        }
    }
    kept
}

/// Lines of a terminal that a text takes, wrapped by the terminal itself.
pub fn rows_of(text: &str, columns: usize) -> usize {
    text.split('\n').map(|line| display_width(line).div_ceil(columns).max(1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_breaks_between_words_and_an_address_never() {
        assert_eq!(fold("a bc def", 5), "a bc\ndef");
        assert_eq!(fold("  a bc def\n\nx", 6), "  a bc\n  def\n\nx");
        assert_eq!(fold("at https://x.example/y-z now", 8), "at\nhttps://x.example/y-z\nnow");
        assert_eq!(fold("as it was", 80), "as it was");
    }

    #[test]
    fn a_text_stands_beside_its_head_whatever_its_length() {
        let text = "twenty cells and more\nand a hint";
        assert_eq!(beside("ok  ", text, Some(24)), "ok  twenty cells and\n    more\n    and a hint");
        assert_eq!(beside("ok  ", text, None), "ok  twenty cells and more\n    and a hint");
    }

    #[test]
    fn a_line_that_is_redrawn_is_narrower_than_the_terminal() {
        let wordings = ["Waiting for you (4:59)", "Wait (4:59)"];
        assert_eq!(one_line(&wordings, 80), "Waiting for you (4:59)");
        assert_eq!(one_line(&wordings, 23), "Waiting for you (4:59)");
        assert_eq!(one_line(&wordings, 22), "Wait (4:59)");
        assert_eq!(one_line(&wordings, 5), "Wait");
        assert_eq!(one_line(&["中文"], 4), "中", "characters of two cells");
        assert_eq!(one_line(&wordings, 0), "");
    }

    #[test]
    fn what_a_terminal_wraps_takes_more_rows() {
        assert_eq!(rows_of(&"x".repeat(80), 80), 1);
        assert_eq!(rows_of(&format!("{}\n\nx", "x".repeat(81)), 80), 4);
    }
}
