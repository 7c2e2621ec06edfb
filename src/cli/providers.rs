//! `convocations providers`, and the editor's list of the same.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Context, output};
use crate::config::Config;
use crate::error::Result;
use crate::provider::{Grant, Method, Provider, Source};
use crate::store::{Index, Store};

pub fn run(context: &Context, as_json: bool) -> Result<ExitCode> {
    let list = list(&context.config, &context.store)?;
    if as_json {
        return output::json(&list);
    }
    let mut text = String::new();
    for id in context.config.provider_ids() {
        let provider = context.config.provider(&id)?;
        let _ = writeln!(text, "{id:<16} {}", provider.name);
        for method in &provider.methods {
            let _ = writeln!(text, "  {:<14} {}", method.id, method.label);
        }
        if let Some(terms) = &provider.terms {
            let _ = writeln!(text, "  {terms}");
        }
    }
    output::line(text.trim_end())
}

/// `{ providers: [Provider] }` of doc/rpc.md.
///
/// # Errors
/// `config_invalid`. An index that cannot be read leaves the logins out: what there is to log in to is known anyway.
pub fn list(config: &Config, store: &Store) -> Result<Value> {
    let index = store.index().unwrap_or_default();
    let mut providers = Vec::new();
    for id in config.provider_ids() {
        providers.push(describe(&*config.provider(&id)?, &index));
    }
    Ok(json!({ "providers": providers }))
}

fn describe(provider: &Provider, index: &Index) -> Value {
    let logins: Vec<&str> = index
        .logins
        .keys()
        .filter(|login| login.provider() == provider.id)
        .map(|login| login.as_str())
        .collect();
    let is_set = |var: &&String| std::env::var_os(var).is_some_and(|value| !value.is_empty());
    let env: Vec<&String> = provider.sources.iter().filter_map(variable).filter(is_set).collect();
    let methods: Vec<Value> = provider
        .methods
        .iter()
        .enumerate()
        .map(|(place, method)| describe_method(provider, method, index, place == 0))
        .collect();
    let mut value = json!({
        "id": provider.id,
        "name": provider.name,
        "builtin": provider.builtin,
        "methods": methods,
        "logins": logins,
        "env": env,
    });
    if let Some(terms) = &provider.terms {
        value["terms"] = json!(terms);
    }
    value
}

fn variable(source: &Source) -> Option<&String> {
    match source {
        Source::Env { var, .. } => Some(var),
        _ => None,
    }
}

fn describe_method(provider: &Provider, method: &Method, index: &Index, default: bool) -> Value {
    // A page to paste from, a device code or a key needs no way back to this machine.
    let needs_browser = match method.grant {
        Grant::AuthorizationCode | Grant::MintKey => {
            method.redirect.as_ref().is_some_and(|redirect| redirect.page.is_none())
        }
        Grant::DeviceCode | Grant::ApiKey => false,
    };
    let mut value = json!({
        "id": method.id,
        "label": method.label,
        "grant": method.grant,
        "notice_confirmed": index.confirmed_notices.contains(&provider.notice_name(method)),
        "default": default,
        "needs_browser": needs_browser,
    });
    if let Some(notice) = &method.notice {
        value["notice"] = json!(notice);
    }
    if let Some(terms) = &provider.terms {
        value["terms"] = json!(terms);
    }
    value
}
