//! Figures as a person reads them: the same lines in a terminal and in the editor.
//!
//! Guarantees: no line is wider than 76 cells; a bar tells by its length and needs no colour; money is never
//! shown as a share of nothing.

use textwrap::core::display_width;

use super::record::Record;
use crate::error::Error;
use crate::login_id::LoginId;
use crate::protocol::{Usage, UsageCredit, UsageSource, UsageWindow};

/// Widest line, in cells.
const WIDTH: usize = 76;
/// Cells of a bar.
const CELLS: usize = 20;
/// Widest name of a window, in cells.
const NAME: usize = 16;

/// The answer for a login.
pub fn usage(
    login: &LoginId,
    source: UsageSource,
    record: Option<Record>,
    error: Option<Error>,
    now: i64,
) -> Usage {
    let record = record.unwrap_or_default();
    let mut lines: Vec<String> = record.credit.iter().map(credit).collect();
    lines.extend(record.windows.iter().map(|one| window(one, now)));
    let told = record.at.is_some();
    if told && lines.is_empty() {
        lines.push("no limit".to_owned());
    }
    Usage {
        login: login.clone(),
        source,
        at: record.at.filter(|_| told),
        short: if told { short(&record) } else { None },
        credit: record.credit,
        windows: record.windows,
        error: error.or(record.error),
        lines,
    }
}

fn credit(credit: &UsageCredit) -> String {
    let unit = credit.unit.as_deref().unwrap_or("(currency not told)");
    match credit.limit.filter(|limit| *limit > 0.0) {
        Some(limit) => {
            let bar = bar(limit - credit.remaining, limit);
            fitting(&format!("{:<NAME$} {bar}  {:.2} of {limit:.2} {unit} left", "credit", credit.remaining))
        }
        None => fitting(&format!("{:<NAME$} {:.2} {unit} left", "credit", credit.remaining)),
    }
}

fn window(window: &UsageWindow, now: i64) -> String {
    let name = cut(&window.name, NAME);
    let figures = match (window.used, window.limit.filter(|limit| *limit > 0.0)) {
        (Some(used), Some(limit)) => {
            let counts = match window.unit.as_str() {
                "percent" => String::new(),
                unit => format!("  {} of {}{}", amount(used), amount(limit), after(unit)),
            };
            format!("{} {:>3.0} %{counts}", bar(used, limit), (used / limit * 100.0).min(999.0))
        }
        (Some(used), None) => format!("{}{} used", money(used, &window.unit), after(&window.unit)),
        (None, Some(limit)) => format!("{}{} at most", amount(limit), after(&window.unit)),
        (None, None) => "not told".to_owned(),
    };
    let resets = window.resets_at.filter(|at| *at > now).map(|at| format!(", new in {}", span(at - now)));
    let space = " ".repeat(NAME.saturating_sub(display_width(name)));
    fitting(&format!("{name}{space} {figures}{}", resets.unwrap_or_default()))
}

fn fitting(line: &str) -> String {
    cut(line, WIDTH).to_owned()
}

/// As much of a text as fits into so many cells: some characters take two.
fn cut(text: &str, cells: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| display_width(text.get(..*end).unwrap_or(text)) <= cells).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// `[########............]`: a full cell for each begun twentieth, so that little is not nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bar(used: f64, limit: f64) -> String {
    let share = (used / limit).clamp(0.0, 1.0);
    let full = ((share * CELLS as f64).ceil() as usize).min(CELLS);
    format!("[{}{}]", "#".repeat(full), ".".repeat(CELLS - full))
}

fn after(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

/// Currencies have three capital letters (ISO 4217).
fn money(used: f64, unit: &str) -> String {
    let is_currency = unit.len() == 3 && unit.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_currency { format!("{used:.2}") } else { amount(used) }
}

/// A count in few characters.
fn amount(number: f64) -> String {
    match number {
        _ if number >= 1e9 => format!("{:.1}G", number / 1e9),
        _ if number >= 1e6 => format!("{:.1}M", number / 1e6),
        _ if number >= 1e5 => format!("{:.0}k", number / 1e3),
        _ if number.fract() == 0.0 => format!("{number:.0}"),
        _ => format!("{number:.2}"),
    }
}

fn span(seconds: i64) -> String {
    match seconds {
        ..=5399 => format!("{} min", (seconds + 59) / 60),
        5400..=172_799 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} d", (seconds + 43_200) / 86_400),
    }
}

/// The fullest window, or else the credit. Without a percent sign, which statuslines read as a command.
fn short(record: &Record) -> Option<String> {
    let share = |window: &UsageWindow| {
        let (used, limit) = (window.used?, window.limit.filter(|limit| *limit > 0.0)?);
        Some((format!("{} {}/{}", window.name, amount(used), amount(limit)), used / limit))
    };
    let fullest = record.windows.iter().filter_map(share).max_by(|one, other| one.1.total_cmp(&other.1));
    match (fullest, &record.credit) {
        (Some((text, _)), _) => Some(text),
        (None, Some(credit)) => {
            let unit = credit.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            Some(format!("{:.2}{unit}", credit.remaining))
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_780_000_000;

    fn a(
        name: &str,
        used: Option<f64>,
        limit: Option<f64>,
        unit: &str,
        resets_at: Option<i64>,
    ) -> UsageWindow {
        UsageWindow { name: name.to_owned(), used, limit, unit: unit.to_owned(), resets_at }
    }

    #[test]
    fn a_bar_is_read_at_a_glance() {
        let shown = |one: UsageWindow| window(&one, NOW);
        assert_eq!(
            shown(a("5 h", Some(62.0), Some(100.0), "percent", Some(NOW + 7200))),
            "5 h              [#############.......]  62 %, new in 2 h"
        );
        assert_eq!(
            shown(a("month premium", Some(3.0), Some(300.0), "requests", None)),
            "month premium    [#...................]   1 %  3 of 300 requests"
        );
        assert_eq!(shown(a("1 d", Some(0.5), None, "USD", None)), "1 d              0.50 USD used");
        assert_eq!(
            shown(a("tokens", None, Some(2e6), "tokens", None)),
            "tokens           2.0M tokens at most"
        );
        assert!(shown(a("x", Some(0.0), Some(5.0), "", None)).contains("[....................]   0 %"));
        assert!(shown(a("x", Some(9.0), Some(5.0), "", None)).contains("[####################] 180 %"));
        for letter in ["x", "\u{5143}"] {
            let wide = a(&letter.repeat(90), Some(1e300), Some(1.0), &letter.repeat(90), Some(NOW + 1));
            assert!(display_width(&shown(wide)) <= 76);
            let credit = UsageCredit { remaining: 1e300, limit: Some(1e300), unit: Some(letter.repeat(16)) };
            assert!(display_width(&super::credit(&credit)) <= 76);
        }
    }

    #[test]
    fn money_and_share_are_told_apart() {
        let shown = |remaining, limit, unit: Option<&str>| {
            credit(&UsageCredit { remaining, limit, unit: unit.map(str::to_owned) })
        };
        assert_eq!(
            shown(12.5, Some(20.0), Some("USD")),
            "credit           [########............]  12.50 of 20.00 USD left"
        );
        assert_eq!(shown(110.0, None, Some("CNY")), "credit           110.00 CNY left");
        assert_eq!(shown(49.5, None, None), "credit           49.50 (currency not told) left");
    }

    #[test]
    fn the_fullest_window_speaks_for_all() {
        let windows = vec![
            a("5 h", Some(10.0), Some(100.0), "percent", None),
            a("7 d", Some(9.0), Some(10.0), "", None),
        ];
        let record = Record { windows, at: Some(NOW), ..Record::default() };
        let login = "openai".parse().unwrap();
        let told = usage(&login, UsageSource::Headers, Some(record), None, NOW);
        assert_eq!((told.short.as_deref(), told.at), (Some("7 d 9/10"), Some(NOW)));
        let unlimited = Record { at: Some(NOW), ..Record::default() };
        let told = usage(&login, UsageSource::Endpoint, Some(unlimited), None, NOW);
        assert_eq!((told.short, told.at, told.lines), (None, Some(NOW), vec!["no limit".to_owned()]));
        // A file that somebody wrote into by hand.
        let windows = vec![a("5 h", Some(10.0), Some(100.0), "percent", None)];
        let told =
            usage(&login, UsageSource::Headers, Some(Record { windows, ..Record::default() }), None, NOW);
        assert_eq!((told.short, told.at), (None, None), "a figure without its age is shown nowhere");
        let nothing = usage(&login, UsageSource::Headers, None, None, NOW);
        assert_eq!((nothing.short, nothing.at, nothing.lines.len()), (None, None, 0));
    }
}
