//! Moments and lengths, as providers write them.

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Above this a number is Unix seconds, below it a time from now: no window is thirty years long.
const FIRST_MOMENT: f64 = 1_000_000_000.0;
/// From here on it counts milliseconds: as seconds it would be in five thousand years.
const FIRST_MILLISECOND: f64 = 1e11;

/// Unix seconds out of RFC 3339, a date alone, Unix seconds or milliseconds, or a time from `now` such as
/// `12ms` and `1m30s`.
pub fn moment(text: &str, now: i64) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return of_number(number, now);
    }
    rfc3339(text).or_else(|| Some(now.saturating_add(duration(text)?)))
}

/// The same out of a number.
#[allow(clippy::cast_possible_truncation)]
pub fn of_number(number: f64, now: i64) -> Option<i64> {
    let is_milliseconds = (FIRST_MILLISECOND..1e14).contains(&number);
    let number = if is_milliseconds { number / 1000.0 } else { number };
    let is_sane = number.is_finite() && (0.0..FIRST_MILLISECOND).contains(&number);
    let seconds = number.ceil() as i64;
    is_sane.then(|| if number >= FIRST_MOMENT { seconds } else { now.saturating_add(seconds) })
}

/// `1h2m3.5s`, `12ms`: whole seconds, rounded up.
#[allow(clippy::cast_possible_truncation)]
fn duration(text: &str) -> Option<i64> {
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * seconds;
        rest = after;
    }
    (!text.is_empty() && (0.0..1e9).contains(&total)).then(|| total.ceil() as i64)
}

/// RFC 3339, 5.6, with a fraction of any length; or its date alone, which is midnight UTC.
fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is = |at: usize, what: u8| text.as_bytes().get(at) == Some(&what);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    if !is(4, b'-') || !is(7, b'-') || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = days(year, month, day) * DAY;
    if text.len() == 10 {
        return Some(midnight);
    }
    let is_time = (is(10, b'T') || is(10, b't') || is(10, b' ')) && is(13, b':') && is(16, b':');
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !is_time || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "Z" | "z" => 0,
        zone => offset(zone)?,
    };
    Some(midnight + hour * 3600 + minute * 60 + second - offset)
}

fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The name of a window of this many seconds: `5 h`, `7 d`.
pub fn length(seconds: i64) -> String {
    match seconds {
        _ if seconds > 0 && seconds % DAY == 0 => format!("{} d", seconds / DAY),
        _ if seconds > 0 && seconds % 3600 == 0 => format!("{} h", seconds / 3600),
        _ if seconds > 0 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_come_in_five_forms() {
        let now = 1_780_000_000;
        for (text, at) in [
            ("2026-05-28T20:26:40Z", now),
            ("2026-05-28T22:26:40.716839300+02:00", now),
            ("2026-05-28 20:26:40-00:00", now),
            ("1780000000", now),
            ("1779999999001", now),
            ("2026-12-01", 1_796_083_200),
            ("1970-01-01", 0),
            ("2024-02-29", 1_709_164_800),
            ("6s", now + 6),
            ("12ms", now + 1),
            ("1m30s", now + 90),
            ("1h0m0.5s", now + 3601),
            ("59.2", now + 60),
        ] {
            assert_eq!(moment(text, now), Some(at), "{text}");
        }
        for bad in [
            "",
            "soon",
            "2026-13-01",
            "2026-05-28T25:00:00Z",
            "2026-05-28T20:26:40",
            "-5",
            "1y",
            "NaN",
            "1e300",
        ] {
            assert_eq!(moment(bad, now), None, "{bad}");
        }
    }

    #[test]
    fn a_window_is_called_by_its_length() {
        for (seconds, name) in
            [(18_000, "5 h"), (604_800, "7 d"), (60, "1 min"), (86_400, "1 d"), (90, "90 s")]
        {
            assert_eq!(length(seconds), name);
        }
    }
}
