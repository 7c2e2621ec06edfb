//! Figures out of the answer of a provider's address, as its description says where they stand.
//!
//! Guarantees: a figure that is not where it should be, or is no number, is not there; nothing is made up.

use serde_json::Value;

use super::when;
use crate::protocol::{UsageCredit, UsageWindow};
use crate::provider::UsageQuery;
use crate::provider::describe::WindowDescription;
use crate::text::is_hidden;

/// Most windows that are taken of an answer.
const MAX_WINDOWS: usize = 16;
/// Longest unit that is taken, in characters.
const MAX_UNIT: usize = 16;

/// Credit and windows.
pub fn read(query: &UsageQuery, body: &Value) -> (Option<UsageCredit>, Vec<UsageWindow>) {
    let credit = query.credit.as_ref().and_then(|credit| {
        Some(UsageCredit {
            remaining: number(at(body, credit.remaining.as_ref())?)?,
            limit: at(body, credit.limit.as_ref()).and_then(number),
            unit: unit(body, credit.unit.as_deref()),
        })
    });
    let windows = query.windows.iter().flat_map(|window| windows(window, body));
    (credit, windows.take(MAX_WINDOWS).collect())
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
    let is_unlimited = at(body, window.unlimited.as_ref()).and_then(Value::as_bool) == Some(true);
    let (used, limit, unit) = match figure(&window.percent_left) {
        _ if is_unlimited => return None,
        Some(left) => (Some((100.0 - left).max(0.0)), Some(100.0), "percent".to_owned()),
        None => {
            let (limit, remaining) = (figure(&window.limit), figure(&window.remaining));
            let used = figure(&window.used).or_else(|| Some((limit? - remaining?).max(0.0)));
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
    number.is_finite().then_some(number)
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

    fn read(provider: &str, body: &Value) -> (Option<UsageCredit>, Vec<UsageWindow>) {
        super::read(Config::builtin().provider(provider).unwrap().usage.as_ref().unwrap(), body)
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
        let (credit, _) = read("openrouter", &json!({ "data": { "limit": null, "limit_remaining": null } }));
        assert_eq!(credit, None);
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
    fn what_is_odd_is_not_there() {
        for body in [json!({}), json!({ "data": [] }), json!({ "data": { "limit_remaining": "soon" } })] {
            assert_eq!(read("openrouter", &body), (None, Vec::new()));
        }
        let unit = json!({ "balance_infos": [{ "currency": "\u{1b}[31m", "total_balance": "1" }] });
        assert_eq!(read("deepseek", &unit).0.unwrap().unit, None, "no terminal escapes");
    }
}
