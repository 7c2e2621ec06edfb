//! Figures out of the headers that APIs put on their answers.
//!
//! Guarantees: a window is called by its length where the header names one, else by what it counts; what a
//! header does not say is not there. The forms are those of Anthropic, OpenAI and the many that took over its
//! names, Cerebras, DigitalOcean, OpenRouter, and Codex.

use std::collections::BTreeMap;

use super::figures::is_figure;
use super::when;
use crate::protocol::UsageWindow;

type Headers = BTreeMap<String, String>;

/// Most windows that are taken of one answer.
const MAX_WINDOWS: usize = 16;
/// Longest name that is taken out of a header, in bytes.
const MAX_NAME: usize = 24;

/// The windows that an answer's headers tell of; `now` in Unix seconds.
pub fn windows(headers: &Headers, now: i64) -> Vec<UsageWindow> {
    let mut windows = unified(headers, now);
    windows.extend(codex(headers, now));
    windows.extend(counted(headers, now));
    windows.truncate(MAX_WINDOWS);
    windows
}

fn percent(name: String, used: f64, resets_at: Option<i64>) -> Option<UsageWindow> {
    let is_sane = used.is_finite() && (0.0..=1000.0).contains(&used);
    is_sane.then(|| UsageWindow {
        name,
        used: Some(used),
        limit: Some(100.0),
        unit: "percent".to_owned(),
        resets_at,
    })
}

/// Anthropic's subscriptions: `anthropic-ratelimit-unified-5h-utilization`, from 0 to 1, and `…-5h-reset`.
fn unified(headers: &Headers, now: i64) -> Vec<UsageWindow> {
    let prefix = "anthropic-ratelimit-unified-";
    let claims = headers.iter().filter_map(|(name, value)| {
        let claim = name.strip_prefix(prefix)?.strip_suffix("-utilization")?;
        let used = (value.trim().parse::<f64>().ok()? * 1000.0).round() / 10.0;
        let resets_at =
            headers.get(&format!("{prefix}{claim}-reset")).and_then(|text| when::moment(text, now));
        percent(claim_name(claim)?, used, resets_at)
    });
    claims.collect()
}

/// `5h` → `5 h`, `7d_oi` → `7 d oi`, `7d-sonnet` → `7 d sonnet`.
fn claim_name(claim: &str) -> Option<String> {
    let digits = claim.find(|c: char| !c.is_ascii_digit()).filter(|digits| *digits > 0)?;
    let (count, rest) = claim.split_at(digits);
    let (unit, about) = rest.split_at_checked(1)?;
    let about = about.replace(['-', '_'], " ");
    let is_name = matches!(unit, "h" | "d") && claim.len() <= MAX_NAME;
    is_name.then(|| format!("{count} {unit}{about}"))
}

/// Codex: `x-codex-primary-used-percent`, `-window-minutes`, and `-reset-at` or `-reset-after-seconds`. On
/// some plans the primary one is the week.
fn codex(headers: &Headers, now: i64) -> Vec<UsageWindow> {
    let window = |which: &str| {
        let value = |what: &str| headers.get(&format!("x-codex-{which}-{what}"))?.trim().parse::<f64>().ok();
        let used = value("used-percent")?;
        #[allow(clippy::cast_possible_truncation)]
        let minutes = value("window-minutes").filter(|minutes| (1.0..1e7).contains(minutes))? as i64;
        let resets = value("reset-at").or_else(|| value("reset-after-seconds"));
        percent(when::length(minutes * 60), used, resets.and_then(|at| when::of_number(at, now)))
    };
    ["primary", "secondary"].into_iter().filter_map(window).collect()
}

/// `x-ratelimit-{limit,remaining,reset}-WHAT` and `anthropic-ratelimit-WHAT-{limit,remaining,reset}`.
fn counted(headers: &Headers, now: i64) -> Vec<UsageWindow> {
    let mut groups: BTreeMap<&str, [Option<&str>; 3]> = BTreeMap::new();
    for (name, value) in headers {
        let Some((what, place)) = counter(name) else { continue };
        if let Some(slot) = groups.entry(what).or_default().get_mut(place) {
            *slot = Some(value);
        }
    }
    let window = |(what, [limit, remaining, reset]): (&str, [Option<&str>; 3])| {
        let number =
            |text: Option<&str>| text?.trim().parse::<f64>().ok().filter(|number| is_figure(*number));
        let (limit, remaining) = (number(limit).filter(|limit| *limit >= 0.0), number(remaining));
        let used = limit.zip(remaining).map(|(limit, remaining)| (limit - remaining).max(0.0));
        used.or(limit)?;
        let (name, unit) = named(what)?;
        Some(UsageWindow {
            name,
            used,
            limit,
            unit,
            resets_at: reset.and_then(|text| when::moment(text, now)),
        })
    };
    groups.into_iter().filter_map(window).collect()
}

/// What a header counts, and which of the three it is.
fn counter(name: &str) -> Option<(&str, usize)> {
    const PARTS: [&str; 3] = ["limit", "remaining", "reset"];
    if let Some(rest) = name.strip_prefix("anthropic-ratelimit-") {
        let (what, part) = rest.rsplit_once('-')?;
        let is_own = what != "unified" && !what.starts_with("unified-");
        return PARTS.iter().position(|known| *known == part).filter(|_| is_own).map(|place| (what, place));
    }
    let rest = name.strip_prefix("x-ratelimit-").or_else(|| name.strip_prefix("ratelimit-"))?;
    let (part, what) = rest.split_once('-').unwrap_or((rest, ""));
    PARTS.iter().position(|known| *known == part).map(|place| (what, place))
}

/// Name and unit: `requests-day` → `1 d`, `tokens-per-minute` → `1 min`, `input-tokens` → `input tokens`.
fn named(what: &str) -> Option<(String, String)> {
    let words: Vec<&str> = what.split(['-', '_']).filter(|word| !word.is_empty() && *word != "per").collect();
    let length = words.iter().find_map(|word| match *word {
        "day" => Some(86_400),
        "hour" => Some(3600),
        "minute" => Some(60),
        _ => None,
    });
    let rest: Vec<&str> =
        words.into_iter().filter(|word| !matches!(*word, "day" | "hour" | "minute")).collect();
    let unit = ["requests", "tokens"].into_iter().find(|unit| rest.contains(unit)).unwrap_or("");
    let about = rest.join(" ");
    let name = match (length, about.as_str()) {
        (None, "") => "requests".to_owned(),
        (None, about) => about.to_owned(),
        (Some(length), about) => format!("{} {about}", when::length(length)).trim().to_owned(),
    };
    (name.len() <= MAX_NAME && name.is_ascii()).then(|| (name, unit.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_780_000_000;

    fn read(headers: &[(&str, &str)]) -> Vec<UsageWindow> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        windows(&headers, NOW)
    }

    fn shown(window: &UsageWindow) -> (String, Option<f64>, Option<f64>, String, Option<i64>) {
        (window.name.clone(), window.used, window.limit, window.unit.clone(), window.resets_at)
    }

    fn is(
        window: &UsageWindow,
        name: &str,
        used: Option<f64>,
        limit: Option<f64>,
        unit: &str,
        resets_at: Option<i64>,
    ) {
        assert_eq!(shown(window), (name.to_owned(), used, limit, unit.to_owned(), resets_at));
    }

    #[test]
    fn anthropics_two_kinds() {
        let found = read(&[
            ("anthropic-ratelimit-unified-status", "allowed"),
            ("anthropic-ratelimit-unified-reset", "1780003600"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.62"),
            ("anthropic-ratelimit-unified-5h-reset", "1780003600"),
            ("anthropic-ratelimit-unified-7d-sonnet-utilization", "0.1"),
            ("anthropic-ratelimit-unified-fallback", "available"),
        ]);
        assert_eq!(found.len(), 2, "{found:?}");
        is(&found[0], "5 h", Some(62.0), Some(100.0), "percent", Some(NOW + 3600));
        is(&found[1], "7 d sonnet", Some(10.0), Some(100.0), "percent", None);
        let found = read(&[
            ("anthropic-ratelimit-input-tokens-limit", "50000"),
            ("anthropic-ratelimit-input-tokens-remaining", "49000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-05-28T20:27:40Z"),
        ]);
        is(&found[0], "input tokens", Some(1000.0), Some(50_000.0), "tokens", Some(NOW + 60));
    }

    #[test]
    fn openais_names_and_those_with_a_length() {
        let found = read(&[
            ("x-ratelimit-limit-requests", "100"),
            ("x-ratelimit-remaining-requests", "99"),
            ("x-ratelimit-reset-requests", "1m30s"),
            ("x-ratelimit-limit-tokens", "1000"),
        ]);
        is(&found[0], "requests", Some(1.0), Some(100.0), "requests", Some(NOW + 90));
        is(&found[1], "tokens", None, Some(1000.0), "tokens", None);
        let found = read(&[
            ("x-ratelimit-limit-requests-day", "14400"),
            ("x-ratelimit-remaining-requests-day", "14000"),
            ("x-ratelimit-reset-requests-day", "33000.5"),
            ("x-ratelimit-limit-tokens-per-minute", "60000"),
        ]);
        is(&found[0], "1 d requests", Some(400.0), Some(14_400.0), "requests", Some(NOW + 33_001));
        is(&found[1], "1 min tokens", None, Some(60_000.0), "tokens", None);
        let found = read(&[("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", "0")]);
        is(&found[0], "requests", Some(20.0), Some(20.0), "", None);
    }

    #[test]
    fn codex_by_length_and_not_by_rank() {
        let found = read(&[
            ("x-codex-primary-used-percent", "33.5"),
            ("x-codex-primary-window-minutes", "10080"),
            ("x-codex-primary-reset-after-seconds", "60"),
            ("x-codex-secondary-used-percent", "5"),
        ]);
        assert_eq!(found.len(), 1, "one without a length has no name");
        is(&found[0], "7 d", Some(33.5), Some(100.0), "percent", Some(NOW + 60));
    }

    #[test]
    fn what_is_odd_is_not_there() {
        for odd in [
            ("x-ratelimit-limit-requests", "many"),
            ("x-ratelimit-reset-requests", "6s"),
            ("anthropic-ratelimit-unified-5h-utilization", "NaN"),
            ("anthropic-ratelimit-unified-x-utilization", "0.5"),
            ("anthropic-ratelimit-unified-5é-utilization", "0.5"),
            ("x-ratelimit-limit-\u{202e}", "5"),
        ] {
            assert_eq!(read(&[odd]), [], "{odd:?}");
        }
        let long = format!("x-ratelimit-limit-{}", "x".repeat(300));
        assert_eq!(read(&[(&long, "5")]), []);
    }
}
