//! How a provider tells what is used: an address, and where the figures stand in its answer.

use std::collections::BTreeMap;

use url::Url;

use super::check::{check_templates, invalid, is_header_name, optional_url};
use super::constant;
use super::describe::{CreditDescription, UsageDescription, WindowDescription};
use crate::error::Result;
use crate::secret::Secret;
use crate::template;

/// An address that tells a login's usage.
#[derive(Debug, Clone)]
pub struct UsageQuery {
    /// It.
    pub url: Url,
    /// Header templates in place of the API's own: `{base_token}` is the token under the one that the API
    /// takes, where there is one.
    pub headers: BTreeMap<String, String>,
    /// Where the answer says `false` of a login without the plan that it is about.
    pub active: Option<String>,
    /// Where money stands in the answer.
    pub credit: Option<CreditDescription>,
    /// Where windows stand in it.
    pub windows: Vec<WindowDescription>,
}

pub(super) fn usage(
    path: &str,
    described: Option<UsageDescription>,
    options: &BTreeMap<String, String>,
) -> Result<Option<UsageQuery>> {
    let Some(described) = described else { return Ok(None) };
    let url = described.url.as_ref().map(|url| constant(url, options));
    let Some(url) = optional_url(&format!("{path}.url"), url.as_deref())? else {
        return Err(invalid(&format!("{path}.url"), "it is missing; give the address that tells the usage."));
    };
    let at = format!("{path}.headers");
    check_templates(&at, described.headers.iter())?;
    if let Some(name) = described.headers.keys().find(|name| !is_header_name(name)) {
        return Err(invalid(&at, &format!("`{name}` is not a header name.")));
    }
    for window in &described.windows {
        let known = [&window.used, &window.remaining, &window.percent_left, &window.limit];
        if window.name.is_none() && window.duration.is_none() || known.iter().all(|place| place.is_none()) {
            let words = "each window needs a `name` or a `duration`, and one of used, remaining, limit, percent_left.";
            return Err(invalid(&format!("{path}.windows"), words));
        }
    }
    Ok(Some(UsageQuery {
        url,
        headers: described.headers,
        active: described.active,
        credit: described.credit,
        windows: described.windows,
    }))
}

impl UsageQuery {
    /// Its own headers, with a token in them; one whose template names a value that is not there is left out.
    pub fn filled_headers(
        &self,
        token: &Secret,
        options: &BTreeMap<String, String>,
    ) -> BTreeMap<String, Secret> {
        let value = |key: &str| match key {
            "base_token" => Some(token.expose().to_owned()),
            other => options.get(other).cloned(),
        };
        let filled = self
            .headers
            .iter()
            .filter_map(|(name, header)| Some((name.clone(), Secret::new(template::fill(header, value)?))));
        filled.collect()
    }
}
