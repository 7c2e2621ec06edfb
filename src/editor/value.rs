//! Between msgpack values and serde.
//!
//! Guarantees: whatever Neovim sends becomes JSON or is refused; depth and kinds are bounded by what a Lua
//! table is.

use nvim_rs::Value;
use serde::Serialize;
use serde_json::{Map, Number};

/// Deepest nesting that is taken.
const MAX_DEPTH: usize = 32;

/// A msgpack value as JSON; `None` for what JSON has no form for.
pub fn to_json(value: Value) -> Option<serde_json::Value> {
    convert(value, 0)
}

fn convert(value: Value, depth: usize) -> Option<serde_json::Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    Some(match value {
        Value::Nil => serde_json::Value::Null,
        Value::Boolean(boolean) => boolean.into(),
        Value::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => return None,
        },
        // Lua has one kind of number: 5.0 is meant as 5.
        Value::F32(number) => number_to_json(f64::from(number))?,
        Value::F64(number) => number_to_json(number)?,
        Value::String(text) => text.into_str()?.into(),
        Value::Binary(bytes) => String::from_utf8(bytes).ok()?.into(),
        Value::Array(items) => {
            items.into_iter().map(|item| convert(item, depth + 1)).collect::<Option<Vec<_>>>()?.into()
        }
        Value::Map(pairs) => {
            let pair = |(key, value)| match convert(key, depth + 1)? {
                serde_json::Value::String(key) => Some((key, convert(value, depth + 1)?)),
                _ => None,
            };
            pairs.into_iter().map(pair).collect::<Option<Map<_, _>>>()?.into()
        }
        Value::Ext(..) => return None,
    })
}

fn number_to_json(number: f64) -> Option<serde_json::Value> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation)]
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some((number as i64).into());
    }
    Number::from_f64(number).map(Into::into)
}

/// Anything of ours as msgpack.
pub fn from_serde(data: &impl Serialize) -> Value {
    serde_json::to_value(data).map_or(Value::Nil, from_json)
}

/// JSON as msgpack.
pub fn from_json(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(boolean) => boolean.into(),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (None, Some(number), _) => number.into(),
            (None, None, Some(number)) => number.into(),
            (None, None, None) => Value::Nil,
        },
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => Value::Array(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => {
            Value::Map(map.into_iter().map(|(key, value)| (key.into(), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lua_values_become_json_and_back() {
        let sent = Value::Map(vec![
            ("a".into(), Value::F64(5.0)),
            ("b".into(), Value::Array(vec![true.into(), Value::Nil])),
            ("c".into(), Value::Binary(b"text".to_vec())),
        ]);
        let json = to_json(sent).unwrap();
        assert_eq!(json, serde_json::json!({"a": 5, "b": [true, null], "c": "text"}));
        assert_eq!(to_json(from_json(json.clone())), Some(json));
    }

    #[test]
    fn what_has_no_form_is_refused() {
        let deep = (0..100).fold(Value::Nil, |inner, _| Value::Array(vec![inner]));
        let key = Value::Map(vec![(1.into(), 2.into())]);
        for bad in [deep, key, Value::Ext(1, vec![]), Value::Binary(vec![0xff]), Value::F64(f64::NAN)] {
            assert_eq!(to_json(bad), None);
        }
    }
}
