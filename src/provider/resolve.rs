//! From a description to a provider: defaults, and every check that one field alone cannot have.
//!
//! Guarantees: an error names the key by its full path and says what is allowed.

use std::collections::BTreeMap;

use url::Url;

use super::check::{
    check_optional_url, check_templates, invalid, is_header_name, is_variable, without_templates,
};
use super::describe::{Description, MethodDescription, UseDescription};
use super::method::methods;
use super::organization::organizations;
use super::usage::usage;
use super::{
    ClientSecret, CommandSource, Grant, Provider, Source, Use, Workload, constant, host_of, resolve_command,
    resolve_workload,
};
use crate::credential::Kind;
use crate::error::Result;
use crate::paths::whole;
use crate::text::short;

/// Longest name that is repeated, in characters.
const MAX_NAME: usize = 64;

/// Checks a description and fills in what it leaves out. `path` is where it stands, such as
/// `providers.mycorp`.
///
/// # Errors
/// `config_invalid` with the key's path and what is allowed.
pub fn resolve(id: &str, path: &str, builtin: bool, mut description: Description) -> Result<Provider> {
    let at = |key: &str| format!("{path}.{key}");
    for (key, url) in [("issuer", &description.issuer), ("resource", &description.resource)] {
        check_optional_url(&at(key), url.as_deref())?;
        if url.as_ref().is_some_and(|url| url.contains(['#', '?']) && key == "issuer" || url.contains('#')) {
            return Err(invalid(&at(key), "it must have no query and no `#`."));
        }
    }
    check_optional_url(
        &at("client_id_metadata_document"),
        description.client_id_metadata_document.as_deref(),
    )?;
    check_domain(&at("options.domain"), &description)?;
    let base_url = description.base_url.as_ref().map(|url| constant(url, &description.options));
    check_optional_url(&at("base_url"), base_url.as_deref())?;
    check_optional_url(&at("key_page"), description.key_page.as_deref().map(without_templates).as_deref())?;
    add_discovered_methods(&mut description);
    let methods = methods(path, &mut description)?;
    let sources = sources(path, &description)?;
    let usage = usage(&at("usage"), description.usage.take(), &description.options)?;
    let organizations = organizations(&at("organization"), description.organization.take())?;
    let client_secret = client_secret(path, &description)?;
    let command = command(path, &description, &sources)?;
    let workload = workload(path, &description, &sources)?;
    let uses = uses(path, description.uses)?;
    check_templates(&at("exec"), description.exec.values().flatten())?;
    check_templates(&at("exec_gateway"), description.exec_gateway.iter())?;
    let variables = description.exec.values().flat_map(BTreeMap::keys).chain(description.exec_gateway.keys());
    if let Some(name) = variables.into_iter().find(|name| !is_variable(name)) {
        return Err(invalid(
            &at("exec"),
            &format!("`{}` is not the name of a variable.", short(name, MAX_NAME)),
        ));
    }
    Ok(Provider {
        id: id.to_owned(),
        name: description.name.unwrap_or_else(|| id.to_owned()),
        base_url: base_url.or_else(|| description.resource.clone()),
        sources,
        uses,
        token_kinds: description.token_kinds,
        exec: description.exec,
        exec_gateway: description.exec_gateway,
        api: description.api.unwrap_or_default(),
        methods,
        key_page: description.key_page.map(|url| constant(&url, &description.options)),
        revocation_ends: description.revocation_ends.unwrap_or_default(),
        terms: description.terms,
        issuer: description.issuer,
        resource: description.resource,
        client_id_metadata_document: description.client_id_metadata_document,
        client_secret,
        usage,
        organizations,
        command,
        workload,
        options: description.options,
        builtin,
    })
}

/// A host, perhaps with a port, or the address that it was copied from.
fn check_domain(path: &str, description: &Description) -> Result<()> {
    let Some(domain) = description.options.get("domain") else { return Ok(()) };
    let host = host_of(domain);
    if host.contains(['?', '#', '@', '\\']) || Url::parse(&format!("https://{host}")).is_err() {
        return Err(invalid(path, "it must be a host, such as `company.ghe.com`."));
    }
    Ok(())
}

/// A provider of one's own needs five lines only: with an issuer or a resource, the ways to log in are known.
fn add_discovered_methods(description: &mut Description) {
    if description.issuer.is_none() && description.resource.is_none() || !description.login.is_empty() {
        return;
    }
    let method = |label: &str, grant| MethodDescription {
        label: Some(label.to_owned()),
        grant: Some(grant),
        ..MethodDescription::default()
    };
    description
        .login
        .insert("browser".to_owned(), method("Log in with the browser", Grant::AuthorizationCode));
    description.login.insert("device".to_owned(), method("Log in on another device", Grant::DeviceCode));
    description.methods.get_or_insert_with(|| vec!["browser".to_owned(), "device".to_owned()]);
}

fn sources(path: &str, description: &Description) -> Result<Vec<Source>> {
    let at = format!("{path}.sources");
    let Some(described) = &description.sources else {
        let command = description.command.as_ref().map(|_| Source::Command);
        let workload = description.workload.as_ref().map(|_| Source::Workload);
        return Ok(std::iter::once(Source::Login).chain(command).chain(workload).collect());
    };
    let source = |text: &String| match text.as_str() {
        "login" => Ok(Source::Login),
        "command" => Ok(Source::Command),
        "workload" => Ok(Source::Workload),
        "app" => Ok(Source::App),
        other => match other.strip_prefix("env:") {
            Some(var) if is_variable(var) => {
                let kind = description.env_kinds.get(var).copied().unwrap_or(Kind::ApiKey);
                Ok(Source::Env { var: var.to_owned(), kind })
            }
            _ => Err(invalid(
                &at,
                "each must be \"login\", \"command\", \"workload\", \"app\" or \"env:VARIABLE\".",
            )),
        },
    };
    described.iter().map(source).collect()
}

/// A command is described and a source, or neither: one that is never run would be believed to be.
fn command(path: &str, description: &Description, sources: &[Source]) -> Result<Option<CommandSource>> {
    let is_source = sources.contains(&Source::Command);
    match &description.command {
        Some(_) if !is_source => Err(invalid(
            &format!("{path}.sources"),
            "there is a `command`, and \"command\" is missing here; put it where it is to be asked.",
        )),
        None if is_source => Err(invalid(
            &format!("{path}.command"),
            "it is missing, and \"command\" is in `sources`; give its `argv`.",
        )),
        described => described
            .as_ref()
            .map(|described| resolve_command::source(&format!("{path}.command"), described))
            .transpose(),
    }
}

/// The same of a workload identity; but it may be described and no source, as one that a person does not
/// want.
fn workload(path: &str, description: &Description, sources: &[Source]) -> Result<Option<Workload>> {
    let at = format!("{path}.workload");
    match &description.workload {
        None if sources.contains(&Source::Workload) => {
            Err(invalid(&at, "it is missing, and \"workload\" is in `sources`; give its `token_url`."))
        }
        None => Ok(None),
        Some(described) => resolve_workload::workload(&at, description, described).map(Some),
    }
}

fn client_secret(path: &str, description: &Description) -> Result<Option<ClientSecret>> {
    let (at, command_at) = (format!("{path}.client_secret"), format!("{path}.client_secret_command"));
    let command = description.client_secret_command.as_ref();
    match (description.client_secret.as_deref(), command) {
        (None, None) => Ok(None),
        (None | Some("command"), Some(command)) => {
            Ok(Some(ClientSecret::Command(resolve_command::program(&command_at, command)?)))
        }
        (Some("command"), None) => Err(invalid(&command_at, "it is missing; give its `argv`.")),
        (Some(_), Some(_)) => {
            Err(invalid(&at, "it must be \"command\", since there is a `client_secret_command`."))
        }
        (Some("store"), None) => Ok(Some(ClientSecret::Store)),
        (Some(other), None) => match other.split_once(':') {
            Some(("env", var)) if is_variable(var) => Ok(Some(ClientSecret::Env(var.to_owned()))),
            Some(("file", file)) => match whole(file) {
                Some(file) => Ok(Some(ClientSecret::File(file))),
                None => Err(invalid(&at, "its file must have a whole path, from `/` or `~/` on.")),
            },
            // Above all the secret itself, which has no place in this file.
            _ => Err(invalid(
                &at,
                "it must be \"store\", \"env:VARIABLE\", \"file:PATH\" or \"command\", never the secret itself.",
            )),
        },
    }
}

fn uses(path: &str, described: BTreeMap<Kind, UseDescription>) -> Result<BTreeMap<Kind, Use>> {
    let mut uses = BTreeMap::new();
    for (kind, how) in described {
        let at = format!("{path}.use.{}", kind.as_str());
        check_templates(&format!("{at}.headers"), how.headers.iter())?;
        if let Some(name) = how.headers.keys().find(|name| !is_header_name(name)) {
            return Err(invalid(&format!("{at}.headers"), &format!("`{name}` is not a header name.")));
        }
        check_optional_url(&format!("{at}.base_url"), how.base_url.as_deref())?;
        uses.insert(kind, Use { headers: how.headers, base_url: how.base_url });
    }
    for kind in [Kind::Oauth, Kind::ApiKey] {
        let bearer = || Use {
            headers: BTreeMap::from([("authorization".to_owned(), "Bearer {token}".to_owned())]),
            base_url: None,
        };
        uses.entry(kind).or_insert_with(bearer);
    }
    Ok(uses)
}
