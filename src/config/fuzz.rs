//! Any bytes as settings: settings in which every address is trustworthy, or one error that repeats no value.

use serde_json::Value;
use url::Url;

use super::{Config, layer};
use crate::error::{Code, Error};
use crate::provider::{Method, Provider, check_url};

/// Longest message, in bytes: the names of all settings of a table are about 600.
const MAX_MESSAGE: usize = 1000;

/// The text of a file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(file) = layer::parse(text) else { return };
    match Config::of_layers(vec![("the file".to_owned(), file.clone())], None) {
        Ok(config) => {
            for id in config.provider_ids() {
                match config.provider(&id) {
                    Ok(provider) => check(&provider),
                    Err(error) => assert!(config.problems().contains(&error), "{id} fails unsaid: {error}"),
                }
            }
            config.problems().iter().for_each(|problem| is_told(problem, &file));
        }
        Err(error) => is_told(&error, &file),
    }
}

/// A mistake in words that a person can use, and without a value.
fn is_told(error: &Error, file: &Value) {
    assert_eq!(error.code(), Code::ConfigInvalid);
    assert!(error.message().len() < MAX_MESSAGE, "a message of {} bytes", error.message().len());
    assert!(error.hint().is_some());
    let (mut keys, mut values) = (String::new(), Vec::new());
    words(file, &mut keys, &mut values);
    let told = values.iter().find(|value| {
        value.contains("planted") && !keys.contains(**value) && error.message().contains(**value)
    });
    assert_eq!(told, None, "a value is repeated");
}

fn check(provider: &Provider) {
    provider.methods.iter().flat_map(urls).for_each(|url| {
        assert!(check_url("", url.as_str()).is_ok(), "an address that is neither https nor this machine's");
    });
}

fn urls(method: &Method) -> impl Iterator<Item = &Url> {
    [
        &method.authorize_url,
        &method.token_url,
        &method.revoke_url,
        &method.device_authorization_url,
        &method.identity_url,
        &method.second_step_url,
    ]
    .into_iter()
    .flatten()
}

fn words<'a>(value: &'a Value, keys: &mut String, values: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => values.push(text),
        Value::Array(items) => items.iter().for_each(|item| words(item, keys, values)),
        Value::Object(table) => {
            for (key, inner) in table {
                keys.push_str(key);
                keys.push('\n');
                words(inner, keys, values);
            }
        }
        _ => {}
    }
}
