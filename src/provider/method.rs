//! From the description of a login method to the method: defaults, endpoints, redirect.
//!
//! Guarantees: what a grant cannot do without is there, or will be brought by discovery.

use std::collections::BTreeMap;

use url::Url;

use super::check::{check_optional_url, check_templates, invalid, is_header_name, optional_url};
use super::describe::{Description, MethodDescription, PortsDescription, RedirectDescription};
use super::{
    CallbackBrings, CodeForm, DeviceDialect, Encoding, Grant, Method, Redirect, RedirectPorts, constant,
};
use crate::credential::Share;
use crate::error::Result;
use crate::login_id::is_name;

/// The methods in the order they are offered.
pub(super) fn methods(path: &str, description: &mut Description) -> Result<Vec<Method>> {
    let at = format!("{path}.methods");
    let order = match description.methods.take() {
        Some(order) => order,
        None => description.login.keys().cloned().collect(),
    };
    if let Some(name) = description.login.keys().find(|name| !is_name(name)) {
        return Err(invalid(
            &format!("{path}.login"),
            &format!("`{name}` is not a name; use a-z, 0-9 and `-`."),
        ));
    }
    if let Some(missing) = order.iter().find(|name| !description.login.contains_key(*name)) {
        return Err(invalid(&at, &format!("`{missing}` is not described under `{path}.login`.")));
    }
    let unordered = description.login.keys().filter(|name| !order.contains(name)).cloned();
    let all: Vec<String> = order.iter().cloned().chain(unordered).collect();
    let described = all.into_iter().filter_map(|name| {
        let method = description.login.remove(&name)?;
        Some((name, method))
    });
    let described: Vec<_> = described.collect();
    let mut methods = described
        .into_iter()
        .map(|(name, method)| self::method(&name, &format!("{path}.login.{name}"), description, method))
        .collect::<Result<Vec<_>>>()?;
    // What only works with a client id that is not there yet is nobody's default.
    methods.sort_by_key(Method::lacks_client);
    Ok(methods)
}

fn method(id: &str, path: &str, provider: &Description, described: MethodDescription) -> Result<Method> {
    let grant = described.grant.ok_or_else(|| {
        invalid(
            &format!("{path}.grant"),
            "it is missing; use authorization-code, device-code, client-credentials, mint-key or api-key.",
        )
    })?;
    let fill = |text: &String| constant(text, &provider.options);
    let url = |key: &str, text: &Option<String>| {
        optional_url(&format!("{path}.{key}"), text.as_ref().map(fill).as_deref())
    };
    let token_encoding = described.token_encoding.unwrap_or(match grant {
        Grant::MintKey => Encoding::Json,
        _ => Encoding::Form,
    });
    let client_id = described.client_id.clone().or_else(|| provider.client_id.clone());
    let share = share(&described, client_id.as_deref());
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
        client_id,
        client_page: described.client_page,
        client_auth: described.client_auth,
        client_key_id: described.client_key_id,
        scopes: described.scopes.or_else(|| provider.scopes.clone()).unwrap_or_default(),
        redirect: redirect(path, grant, described.redirect)?,
        code: CodeForm {
            min_length: described.code.min_length.unwrap_or(1),
            characters: described.code.characters,
        },
        callback: described.callback.unwrap_or_default(),
        key_lifetime: described.key_lifetime.map(i64::from),
        redirect_param: described.redirect_param.unwrap_or_else(|| "redirect_uri".to_owned()),
        state_in_token_request: described.state_in_token_request.unwrap_or(false),
        revoke_encoding: described.revoke_encoding.unwrap_or_default(),
        device_dialect: described.device_dialect.unwrap_or_default(),
        second_step: described.second_step,
        request_headers: request_headers(path, described.request_headers, fill)?,
        authorize_params: described.authorize_params,
        page: described.page,
        resource: provider.resource.clone(),
        discover: false,
        share,
    };
    check_optional_url(&format!("{path}.client_page"), method.client_page.as_deref())?;
    if method.callback == CallbackBrings::Key && (grant != Grant::MintKey || method.redirect.is_none()) {
        return Err(invalid(&format!("{path}.callback"), "only mint-key with a `redirect` brings a key."));
    }
    if method.key_lifetime.is_some_and(|seconds| seconds == 0 || grant != Grant::MintKey) {
        let words = "only the keys of mint-key have one, of a second at least.";
        return Err(invalid(&format!("{path}.key_lifetime"), words));
    }
    if grant == Grant::ClientCredentials {
        check_client(path, provider, &method)?;
    }
    check_endpoints(path, provider.issuer.is_some() || provider.resource.is_some(), method)
}

fn share(described: &MethodDescription, client_id: Option<&str>) -> Share {
    let of_another = |bound: &String| client_id.is_some_and(|own| own != bound);
    match described.share_client_id.as_ref() {
        Some(bound) if of_another(bound) => Share::Any,
        _ => described.share.unwrap_or_default(),
    }
}

/// A program that asks for itself has to prove who it is (RFC 6749, 4.4).
fn check_client(path: &str, provider: &Description, method: &Method) -> Result<()> {
    if method.client_id.is_none() {
        return Err(invalid(
            &format!("{path}.client_id"),
            "it is missing; give the id that the provider registered.",
        ));
    }
    match provider.client_secret.is_some() || provider.client_secret_command.is_some() {
        true => Ok(()),
        false => Err(invalid(
            &format!("{path}.grant"),
            "client-credentials needs the provider's `client_secret`: \"store\", \"env:VARIABLE\", \"file:PATH\" or \"command\".",
        )),
    }
}

fn request_headers(
    path: &str,
    described: BTreeMap<String, String>,
    fill: impl Fn(&String) -> String,
) -> Result<BTreeMap<String, String>> {
    let path = format!("{path}.request_headers");
    check_templates(&path, described.iter())?;
    if let Some(name) = described.keys().find(|name| !is_header_name(name)) {
        return Err(invalid(&path, &format!("`{name}` is not a header name.")));
    }
    let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if let Some((name, _)) = described.iter().find(|(_, value)| !visible(value)) {
        return Err(invalid(&format!("{path}.{name}"), "it must be plain ASCII on one line."));
    }
    Ok(described.iter().map(|(name, value)| (name.clone(), fill(value))).collect())
}

/// Which endpoints each grant cannot do without, unless discovery will bring them.
fn check_endpoints(path: &str, discoverable: bool, mut method: Method) -> Result<Method> {
    let needed: &[(&str, bool)] = match method.grant {
        Grant::MintKey if method.callback == CallbackBrings::Key => {
            &[("authorize_url", method.authorize_url.is_some())]
        }
        Grant::AuthorizationCode | Grant::MintKey => {
            &[("authorize_url", method.authorize_url.is_some()), ("token_url", method.token_url.is_some())]
        }
        Grant::DeviceCode => &[
            ("device_authorization_url", method.device_authorization_url.is_some()),
            ("token_url", method.token_url.is_some()),
        ],
        Grant::ClientCredentials => &[("token_url", method.token_url.is_some())],
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
    let names_itself = method.discover
        || matches!(method.grant, Grant::ApiKey | Grant::MintKey)
        || method.device_dialect == DeviceDialect::Nanogpt;
    if method.client_id.is_none() && !names_itself && method.client_page.is_none() {
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
    // The browser writes it as a URL has it, and that is what is waited for.
    if !Url::parse(&format!("http://{host}{path}")).is_ok_and(|url| url.path() == path) {
        return Err(invalid(
            &at("path"),
            "it must start with `/` and be written as in a URL, without `?` or `#`.",
        ));
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
    Ok(Some(Redirect { host, ports, path, page: described.page, nonce: described.nonce.unwrap_or(false) }))
}
