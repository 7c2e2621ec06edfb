//! What a provider described by `issuer` or `resource` needs before a login: its endpoints, found by asking.
//!
//! Guarantees: PKCE with S256 is demanded; a URL that the settings give outright wins over a discovered one.

use url::Url;

use super::challenge::Challenge;
use super::client::Wire;
use super::device::another_method;
use super::failure::Failure;
use super::metadata::{self, Server};
use super::ready::{Issuer, Ready};
use super::resource::{self, Answer, Resource};
use crate::error::{Code, Error};
use crate::provider::{ClientAuth, Grant, Method, Provider};

/// More rights than a login has, which an API asked for (RFC 6750, 3.1; RFC 9470 has the same idea for other
/// things).
#[derive(Debug, Clone, Default)]
pub struct StepUp {
    /// What the API asks for.
    pub scopes: Vec<String>,
    /// What the login has been granted: it is asked for again, or the new token would have lost it.
    pub granted: Vec<String>,
}

impl StepUp {
    /// Of the `WWW-Authenticate` header of an API's answer; `None` if that asks for no scope.
    pub fn of(header: &str, granted: Vec<String>) -> Option<Self> {
        let Challenge { scopes, .. } = super::challenge::read(header)?;
        (!scopes.is_empty()).then_some(Self { scopes, granted })
    }

    /// What the API asks for that is not there yet.
    pub fn missing(&self) -> Vec<String> {
        self.scopes.iter().filter(|scope| !self.granted.contains(scope)).cloned().collect()
    }
}

/// Who signs the provider's tokens, and for which resource.
#[derive(Debug, Clone)]
pub(super) struct Discovered {
    pub server: Server,
    resource: Option<Resource>,
}

/// Asks the provider's resource, then its issuer.
///
/// # Errors
/// `Transient` if somebody could not be asked; `Configuration` if an answer is unusable.
pub(super) async fn discover(wire: &Wire) -> Result<Discovered, Failure> {
    let provider = &wire.provider;
    let Some(url) = &provider.resource else {
        let issuer = provider.issuer.as_deref().unwrap_or_default();
        return Ok(Discovered { server: metadata::ask(wire, issuer).await?, resource: None });
    };
    let url = Url::parse(url).map_err(|_| resource::silent(provider))?;
    let answer = resource::ask(wire, &url).await?;
    let listed = answer.resource.as_ref().map(|resource| &resource.issuers);
    let server = match (&provider.issuer, listed) {
        (Some(own), Some(listed)) if !listed.iter().any(|listed| is_alike(listed, own)) => {
            return Err(not_listed(provider));
        }
        (Some(own), _) => metadata::ask(wire, own).await?,
        (None, Some(listed)) => metadata::ask(wire, listed.first().map_or("", String::as_str)).await?,
        (None, None) if answer.is_refused => {
            let server = metadata::ask_origin(wire, &url).await?;
            // Such a server knows no RFC 8707, and takes the resource for granted.
            return Ok(Discovered { server, resource: Some(Resource::nameless(answer.challenge)) });
        }
        (None, None) => return Err(resource::silent(provider)),
    };
    let Answer { resource, challenge, .. } = answer;
    // The issuer is known from the settings: the resource need not tell.
    let resource = resource.unwrap_or_else(|| Resource::named(url.as_str(), challenge));
    Ok(Discovered { server, resource: Some(resource) })
}

/// Resources write a slash behind an issuer that the issuer itself does without, and the other way about: the
/// person's spelling decides then, and the server's document has to agree with that.
fn is_alike(one: &str, other: &str) -> bool {
    one.trim_end_matches('/') == other.trim_end_matches('/')
}

impl Discovered {
    /// What the resource calls itself, if it says.
    pub(super) fn title(&self) -> Option<&str> {
        self.resource.as_ref()?.title.as_deref()
    }

    /// The method with what was found filled in, and no client secret yet.
    ///
    /// # Errors
    /// `Configuration` if the server does not offer what the method needs.
    pub(super) fn fill_in(
        &self,
        provider: &Provider,
        method: &Method,
        step_up: Option<&StepUp>,
    ) -> Result<Ready, Failure> {
        let server = &self.server;
        let mut filled = method.clone();
        filled.authorize_url = filled.authorize_url.or_else(|| server.authorize_url.clone());
        filled.token_url = filled.token_url.or_else(|| server.token_url.clone());
        filled.revoke_url = filled.revoke_url.or_else(|| server.revoke_url.clone());
        filled.device_authorization_url =
            filled.device_authorization_url.or_else(|| server.device_authorization_url.clone());
        filled.scopes = self.scopes(&method.scopes, step_up);
        if filled.scopes.iter().any(|scope| scope == "openid") {
            filled.identity_url = filled.identity_url.or_else(|| server.userinfo_url.clone());
        }
        if filled.scopes.iter().any(|scope| scope == "offline_access") {
            // OpenID Connect Core, 11: without it the scope is ignored.
            filled.authorize_params.entry("prompt".to_owned()).or_insert_with(|| "consent".to_owned());
        }
        filled.resource = match &self.resource {
            Some(resource) => resource.name.clone(),
            None => filled.resource,
        };
        filled.client_auth = filled.client_auth.or_else(|| Some(client_auth(server)));
        match lacks(server, &filled) {
            Some(what) => Err(not_offered(provider, method, what)),
            None => Ok(Ready { issuer: Some(self.issuer()), ..Ready::described(&filled)? }),
        }
    }

    fn issuer(&self) -> Issuer {
        Issuer { name: self.server.issuer.clone(), is_required: self.server.names_itself_in_answers }
    }

    /// The person's, else the resource's; with those that an API asked for. `offline_access`, which a refresh
    /// may need, is asked for where it is offered and nowhere else.
    fn scopes(&self, own: &[String], step_up: Option<&StepUp>) -> Vec<String> {
        let offered = |scope: &str| match &self.server.scopes {
            Some(list) => list.iter().any(|known| known == scope),
            None => false,
        };
        let known =
            |scope: &&String| *scope != "offline_access" || self.server.scopes.is_none() || offered(scope);
        let described = match own {
            [] => self.resource.as_ref().map(|resource| resource.scopes.clone()).unwrap_or_default(),
            own => own.iter().filter(known).cloned().collect(),
        };
        let more = step_up.into_iter().flat_map(|step_up| step_up.granted.iter().chain(&step_up.scopes));
        let mut scopes = Vec::new();
        for scope in described.iter().chain(more) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        let wants_more = own.is_empty() && !scopes.is_empty();
        if wants_more && offered("offline_access") && !scopes.iter().any(|scope| scope == "offline_access") {
            scopes.push("offline_access".to_owned());
        }
        scopes
    }
}

/// In the body where the server takes that, as most do; else by HTTP Basic, which all have to (RFC 6749,
/// 2.3.1).
fn client_auth(server: &Server) -> ClientAuth {
    match server.takes_auth("client_secret_post") {
        true => ClientAuth::ClientSecretPost,
        false => ClientAuth::ClientSecretBasic,
    }
}

fn lacks(server: &Server, method: &Method) -> Option<&'static str> {
    let device = method.grant == Grant::DeviceCode;
    let needs_nobody = method.grant == Grant::ClientCredentials;
    match method {
        Method { token_url: None, .. } => Some("names no address for tokens"),
        Method { device_authorization_url: None, .. } if device => Some("does not offer device codes"),
        _ if device || needs_nobody => None,
        Method { authorize_url: None, .. } => Some("names no address for logging in"),
        // RFC 7636 is what binds the code to us; a server that does not know S256 cannot be used (MCP, RFC
        // 9700).
        _ if !server.has_s256() => Some("does not promise PKCE with S256"),
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
    let message =
        format!("The resource of {} does not take tokens of the issuer that is set.", provider.name);
    let hint = format!("Remove `issuer` from `[providers.{}]`: the resource names its own.", provider.id);
    Failure::Configuration(Error::new(Code::ConfigInvalid, message).with_hint(hint))
}
