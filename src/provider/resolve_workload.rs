//! From the description of a workload identity to the workload identity.
//!
//! Guarantees: addresses are https or this machine's; files have whole paths, and commands whole paths or
//! names for `PATH`.

use super::check::{absolute, check_templates, invalid, is_header_name, is_variable, optional_url};
use super::describe::{Description, WorkloadDescription};
use super::workload::{AssertionSource, Workload};
use super::{constant, resolve_command};
use crate::credential::Kind;
use crate::error::Result;

/// The workload identity that is described at `path`.
pub(super) fn workload(
    path: &str,
    provider: &Description,
    described: &WorkloadDescription,
) -> Result<Workload> {
    let at = |key: &str| format!("{path}.{key}");
    let url = described.token_url.as_ref().map(|url| constant(url, &provider.options));
    let Some(token_url) = optional_url(&at("token_url"), url.as_deref())? else {
        return Err(invalid(&at("token_url"), "it is missing; give the URL of the token endpoint."));
    };
    check_templates(&at("request_headers"), described.request_headers.iter())?;
    if let Some(name) = described.request_headers.keys().find(|name| !is_header_name(name)) {
        return Err(invalid(&at("request_headers"), &format!("`{name}` is not a header name.")));
    }
    if described.env_params.values().any(|var| !is_variable(var)) {
        return Err(invalid(&at("env_params"), "each must be the name of a variable."));
    }
    let known =
        |name: &&String| !described.params.contains_key(*name) && !described.env_params.contains_key(*name);
    if let Some(name) = described.required.iter().find(known) {
        return Err(invalid(&at("required"), &format!("`{name}` is in neither `params` nor `env_params`.")));
    }
    Ok(Workload {
        grant: described.grant.unwrap_or_default(),
        token_url,
        token_encoding: described.token_encoding.unwrap_or_default(),
        assertion: assertion(path, described)?,
        audience: described.audience.clone(),
        subject_token_type: token_type(described.subject_token_type.as_deref().unwrap_or("jwt")),
        params: described.params.clone(),
        env_params: described.env_params.clone(),
        required: described.required.clone(),
        scopes: described.scopes.clone(),
        request_headers: described.request_headers.clone(),
        kind: described.kind.unwrap_or(Kind::Oauth),
        setting: path.to_owned(),
    })
}

/// RFC 8693, 3: the short names of the types that it registers.
fn token_type(name: &str) -> String {
    match name {
        "jwt" | "id_token" | "access_token" | "saml2" => {
            format!("urn:ietf:params:oauth:token-type:{name}")
        }
        urn => urn.to_owned(),
    }
}

fn assertion(path: &str, described: &WorkloadDescription) -> Result<Vec<AssertionSource>> {
    let at = format!("{path}.assertion");
    if described.assertion.is_empty() {
        return Err(invalid(&at, "it is missing; give where the identity token comes from."));
    }
    if described.command.is_some() && !described.assertion.iter().any(|source| source == "command") {
        return Err(invalid(&at, "there is a `command`, and \"command\" is missing here."));
    }
    let source = |text: &String| match (text.as_str(), text.split_once(':')) {
        ("github", _) => Ok(AssertionSource::Github),
        ("command", _) => match &described.command {
            Some(program) => {
                Ok(AssertionSource::Command(resolve_command::program(&format!("{path}.command"), program)?))
            }
            None => Err(invalid(&format!("{path}.command"), "it is missing; give its `argv`.")),
        },
        (_, Some(("env", var))) if is_variable(var) => Ok(AssertionSource::Env(var.to_owned())),
        (_, Some(("env-file", var))) if is_variable(var) => Ok(AssertionSource::EnvFile(var.to_owned())),
        (_, Some(("file", file))) => match absolute(file) {
            Some(file) => Ok(AssertionSource::File(file)),
            None => Err(invalid(&at, "a file must have a whole path, from `/` or `~/` on.")),
        },
        _ => Err(invalid(
            &at,
            "each must be \"env:VARIABLE\", \"file:PATH\", \"env-file:VARIABLE\", \"github\" or \"command\".",
        )),
    };
    described.assertion.iter().map(source).collect()
}
