//! Limits that OpenRouter may be asked to put on a key; its own page decides (OpenRouter, `/auth/keys/code`).
//!
//! Guarantees: pure; a [`Budget`] that was checked holds only what OpenRouter documents.

use serde::{Deserialize, Serialize};

/// What a client wants its key limited to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Credits in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// When the limit starts anew: `daily`, `weekly` or `monthly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_limit_type: Option<String>,
    /// When the key ends, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// The key's name in the person's list, at most 100 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_label: Option<String>,
}

impl Budget {
    /// Checks each field against what OpenRouter documents.
    ///
    /// # Errors
    /// One sentence that names the field.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.limit.is_some_and(|limit| !limit.is_finite() || limit <= 0.0) {
            return Err("limit must be a positive number of US dollars.");
        }
        let renewals = ["daily", "weekly", "monthly"];
        if self.usage_limit_type.as_deref().is_some_and(|kind| !renewals.contains(&kind)) {
            return Err("usage_limit_type must be daily, weekly or monthly.");
        }
        if self.expires_at.as_deref().is_some_and(|text| readable_date(text).is_none()) {
            return Err("expires_at must be an ISO 8601 date.");
        }
        if self.key_label.as_deref().is_some_and(|label| !is_plain(label, 100)) {
            return Err("key_label must be 1 to 100 printable characters.");
        }
        Ok(())
    }

    /// What a request asks for, falling back to what the registration asked for.
    #[must_use]
    pub fn or(self, fallback: Self) -> Self {
        Self {
            limit: self.limit.or(fallback.limit),
            usage_limit_type: self.usage_limit_type.or(fallback.usage_limit_type),
            expires_at: self.expires_at.or(fallback.expires_at),
            key_label: self.key_label.or(fallback.key_label),
        }
    }

    /// The rows of the consent page: what is asked for, in words.
    pub fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = Vec::new();
        if let Some(limit) = self.limit {
            let each = self.usage_limit_type.as_deref().map(|kind| format!(", {kind}")).unwrap_or_default();
            rows.push(("Asks for at most", format!("{}{each}", dollars(limit))));
        }
        if let Some(end) = &self.expires_at {
            rows.push(("Asks for it until", readable_date(end).unwrap_or_else(|| end.clone())));
        }
        if let Some(label) = &self.key_label {
            rows.push(("Names the key", label.clone()));
        }
        rows
    }
}

/// Whole dollars without, anything else with cents, and as many digits as a smaller amount needs.
fn dollars(amount: f64) -> String {
    let cents = format!("{amount:.2}");
    match cents.parse::<f64>() {
        Ok(same) if same == amount => format!("${}", cents.strip_suffix(".00").unwrap_or(&cents)),
        _ => format!("${amount}"),
    }
}

/// `2027-01-31T23:00:00Z` as `31 January 2027, 23:00 UTC`; `None` for what is no date of ISO 8601's extended
/// format.
fn readable_date(text: &str) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    number(year, 4, 9999)?;
    let month = MONTHS.get(number(month, 2, 12)?.checked_sub(1)?)?;
    let day = number(day, 2, 31).filter(|day| *day > 0)?;
    match time {
        Some(time) => Some(format!("{day} {month} {year}, {}", readable_time(time)?)),
        None => Some(format!("{day} {month} {year}")),
    }
}

/// `23:00:00.5Z` as `23:00 UTC`, `23:00+02:00` as `23:00 +02:00`.
fn readable_time(text: &str) -> Option<String> {
    let (time, zone) = match text.find(['Z', '+', '-']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next().unwrap_or("00"));
    number(hour, 2, 24)?;
    number(minute, 2, 59)?;
    number(second, 2, 60)?;
    let whole =
        parts.next().is_none() && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let zone = match zone {
        "" => String::new(),
        "Z" => " UTC".to_owned(),
        offset => {
            let (hours, minutes) = offset.get(1..)?.split_once(':')?;
            number(hours, 2, 23)?;
            number(minutes, 2, 59)?;
            format!(" {offset}")
        }
    };
    (whole && text.len() <= 24).then(|| format!("{hour}:{minute}{zone}"))
}

/// A number of exactly `digits` digits, up to `most`.
fn number(text: &str, digits: usize, most: usize) -> Option<usize> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| fits && *number <= most)
}

/// Whether `text` is 1 to `max` characters, none of them a control character.
pub fn is_plain(text: &str, max: usize) -> bool {
    !text.is_empty() && text.chars().count() <= max && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_checked() {
        let budget = |text: &str| serde_json::from_str::<Budget>(text).unwrap().check();
        assert!(
            budget(r#"{"limit":5,"usage_limit_type":"monthly","expires_at":"2027-01-01T00:00:00Z"}"#).is_ok()
        );
        for bad in [
            r#"{"limit":-1}"#,
            r#"{"usage_limit_type":"hourly"}"#,
            r#"{"expires_at":"soon"}"#,
            r#"{"key_label":""}"#,
        ] {
            assert!(budget(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn amounts_and_dates_are_said_in_words() {
        for (amount, said) in [(5.0, "$5"), (12.5, "$12.50"), (0.005, "$0.005"), (1200.0, "$1200")] {
            assert_eq!(dollars(amount), said);
        }
        for (date, said) in [
            ("2027-01-31", "31 January 2027"),
            ("2027-02-01T23:00:00Z", "1 February 2027, 23:00 UTC"),
            ("2027-12-24T08:30:00.123+02:00", "24 December 2027, 08:30 +02:00"),
        ] {
            assert_eq!(readable_date(date).as_deref(), Some(said));
        }
        for bad in [
            "2027-13-01",
            "2027-1-1",
            "27-01-01",
            "2027-01-00",
            "2027-01-01T",
            "2027-01-01T9:00",
            "2027-01-01TZ+",
            "2027-01-01T10:00+2",
        ] {
            assert_eq!(readable_date(bad), None, "{bad}");
        }
    }
}
