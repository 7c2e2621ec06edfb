//! Organizations: what a provider calls them, and how a login asks for one of several.

use super::check::invalid;
use super::describe::OrganizationDescription;
use crate::error::Result;

/// A provider where a person may have several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organizations {
    /// What the provider calls one.
    pub label: String,
    /// How one is asked for.
    pub choice: Choice,
}

/// How one of several is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// On the provider's own page alone.
    Page,
    /// By a parameter of the authorize URL.
    Param(String),
    /// By an option of the description.
    Option(String),
}

pub(super) fn organizations(
    path: &str,
    described: Option<OrganizationDescription>,
) -> Result<Option<Organizations>> {
    let Some(described) = described else { return Ok(None) };
    let choice = match (described.param, described.option) {
        (None, None) => Choice::Page,
        (Some(param), None) => Choice::Param(param),
        (None, Some(option)) => Choice::Option(option),
        (Some(_), Some(_)) => {
            return Err(invalid(path, "it is asked for by `param` or by `option`, not both."));
        }
    };
    let label = described.label.unwrap_or_else(|| "organization".to_owned());
    Ok(Some(Organizations { label, choice }))
}
