//! The config.toml that points the built-in providers at this sandbox: every URL of their descriptions that
//! leads outside is replaced, whatever its field, so that a new field or a new provider is covered without a
//! word here.

use convocations::provider::builtin;
use toml::{Table, Value};

use crate::huggingface::CLIENT_ID;

/// Which host, or which part of one, is played at which path. The first that fits counts.
const PLACES: &[(&str, &str)] = &[
    ("https://openrouter.ai", "/openrouter"),
    ("https://claude.ai", "/anthropic"),
    ("https://platform.claude.com/oauth/authorize", "/anthropic/console/oauth/authorize"),
    ("https://platform.claude.com", "/anthropic"),
    ("https://console.anthropic.com", "/anthropic/console"),
    ("https://api.anthropic.com", "/anthropic"),
    ("https://api.github.com", "/github/api"),
    ("https://api.individual.githubcopilot.com", "/github/copilot-individual"),
    ("https://api.githubcopilot.com", "/github/copilot-individual"),
    ("https://github.com", "/github"),
    ("https://api.{domain}", "/github/api"),
    ("https://copilot-api.{domain}", "/github/copilot-individual"),
    ("https://{domain}", "/github"),
    ("https://auth.openai.com", "/openai"),
    ("https://chatgpt.com", "/openai"),
    ("https://api.openai.com", "/openai"),
    ("https://auth.kimi.com", "/kimi"),
    ("https://api.kimi.com", "/kimi"),
    ("https://auth.kimi.ai", "/kimi-ai"),
    ("https://api.kimi.ai", "/kimi-ai"),
    ("https://router.huggingface.co", "/huggingface/router"),
    ("https://huggingface.co", "/huggingface"),
    ("https://api.poe.com/token", "/poe/token"),
    ("https://poe.com", "/poe"),
    ("https://nano-gpt.com/api/cli-login", "/nanogpt/api/cli-login"),
    ("https://nano-gpt.com/api/subscription", "/nanogpt/api/subscription"),
    ("https://llmgateway.io", "/llmgateway"),
    ("https://router.tetrate.ai", "/tetrate"),
];

/// The text of the config.toml (`:h conv-provider-fields`).
pub fn toml(base: &str) -> String {
    let mut providers = Table::new();
    for (id, text) in builtin::ALL {
        let Ok(description) = text.parse::<Table>() else { continue };
        let replaced = here(&description, base);
        if !replaced.is_empty() {
            providers.insert((*id).to_owned(), Value::Table(replaced));
        }
    }
    let mut all = Table::new();
    all.insert("providers".to_owned(), Value::Table(providers));
    let head =
        format!("# The providers of the sandbox at {base}. Nothing here leads outside this machine.\n\n");
    toml::to_string(&all).map_or_else(|error| format!("# {error}\n"), |text| head + &text)
}

/// Only what leads outside, led here. A client id may be a URL too, and stays.
fn here(description: &Table, base: &str) -> Table {
    let mut replaced = Table::new();
    for (name, value) in description {
        match value {
            Value::Table(inner) => {
                let mut inner = here(inner, base);
                // A client of one's own is registered here already.
                if inner.contains_key("client_page") {
                    inner.insert("client_id".to_owned(), CLIENT_ID.into());
                }
                if !inner.is_empty() {
                    replaced.insert(name.clone(), Value::Table(inner));
                }
            }
            Value::String(url) if is_url(url) && !name.starts_with("client_id") => {
                replaced.insert(name.clone(), Value::String(place(url, base)));
            }
            _ => {}
        }
    }
    replaced
}

fn is_url(text: &str) -> bool {
    text.starts_with("https://") && !text.contains(' ')
}

/// Where a URL is played. A host without a part of its own takes keys only: `/key/HOST/…`.
fn place(url: &str, base: &str) -> String {
    let known = PLACES.iter().find_map(|(outside, path)| Some((url.strip_prefix(outside)?, path)));
    match known {
        Some((rest, path)) => format!("{base}{path}{rest}"),
        None => format!("{base}/key/{}", url.trim_start_matches("https://")),
    }
}
