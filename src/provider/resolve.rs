//! From a description to a provider: defaults, and every check that one field alone cannot have.
//!
//! Guarantees: an error names the key by its full path and says what is allowed.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::describe::{
    Description, MethodDescription, PortsDescription, RedirectDescription, UseDescription,
};
use super::{Encoding, Grant, Method, Provider, Redirect, RedirectPorts, Source, Use, template};
use crate::credential::Kind;
use crate::error::{Code, Error, Result};
use crate::login_id::is_name;

/// Checks a description and fills in what it leaves out. `path` is where it stands, such as `providers.mycorp`.
///
/// # Errors
/// `config_invalid` with the key's path and what is allowed.
pub fn resolve(id: &str, path: &str, builtin: bool, mut description: Description) -> Result<Provider> {
    let at = |key: &str| format!("{path}.{key}");
    for (key, url) in [("issuer", &description.issuer), ("resource", &description.resource)] {
        check_optional_url(&at(key), url.as_deref())?;
    }
    for (key, url) in [("base_url", &description.base_url), ("key_page", &description.key_page)] {
        check_optional_url(&at(key), url.as_deref().map(without_templates).as_deref())?;
    }
    add_discovered_methods(&mut description);
    let methods = methods(path, &mut description)?;
    let sources = sources(path, &description, &methods)?;
    let uses = uses(path, description.uses)?;
    check_templates(&at("exec"), description.exec.values().flatten())?;
    Ok(Provider {
        id: id.to_owned(),
        name: description.name.unwrap_or_else(|| id.to_owned()),
        base_url: description.base_url,
        sources,
        uses,
        exec: description.exec,
        methods,
        key_page: description.key_page,
        terms: description.terms,
        issuer: description.issuer,
        resource: description.resource,
        client_id_metadata_document: description.client_id_metadata_document,
        client_secret: description.client_secret,
        options: description.options,
        builtin,
    })
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
        .insert("browser".to_owned(), method("Sign in with the browser", Grant::AuthorizationCode));
    description.login.insert("device".to_owned(), method("Sign in on another device", Grant::DeviceCode));
    description.methods.get_or_insert_with(|| vec!["browser".to_owned(), "device".to_owned()]);
}

fn methods(path: &str, description: &mut Description) -> Result<Vec<Method>> {
    let at = format!("{path}.methods");
    let order = match description.methods.take() {
        Some(order) => order,
        None => description.login.keys().cloned().collect(),
    };
    if let Some(name) = description.login.keys().find(|name| !is_name(name)) {
        return Err(invalid(
            &format!("{path}.login"),
            &format!("`{name}` is no name; use a-z, 0-9 and `-`."),
        ));
    }
    if let Some(missing) = order.iter().find(|name| !description.login.contains_key(*name)) {
        return Err(invalid(&at, &format!("`{missing}` is not described under `{path}.login`.")));
    }
    let unordered = description.login.keys().filter(|name| !order.contains(name)).cloned();
    let all: Vec<String> = order.iter().cloned().chain(unordered).collect();
    let discover = description.issuer.is_some() || description.resource.is_some();
    let mut methods = Vec::new();
    for name in all {
        let Some(method) = description.login.remove(&name) else { continue };
        let mut method = self::method(&name, &format!("{path}.login.{name}"), discover, method)?;
        if method.discover {
            method.client_id = method.client_id.or_else(|| description.client_id.clone());
            method.resource.clone_from(&description.resource);
            if method.scopes.is_empty() {
                method.scopes = description.scopes.clone().unwrap_or_default();
            }
        }
        methods.push(method);
    }
    Ok(methods)
}

fn method(id: &str, path: &str, discoverable: bool, described: MethodDescription) -> Result<Method> {
    let grant = described.grant.ok_or_else(|| {
        invalid(
            &format!("{path}.grant"),
            "it is missing; use authorization-code, device-code, mint-key or api-key.",
        )
    })?;
    let url = |key: &str, text: &Option<String>| optional_url(&format!("{path}.{key}"), text.as_deref());
    let token_encoding = described.token_encoding.unwrap_or(match grant {
        Grant::MintKey => Encoding::Json,
        _ => Encoding::Form,
    });
    let method = Method {
        id: id.to_owned(),
        label: described.label.clone().unwrap_or_else(|| id.to_owned()),
        notice: described.notice.clone(),
        grant,
        authorize_url: url("authorize_url", &described.authorize_url)?,
        token_url: url("token_url", &described.token_url)?,
        revoke_url: url("revoke_url", &described.revoke_url)?,
        device_authorization_url: url("device_authorization_url", &described.device_authorization_url)?,
        verification_url: url("verification_url", &described.verification_url)?,
        second_step_url: url("second_step_url", &described.second_step_url)?,
        identity_url: url("identity_url", &described.identity_url)?,
        token_encoding,
        refresh_encoding: described.refresh_encoding.unwrap_or(token_encoding),
        client_id: described.client_id,
        client_secret: None,
        scopes: described.scopes.unwrap_or_default(),
        redirect: redirect(path, grant, described.redirect)?,
        redirect_param: described.redirect_param.unwrap_or_else(|| "redirect_uri".to_owned()),
        state_in_token_request: described.state_in_token_request.unwrap_or(false),
        revoke_encoding: described.revoke_encoding.unwrap_or_default(),
        device_dialect: described.device_dialect.unwrap_or_default(),
        second_step: described.second_step,
        request_headers: described.request_headers,
        authorize_params: described.authorize_params,
        page: described.page,
        resource: None,
        issuer: None,
        iss_required: false,
        discover: false,
    };
    check_endpoints(path, discoverable, method)
}

/// Which endpoints each grant cannot do without, unless discovery will bring them.
fn check_endpoints(path: &str, discoverable: bool, mut method: Method) -> Result<Method> {
    let needed: &[(&str, bool)] = match method.grant {
        Grant::AuthorizationCode | Grant::MintKey => {
            &[("authorize_url", method.authorize_url.is_some()), ("token_url", method.token_url.is_some())]
        }
        Grant::DeviceCode => &[
            ("device_authorization_url", method.device_authorization_url.is_some()),
            ("token_url", method.token_url.is_some()),
        ],
        Grant::ApiKey => &[],
    };
    let missing = needed.iter().find(|(_, there)| !there);
    if let Some((key, _)) = missing {
        if !discoverable {
            return Err(invalid(
                &format!("{path}.{key}"),
                "it is missing; give a URL, or describe the provider by `issuer`.",
            ));
        }
        method.discover = true;
    }
    let names_itself = method.discover || matches!(method.grant, Grant::ApiKey | Grant::MintKey);
    if method.client_id.is_none() && !names_itself {
        return Err(invalid(
            &format!("{path}.client_id"),
            "it is missing; give the id that the provider registered.",
        ));
    }
    Ok(method)
}

fn redirect(path: &str, grant: Grant, described: Option<RedirectDescription>) -> Result<Option<Redirect>> {
    let at = |key: &str| format!("{path}.redirect.{key}");
    let described = match (described, grant) {
        (Some(described), _) => described,
        (None, Grant::AuthorizationCode) => RedirectDescription::default(),
        (None, _) => return Ok(None),
    };
    // RFC 8252, 8.3: the address, not the name `localhost`, unless the provider registered the name.
    let host = described.host.unwrap_or_else(|| "127.0.0.1".to_owned());
    if !matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
        return Err(invalid(&at("host"), "it must be localhost, 127.0.0.1 or [::1]."));
    }
    let path = described.path.unwrap_or_else(|| "/callback".to_owned());
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        return Err(invalid(&at("path"), "it must start with `/` and have no `?` or `#`."));
    }
    check_optional_url(&at("page"), described.page.as_deref())?;
    let ports = match described.ports {
        None => RedirectPorts::Any,
        Some(PortsDescription::Word(word)) if word == "any" => RedirectPorts::Any,
        Some(PortsDescription::List(list)) if !list.is_empty() && !list.contains(&0) => {
            RedirectPorts::Fixed(list)
        }
        Some(_) => {
            return Err(invalid(&at("ports"), "it must be \"any\" or a list of ports from 1 to 65535."));
        }
    };
    Ok(Some(Redirect { host, ports, path, page: described.page }))
}

fn sources(path: &str, description: &Description, methods: &[Method]) -> Result<Vec<Source>> {
    let at = format!("{path}.sources");
    let Some(described) = &description.sources else { return Ok(vec![Source::Login]) };
    let source = |text: &String| match text.as_str() {
        "login" => Ok(Source::Login),
        "app" => Ok(Source::App),
        other => match other.strip_prefix("env:") {
            Some(var) if is_variable(var) => {
                let kind = description.env_kinds.get(var).copied().unwrap_or(Kind::ApiKey);
                Ok(Source::Env { var: var.to_owned(), kind })
            }
            _ => Err(invalid(&at, "each must be \"login\", \"app\" or \"env:VARIABLE\".")),
        },
    };
    let _ = methods;
    described.iter().map(source).collect()
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn uses(path: &str, described: BTreeMap<Kind, UseDescription>) -> Result<BTreeMap<Kind, Use>> {
    let mut uses = BTreeMap::new();
    for (kind, how) in described {
        let at = format!("{path}.use.{}", kind.as_str());
        check_templates(&format!("{at}.headers"), how.headers.iter())?;
        if let Some(name) = how.headers.keys().find(|name| !is_header_name(name)) {
            return Err(invalid(&format!("{at}.headers"), &format!("`{name}` is no header name.")));
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

fn check_templates<'a>(path: &str, templates: impl Iterator<Item = (&'a String, &'a String)>) -> Result<()> {
    for (name, text) in templates {
        if !template::is_well_formed(text) || text.contains(['\r', '\n']) {
            return Err(invalid(&format!("{path}.{name}"), "it must be one line with values as `{token}`."));
        }
    }
    Ok(())
}

/// RFC 9110, 5.6.2.
fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Templates stand where any text may: put one there before the URL is checked.
fn without_templates(text: &str) -> String {
    template::fill(text, |_| Some("x".to_owned())).unwrap_or_else(|| text.to_owned())
}

fn optional_url(path: &str, text: Option<&str>) -> Result<Option<Url>> {
    text.map(|text| check_url(path, text)).transpose()
}

fn check_optional_url(path: &str, text: Option<&str>) -> Result<()> {
    optional_url(path, text).map(drop)
}

/// An https URL, or an http one to this machine.
///
/// # Errors
/// `config_invalid` naming `path`. The URL itself is not repeated: it could hold a secret.
pub fn check_url(path: &str, text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|_| invalid(path, "it is not a URL."))?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err(invalid(path, "it must not carry a user name or password."))
        }
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(invalid(path, "http is allowed for this machine only; use https.")),
        _ => Err(invalid(path, "it must be an https URL.")),
    }
}

fn invalid(path: &str, words: &str) -> Error {
    Error::new(Code::ConfigInvalid, format!("The setting `{path}` is not valid: {words}"))
        .with_hint("Correct it in config.toml or in the options of `require(\"conv\").setup()`.")
}
