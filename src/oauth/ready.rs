//! What the requests of a method need, with nothing left open: endpoints, and who this program is there.
//!
//! Guarantees: a secret goes to the server that it was made for and to no other (the MCP specification's rule
//! on mix-up), because a login keeps server and client together.

use url::Url;

use super::client_identity::ClientIdentity;
use super::failure::Failure;
use crate::credential::{Binding, Tokens};
use crate::error::{Code, Error};
use crate::paths::SETTINGS_FILE;
use crate::provider::{
    CallbackBrings, ClientAuth, ClientSecret, Grant, Method, Provider, SecondStep, check_url,
};
use crate::secret::Secret;

/// A method that is ready to be used.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    /// What no discovery changes, or has changed already: scopes, encodings, dialects, names of parameters.
    pub(super) described: Method,
    /// RFC 6749, 3.2.
    pub(super) token_url: Url,
    /// Where a login goes first.
    pub(super) begin: Begin,
    /// RFC 7009; absent where the provider takes nothing back by itself.
    pub(super) revoke_url: Option<Url>,
    /// Where the person's name can be asked for; absent where nobody tells.
    pub(super) identity_url: Option<Url>,
    /// The step in code behind the tokens; absent where these are what an API takes.
    pub(super) second_step: Option<Step>,
    /// Who signs; absent where nobody was asked.
    pub(super) issuer: Option<Issuer>,
    /// Who this program is.
    pub(super) client: ClientIdentity,
}

/// Where a login goes first.
#[derive(Debug, Clone)]
pub(super) enum Begin {
    /// The person's browser to the authorization endpoint (RFC 6749, 3.1).
    Browser(Url),
    /// This program to the device authorization endpoint (RFC 8628, 3.1).
    Device(Url),
    /// Nowhere: the program asks for itself, or the login is there already.
    Nowhere,
}

/// A second step and where it asks.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub step: SecondStep,
    pub url: Url,
}

/// Who signs the tokens.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// Its name, which answers must bear (RFC 9207).
    pub name: String,
    /// Whether an answer without `iss` is refused (RFC 9207, 2.4).
    pub is_required: bool,
}

impl Ready {
    /// A method with its endpoints, whether a person described or discovery found them.
    ///
    /// # Errors
    /// `Configuration` if one is missing that the method cannot do without.
    pub(super) fn described(method: &Method) -> Result<Self, Failure> {
        let begin = match method.grant {
            Grant::AuthorizationCode | Grant::MintKey => {
                Begin::Browser(needed(method, "authorize_url", method.authorize_url.as_ref())?)
            }
            Grant::DeviceCode => {
                let url = method.device_authorization_url.as_ref();
                Begin::Device(needed(method, "device_authorization_url", url)?)
            }
            Grant::ClientCredentials | Grant::ApiKey => Begin::Nowhere,
        };
        let token_url = match (method.callback, &begin) {
            // What the callback brings is exchanged nowhere: it belongs to the server whose page made it.
            (CallbackBrings::Key, Begin::Browser(page)) => page.clone(),
            _ => needed(method, "token_url", method.token_url.as_ref())?,
        };
        Self::new(method.clone(), begin, token_url)
    }

    fn new(described: Method, begin: Begin, token_url: Url) -> Result<Self, Failure> {
        let step = |step| -> Result<Step, Failure> {
            let url = needed(&described, "second_step_url", described.second_step_url.as_ref())?;
            Ok(Step { step, url })
        };
        Ok(Self {
            begin,
            token_url,
            revoke_url: described.revoke_url.clone(),
            identity_url: described.identity_url.clone(),
            second_step: described.second_step.map(step).transpose()?,
            issuer: None,
            client: ClientIdentity::described(&described),
            described,
        })
    }

    /// The method as it was when a login was made; `stored` is the client secret that the store has.
    ///
    /// # Errors
    /// `Configuration` if the client secret of the settings is not there, or no address for tokens;
    /// `Refused` for what a person brought along: there is nobody to ask for more.
    pub(super) fn of_login(
        provider: &Provider,
        method: &Method,
        stored: Option<Secret>,
        tokens: &Tokens,
    ) -> Result<Self, Failure> {
        let secret = client_secret(provider, stored)?;
        let described = match &tokens.binding {
            Some(binding) => bound(method, binding),
            None => method.clone(),
        };
        let Some(token_url) = described.token_url.clone() else {
            let can_ask = tokens.refresh_token.is_some() || method.grant == Grant::ClientCredentials;
            return Err(match can_ask {
                true => not_described(method, "token_url"),
                false => nothing_to_refresh_with(provider),
            });
        };
        let mut ready = Self::new(described, Begin::Nowhere, token_url)?;
        let binding = tokens.binding.as_ref();
        ready.client.secret = secret.or_else(|| binding.and_then(|binding| binding.client_secret.clone()));
        ready.client.is_registered = method.client_id.is_none() && binding.is_some();
        Ok(ready)
    }

    /// For whom a client's statement is made: the issuer, where it is known, so that no other server can use
    /// it (RFC 7523, 3; its successor's draft).
    pub(super) fn audience(&self) -> &str {
        self.issuer.as_ref().map_or(self.token_url.as_str(), |issuer| &issuer.name)
    }

    /// What a login by this method has to remember, if its description alone cannot repeat it.
    pub(super) fn binding(&self, provider: &Provider) -> Option<Binding> {
        if !self.described.discover {
            return None;
        }
        // A secret of the settings is asked for at each use, so that a new one counts at once.
        let registered = self.client.secret.clone().filter(|_| provider.client_secret.is_none());
        Some(Binding {
            token_url: self.token_url.to_string(),
            revoke_url: self.revoke_url.as_ref().map(ToString::to_string),
            client_id: self.client.id.clone(),
            client_secret: registered,
            basic_auth: self.client.is_basic(),
            resource: self.described.resource.clone(),
        })
    }
}

/// The method with the servers and the client that a login was made with.
fn bound(method: &Method, binding: &Binding) -> Method {
    let mut bound = method.clone();
    // A URL that the settings give outright is the person's correction, and holds.
    bound.token_url = bound.token_url.or_else(|| url(&binding.token_url));
    bound.revoke_url = revoke_url(method, Some(binding));
    bound.client_id = binding.client_id.clone().or(bound.client_id);
    bound.client_auth = bound.client_auth.or(Some(match binding.basic_auth {
        true => ClientAuth::ClientSecretBasic,
        false => ClientAuth::ClientSecretPost,
    }));
    bound.resource = binding.resource.clone().or(bound.resource);
    bound
}

/// Where tokens are revoked.
pub(super) fn revoke_url(method: &Method, binding: Option<&Binding>) -> Option<Url> {
    method.revoke_url.clone().or_else(|| binding?.revoke_url.as_deref().and_then(url))
}

/// An address that was kept with a login, if it is still one that a secret may go to.
fn url(text: &str) -> Option<Url> {
    check_url("binding", text).ok()
}

/// The client secret that the settings name, if they name one; `stored` is what the store has, or what a
/// command has printed.
///
/// # Errors
/// `Configuration` if it is not there.
pub(super) fn client_secret(provider: &Provider, stored: Option<Secret>) -> Result<Option<Secret>, Failure> {
    let Some(source) = &provider.client_secret else { return Ok(None) };
    let (secret, hint) = match source {
        ClientSecret::Store => {
            let login = provider.client_login().map(|login| login.to_string()).unwrap_or_default();
            (stored, format!("Enter it with `convocations secret set {login}`."))
        }
        ClientSecret::Env(var) => {
            (std::env::var(var).ok().map(Secret::new), format!("Set the variable `{var}` and start again."))
        }
        ClientSecret::File(path) => {
            let text = std::fs::read_to_string(path).ok().map(Secret::new);
            let text = text.map(|text| Secret::new(text.expose().trim()));
            (text, format!("Put it into `{}`, which you can read.", path.display()))
        }
        // The caller has run it, and knows why there is none.
        ClientSecret::Command(program) => (stored, format!("Correct `{}.argv`.", program.setting)),
    };
    let missing = || {
        let message = format!("The client secret of {} is not there.", provider.name);
        Failure::Configuration(Error::new(Code::ConfigInvalid, message).with_hint(hint))
    };
    secret.filter(|secret| !secret.is_empty()).ok_or_else(missing).map(Some)
}

fn needed(method: &Method, key: &str, url: Option<&Url>) -> Result<Url, Failure> {
    url.cloned().ok_or_else(|| not_described(method, key))
}

fn not_described(method: &Method, key: &str) -> Failure {
    let message = format!("The method `{}` has no `{key}`.", method.id);
    Failure::Configuration(
        Error::new(Code::ConfigInvalid, message)
            .with_hint(format!("Give `{key}` in {SETTINGS_FILE}, or describe the provider by `issuer`.")),
    )
}

/// What a login without a refresh token ends with when a newer token is wanted.
pub(super) fn nothing_to_refresh_with(provider: &Provider) -> Failure {
    Failure::Refused(
        Error::new(
            Code::LoginExpired,
            format!("The {} login has nothing to refresh itself with.", provider.name),
        )
        .with_hint(format!("Log in again with `:ConvLogin {}`.", provider.id)),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Config;

    fn provider() -> Arc<Provider> {
        Config::builtin().provider("kimi").unwrap()
    }

    /// As after a login by discovery.
    fn discovered() -> Ready {
        let provider = provider();
        let mut method = provider.default_method().unwrap().clone();
        method.discover = true;
        method.client_auth = Some(ClientAuth::ClientSecretBasic);
        let mut ready = Ready::described(&method).unwrap();
        ready.client.secret = Some(Secret::new("p:l anted"));
        ready
    }

    #[test]
    fn a_login_goes_back_to_the_server_and_client_it_came_from() {
        let made = discovered();
        let mut tokens = Tokens::api_key(Secret::new("T"), 0);
        tokens.binding = made.binding(&provider());
        assert!(!format!("{tokens:?} {made:?}").contains("anted"));
        let mut described = made.described.clone();
        (described.token_url, described.client_id, described.client_auth) = (None, None, None);
        let again = Ready::of_login(&provider(), &described, None, &tokens).unwrap();
        assert_eq!((&again.token_url, &again.client.id), (&made.token_url, &made.client.id));
        assert_eq!((&again.client.secret, again.client.auth), (&made.client.secret, made.client.auth));
        assert!(again.client.is_registered);
        described.token_url = Url::parse("https://corrected.example/").ok();
        let corrected = Ready::of_login(&provider(), &described, None, &tokens).unwrap();
        assert_eq!(Some(corrected.token_url), described.token_url);
        let mut of_today = (*provider()).clone();
        of_today.client_secret = Some(ClientSecret::Store);
        let of_today = Ready::of_login(&of_today, &described, Some(Secret::new("of today")), &tokens);
        assert_eq!(of_today.unwrap().client.secret, Some(Secret::new("of today")));
    }

    #[test]
    fn a_secret_of_the_settings_is_not_kept_with_the_login() {
        let mut provider = (*provider()).clone();
        provider.client_secret = Some(ClientSecret::Env("SECRET".to_owned()));
        assert_eq!(discovered().binding(&provider).unwrap().client_secret, None);
    }

    #[test]
    fn a_described_public_client_needs_no_binding() {
        let ready = Ready::described(provider().default_method().unwrap()).unwrap();
        assert_eq!(ready.binding(&provider()), None);
    }

    #[test]
    fn what_a_person_brought_along_has_nobody_to_ask() {
        let openai = Config::builtin().provider("openai").unwrap();
        let key = openai.method("api-key").unwrap();
        let tokens = Tokens::api_key(Secret::new("T"), 0);
        let Err(Failure::Refused(error)) = Ready::of_login(&openai, key, None, &tokens) else { panic!() };
        assert_eq!(error.code(), Code::LoginExpired);
        let Err(Failure::Configuration(error)) = Ready::described(key) else { panic!() };
        assert!(error.message().contains("token_url"));
    }
}
