//! Figures out of the answer of a provider's address, as its description says where they stand.
//!
//! Guarantees: a figure that is not where it should be, or is no number that can be one, is not there;
//! nothing is made up; an answer without any is told from one that says there is no limit.

use serde_json::Value;

use super::when;
use crate::protocol::{UsageCredit, UsageWindow};
use crate::provider::UsageQuery;
use crate::provider::describe::{CreditDescription, WindowDescription};
use crate::text::is_hidden;

/// Most windows that are taken of an answer.
const MAX_WINDOWS: usize = 16;
/// Longest unit that is taken, in characters.
const MAX_UNIT: usize = 16;
/// No count and no sum is as large: what is has been misread.
const TOO_LARGE: f64 = 1e15;

/// What an answer tells.
#[derive(Debug, Default, PartialEq)]
pub struct Figures {
    /// Money.
    pub credit: Option<UsageCredit>,
    /// What may be used in a time.
    pub windows: Vec<UsageWindow>,
}

/// Why an answer tells nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Silence {
    /// There is no plan that it could tell of.
    NoPlan,
    /// There is nothing where the figures should be.
    NoFigures,
}

/// Credit and windows. Where all that is told has no limit, there are none, and that is no silence.
pub fn read(query: &UsageQuery, body: &Value) -> Result<Figures, Silence> {
    if at(body, query.active.as_ref()).and_then(Value::as_bool) == Some(false) {
        return Err(Silence::NoPlan);
    }
    let credit = query.credit.as_ref().and_then(|described| credit(described, body));
    let windows: Vec<_> =
        query.windows.iter().flat_map(|window| windows(window, body)).take(MAX_WINDOWS).collect();
    let is_unlimited = || query.windows.iter().any(|window| is_unlimited(window, body));
    match credit.is_some() || !windows.is_empty() || is_unlimited() {
        true => Ok(Figures { credit, windows }),
        false => Err(Silence::NoFigures),
    }
}

/// The credit of a description; of a list, the first that has something left, or else its first.
fn credit(described: &CreditDescription, body: &Value) -> Option<UsageCredit> {
    let read = |body: &Value| {
        Some(UsageCredit {
            remaining: number(at(body, described.remaining.as_ref())?)?,
            limit: at(body, described.limit.as_ref()).and_then(number).filter(|limit| *limit >= 0.0),
            unit: unit(body, described.unit.as_deref()),
        })
    };
    let Some(place) = &described.each else { return read(body) };
    let all: Vec<_> = body.pointer(place)?.as_array()?.iter().filter_map(read).collect();
    let has_some = all.iter().position(|credit| credit.remaining > 0.0);
    all.into_iter().nth(has_some.unwrap_or(0))
}

fn is_unlimited(window: &WindowDescription, body: &Value) -> bool {
    at(body, window.unlimited.as_ref()).and_then(Value::as_bool) == Some(true)
}

/// The window of a description, or one for each of a list.
fn windows(window: &WindowDescription, body: &Value) -> Vec<UsageWindow> {
    match &window.each {
        None => self::window(window, body).into_iter().collect(),
        Some(place) => {
            let list = body.pointer(place).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(|one| self::window(window, one)).collect()
        }
    }
}

fn window(window: &WindowDescription, body: &Value) -> Option<UsageWindow> {
    let figure = |place: &Option<String>| at(body, place.as_ref()).and_then(number);
    // What is left may be less than nothing; what there is, and what was used, may not.
    let count = |place: &Option<String>| figure(place).filter(|number| *number >= 0.0);
    let (used, limit, unit) = match figure(&window.percent_left) {
        _ if is_unlimited(window, body) => return None,
        Some(left) => (Some((100.0 - left).max(0.0)), Some(100.0), "percent".to_owned()),
        None => {
            let (limit, remaining) = (count(&window.limit), figure(&window.remaining));
            let used = count(&window.used).or_else(|| Some((limit? - remaining?).max(0.0)));
            (used, limit, self::unit(body, window.unit.as_deref()).unwrap_or_default())
        }
    };
    used.or(limit)?;
    Some(UsageWindow { name: name(window, body)?, used, limit, unit, resets_at: resets_at(window, body) })
}

fn name(window: &WindowDescription, body: &Value) -> Option<String> {
    if let Some(name) = &window.name {
        return Some(name.clone());
    }
    let count = at(body, window.duration.as_ref()).and_then(number)?;
    let unit = at(body, window.duration_unit.as_ref()).and_then(Value::as_str).unwrap_or("second");
    let unit = unit.to_ascii_lowercase();
    let seconds = ["second", "minute", "hour", "day", "week"].iter().position(|known| unit.contains(known));
    let seconds = [1.0, 60.0, 3600.0, 86_400.0, 604_800.0].get(seconds?)? * count;
    #[allow(clippy::cast_possible_truncation)]
    (1.0..1e9).contains(&seconds).then(|| when::length(seconds as i64))
}

fn resets_at(window: &WindowDescription, body: &Value) -> Option<i64> {
    match at(body, window.resets_at.as_ref())? {
        // A moment only: a time from now would be another one at each look.
        Value::String(text) => when::moment(text, 0).filter(|at| *at > 1_000_000_000),
        value => {
            value.as_f64().and_then(|number| when::of_number(number, 0)).filter(|at| *at > 1_000_000_000)
        }
    }
}

fn at<'a>(body: &'a Value, place: Option<&String>) -> Option<&'a Value> {
    body.pointer(place?)
}

/// A number, or a number as text.
fn number(value: &Value) -> Option<f64> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    is_figure(number).then_some(number)
}

/// Whether a number can be a count, a sum or a share.
pub(super) fn is_figure(number: f64) -> bool {
    number.is_finite() && number.abs() < TOO_LARGE
}

/// A unit as it is described, or where it stands in the answer.
fn unit(body: &Value, described: Option<&str>) -> Option<String> {
    let described = described?;
    let unit = match described.starts_with('/') {
        true => body.pointer(described)?.as_str()?,
        false => described,
    };
    let is_shown = !unit.is_empty() && unit.chars().count() <= MAX_UNIT && !unit.chars().any(is_hidden);
    is_shown.then(|| unit.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn try_read(provider: &str, body: &Value) -> Result<Figures, Silence> {
        super::read(Config::builtin().provider(provider).unwrap().usage.as_ref().unwrap(), body)
    }

    fn read(provider: &str, body: &Value) -> (Option<UsageCredit>, Vec<UsageWindow>) {
        let Figures { credit, windows } = try_read(provider, body).unwrap();
        (credit, windows)
    }

    fn window(name: &str, used: f64, limit: f64, unit: &str, resets_at: Option<i64>) -> UsageWindow {
        let (name, unit) = (name.to_owned(), unit.to_owned());
        UsageWindow { name, used: Some(used), limit: Some(limit), unit, resets_at }
    }

    #[test]
    fn openrouter_tells_money_and_what_is_free() {
        let body = json!({ "data": { "limit": 20, "limit_remaining": 12.5, "usage_daily": 0.5, "usage_weekly": 2,
            "usage_monthly": 7.5, "free_model_daily_requests": { "used": 5, "limit": 50, "remaining": 45 } } });
        let (credit, windows) = read("openrouter", &body);
        let credit = credit.unwrap();
        assert_eq!((credit.remaining, credit.limit, credit.unit.as_deref()), (12.5, Some(20.0), Some("USD")));
        assert_eq!(windows[0].name, "1 d");
        assert_eq!((windows[0].used, windows[0].limit, windows[0].unit.as_str()), (Some(0.5), None, "USD"));
        assert_eq!(windows[3], window("1 d free", 5.0, 50.0, "requests", None));
        // No limit is none, and nothing is made up of it.
        let (credit, windows) = read(
            "openrouter",
            &json!({ "data": { "limit": null, "limit_remaining": null, "usage_daily": 0 } }),
        );
        assert_eq!((credit, windows.len()), (None, 1));
    }

    #[test]
    fn copilot_tells_its_quotas_on_paid_and_free_plans() {
        let body = json!({ "quota_reset_date": "2026-12-01", "quota_snapshots": {
            "premium_interactions": { "entitlement": 300, "remaining": 120, "percent_remaining": 40.0, "unlimited": false },
            "chat": { "entitlement": 0, "remaining": 0, "percent_remaining": 100.0, "unlimited": true } } });
        let (credit, windows) = read("github-copilot", &body);
        assert_eq!(credit, None);
        assert_eq!(windows, [window("month premium", 180.0, 300.0, "requests", Some(1_796_083_200))]);
        let free = json!({ "monthly_quotas": { "chat": 500, "completions": 4000 },
            "limited_user_quotas": { "chat": 400, "completions": 1000 }, "limited_user_reset_date": "2026-12-01" });
        let (_, windows) = read("github-copilot", &free);
        assert_eq!(windows[0], window("month chat", 100.0, 500.0, "requests", Some(1_796_083_200)));
        assert_eq!(windows[1].used, Some(3000.0));
    }

    #[test]
    fn the_others_are_read_where_they_put_it() {
        let body = json!({ "is_available": true, "balance_infos": [{ "currency": "CNY", "total_balance": "110.00" }] });
        let credit = read("deepseek", &body).0.unwrap();
        assert_eq!((credit.remaining, credit.limit, credit.unit.as_deref()), (110.0, None, Some("CNY")));
        let credit = read("moonshot", &json!({ "data": { "available_balance": 49.5 } })).0.unwrap();
        assert_eq!((credit.remaining, credit.unit), (49.5, None), "nobody says in what");
        let body = json!({ "usage": { "limit": "2048", "used": "214", "resetTime": "2026-05-28T20:26:40.7Z" },
            "limits": [{ "window": { "duration": 300, "timeUnit": "TIME_UNIT_MINUTE" },
                "detail": { "limit": "200", "remaining": "150", "resetTime": "2026-05-28T20:26:40Z" } },
                { "detail": { "limit": "1" } }] });
        for provider in ["kimi", "kimi-ai"] {
            let (_, windows) = read(provider, &body);
            assert_eq!(windows[0], window("7 d", 214.0, 2048.0, "", Some(1_780_000_000)));
            assert_eq!(windows[1], window("5 h", 50.0, 200.0, "", Some(1_780_000_000)));
            assert_eq!(windows.len(), 2, "one without a length has no name");
        }
    }

    #[test]
    fn nanogpt_tells_of_a_plan_if_there_is_one() {
        let mut body = json!({ "active": true, "limits": { "daily": 5000, "monthly": 60000 },
            "daily": { "used": 5, "remaining": 4995, "percentUsed": 0.001, "resetAt": 1_796_083_200_000_i64 },
            "monthly": { "used": 45, "remaining": 59955, "resetAt": 1_796_083_200_000_i64 } });
        let (_, windows) = read("nanogpt", &body);
        let end = Some(1_796_083_200);
        assert_eq!(
            windows,
            [window("1 d", 5.0, 5000.0, "units", end), window("month", 45.0, 60000.0, "units", end)]
        );
        body["active"] = json!(false);
        assert_eq!(try_read("nanogpt", &body), Err(Silence::NoPlan));
    }

    #[test]
    fn of_several_currencies_the_one_with_money_counts() {
        let info = |currency: &str, balance: &str| json!({ "currency": currency, "total_balance": balance });
        let credit = |infos: &[Value]| read("deepseek", &json!({ "balance_infos": infos })).0.unwrap();
        assert_eq!(credit(&[info("CNY", "0.00"), info("USD", "4.20")]).unit.as_deref(), Some("USD"));
        assert_eq!(credit(&[info("CNY", "0.00"), info("USD", "-1")]).unit.as_deref(), Some("CNY"));
    }

    #[test]
    fn what_is_odd_is_not_there() {
        for body in [
            json!({}),
            json!({ "data": [] }),
            json!({ "data": { "limit_remaining": "soon" } }),
            json!({ "error": { "message": "planted", "code": 500 } }),
            json!({ "data": { "limit_remaining": null, "usage_daily": -3, "usage_weekly": "1e300" } }),
            json!({ "data": { "limit_remaining": 1e300, "usage_daily": "NaN", "usage_weekly": {} } }),
            json!({ "data": { "free_model_daily_requests": { "used": -1, "limit": -50 } } }),
        ] {
            assert_eq!(try_read("openrouter", &body), Err(Silence::NoFigures), "{body}");
        }
        let unit = json!({ "balance_infos": [{ "currency": "\u{1b}[31m", "total_balance": "1" }] });
        assert_eq!(read("deepseek", &unit).0.unwrap().unit, None, "no terminal escapes");
        let unlimited = json!({ "quota_snapshots": { "premium_interactions": { "unlimited": true } } });
        assert_eq!(try_read("github-copilot", &unlimited), Ok(Figures::default()), "that is told");
    }
}
