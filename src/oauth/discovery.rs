//! What a provider described by `issuer` or `resource` needs before a login: its endpoints, found by asking.
//!
//! Guarantees: PKCE with S256 is demanded; a URL that the settings give outright wins over a discovered one.

use super::device::another_method;
use super::failure::Failure;
use super::metadata::{self, Server};
use super::resource::{self, Resource};
use crate::error::{Code, Error};
use crate::http::Http;
use crate::provider::{ClientAuth, Grant, Method, Provider};

/// Who signs the provider's tokens, and for which resource.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub server: Server,
    resource: Option<Resource>,
}

/// Asks the provider's resource, then its issuer.
///
/// # Errors
/// `Transient` if somebody could not be asked; `Configuration` if an answer is unusable.
pub(super) async fn discover(http: &Http, provider: &Provider) -> Result<Found, Failure> {
    let resource = match &provider.resource {
        Some(url) => Some(resource::ask(http, url, provider).await?),
        None => None,
    };
    let listed = resource.as_ref().map(|resource| &resource.issuers);
    // Resources write a slash behind an issuer that the issuer itself does without, and the other way about: the
    // person's spelling decides then, and the server's document has to agree with that.
    let is = |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
    let issuer = match (&provider.issuer, listed) {
        (Some(own), Some(listed)) if !listed.iter().any(|listed| is(listed, own)) => {
            return Err(not_listed(provider));
        }
        (Some(own), _) => Some(own),
        (None, listed) => listed.and_then(|listed| listed.first()),
    };
    let server = metadata::ask(http, issuer.map_or("", String::as_str), provider).await?;
    Ok(Found { server, resource })
}

impl Found {
    /// The method with what was found filled in.
    ///
    /// # Errors
    /// `Configuration` if the server does not offer what the method needs.
    pub(super) fn fill_in(&self, provider: &Provider, method: &Method) -> Result<Method, Failure> {
        let server = &self.server;
        let mut filled = method.clone();
        filled.authorize_url = filled.authorize_url.or_else(|| server.authorize_url.clone());
        filled.token_url = filled.token_url.or_else(|| server.token_url.clone());
        filled.revoke_url = filled.revoke_url.or_else(|| server.revoke_url.clone());
        filled.device_authorization_url =
            filled.device_authorization_url.or_else(|| server.device_authorization_url.clone());
        filled.scopes = self.scopes(&method.scopes);
        if filled.scopes.iter().any(|scope| scope == "openid") {
            filled.identity_url = filled.identity_url.or_else(|| server.userinfo_url.clone());
        }
        if filled.scopes.iter().any(|scope| scope == "offline_access") {
            // OpenID Connect Core, 11: without it the scope is ignored.
            filled.authorize_params.entry("prompt".to_owned()).or_insert_with(|| "consent".to_owned());
        }
        filled.resource = self.resource.as_ref().map(|resource| resource.name.clone()).or(filled.resource);
        filled.issuer = Some(server.issuer.clone());
        filled.iss_required = server.names_itself_in_answers;
        filled.client_auth = client_auth(server);
        match lacks(server, &filled) {
            Some(what) => Err(not_offered(provider, method, what)),
            None => Ok(filled),
        }
    }

    /// The person's, else the resource's. `offline_access`, which a refresh may need, is asked for where it is
    /// offered and nowhere else.
    fn scopes(&self, own: &[String]) -> Vec<String> {
        let offered = |scope: &str| match &self.server.scopes {
            Some(list) => list.iter().any(|known| known == scope),
            None => false,
        };
        if !own.is_empty() {
            let known = |scope: &&String| {
                *scope != "offline_access" || self.server.scopes.is_none() || offered(scope)
            };
            return own.iter().filter(known).cloned().collect();
        }
        let mut scopes = self.resource.as_ref().map(|resource| resource.scopes.clone()).unwrap_or_default();
        let wants_more = !scopes.is_empty() && !scopes.iter().any(|scope| scope == "offline_access");
        if wants_more && offered("offline_access") {
            scopes.push("offline_access".to_owned());
        }
        scopes
    }
}

/// RFC 8414, 2: without a list it is HTTP Basic.
fn client_auth(server: &Server) -> ClientAuth {
    let post = |list: &Vec<String>| list.iter().any(|method| method == "client_secret_post");
    match server.auth_methods.as_ref().is_some_and(post) {
        true => ClientAuth::ClientSecretPost,
        false => ClientAuth::ClientSecretBasic,
    }
}

fn lacks(server: &Server, method: &Method) -> Option<&'static str> {
    let device = method.grant == Grant::DeviceCode;
    match method {
        Method { token_url: None, .. } => Some("tells no address for tokens"),
        Method { device_authorization_url: None, .. } if device => Some("does not offer device codes"),
        _ if device => None,
        Method { authorize_url: None, .. } => Some("tells no address for signing in"),
        // RFC 7636 is what binds the code to us; a server that does not know S256 cannot be used (MCP, RFC 9700).
        _ if !server.has_s256 => Some("does not promise PKCE with S256"),
        _ => None,
    }
}

fn not_offered(provider: &Provider, method: &Method, what: &str) -> Failure {
    let by_hand = || format!("If you know better, give the URLs under `[providers.{}.login]`.", provider.id);
    let other = another_method(provider).filter(|_| method.grant == Grant::DeviceCode);
    let hint = other.unwrap_or_else(by_hand);
    let message = format!("The server of {} {what}.", provider.name);
    Failure::Configuration(Error::new(Code::ConfigInvalid, message).with_hint(hint))
}

fn not_listed(provider: &Provider) -> Failure {
    Failure::Configuration(
        Error::new(
            Code::ConfigInvalid,
            format!("The resource of {} does not take tokens of the issuer that is set.", provider.name),
        )
        .with_hint(format!(
            "Remove `issuer` from `[providers.{}]`: the resource names its own.",
            provider.id
        )),
    )
}
