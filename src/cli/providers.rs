//! `convocations providers`.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::context::Context;
use super::output;
use crate::broker;
use crate::error::Result;

pub fn run(context: &Context, as_json: bool) -> Result<ExitCode> {
    if as_json {
        return output::json(&broker::providers(&context.config, &context.store)?);
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
