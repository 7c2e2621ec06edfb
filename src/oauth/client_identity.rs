//! What this program is to a provider, and how it proves that (RFC 6749, 2).
//!
//! Guarantees: a secret travels in one place only, body or header.

use reqwest::RequestBuilder;
use url::form_urlencoded::byte_serialize;

use super::assertion;
use super::failure::Failure;
use crate::provider::{ClientAuth, Method};
use crate::secret::Secret;

/// Parameters of a request body.
pub(super) type Params<'a> = Vec<(&'a str, String)>;

/// A client of a provider.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClientIdentity {
    /// RFC 6749, 2.2; absent where the provider wants none.
    pub id: Option<String>,
    /// Absent for a public client.
    pub secret: Option<Secret>,
    /// How the secret is shown.
    pub auth: ClientAuth,
    /// Which of the client's keys signs (RFC 7517, 4.5).
    pub key_id: Option<String>,
    /// Whether registration brought the id: the settings cannot correct it then.
    pub is_registered: bool,
}

impl ClientIdentity {
    /// As a description names it. The secret is never in one.
    pub fn described(method: &Method) -> Self {
        Self {
            id: method.client_id.clone(),
            secret: None,
            auth: method.client_auth.unwrap_or_default(),
            key_id: method.client_key_id.clone(),
            is_registered: false,
        }
    }

    /// Public clients name themselves; those with a secret show it here or in the header, never in both (RFC
    /// 6749, 2.3), and those with a key show what it has signed for `audience`.
    ///
    /// # Errors
    /// `Configuration` if the key cannot sign.
    pub fn add_to_body(&self, params: &mut Params<'_>, audience: &str) -> Result<(), Failure> {
        if self.is_basic() {
            return Ok(());
        }
        params.extend(self.id.clone().map(|id| ("client_id", id)));
        match (&self.secret, &self.id) {
            (Some(key), Some(id)) if self.auth == ClientAuth::PrivateKeyJwt => {
                let statement = assertion::make(key, self.key_id.as_deref(), id, audience)?;
                params.push(("client_assertion_type", assertion::TYPE.to_owned()));
                params.push(("client_assertion", statement.expose().to_owned()));
            }
            (Some(secret), _) => params.push(("client_secret", secret.expose().to_owned())),
            (None, _) => {}
        }
        Ok(())
    }

    /// HTTP Basic; id and secret are form-encoded first (RFC 6749, 2.3.1).
    pub fn add_to_header(&self, request: RequestBuilder) -> RequestBuilder {
        match (&self.id, &self.secret) {
            (Some(id), Some(secret)) if self.is_basic() => {
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                request.basic_auth(encoded(id), Some(encoded(secret.expose())))
            }
            _ => request,
        }
    }

    /// Whether the secret goes into the header.
    pub fn is_basic(&self) -> bool {
        self.auth == ClientAuth::ClientSecretBasic && self.secret.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn identity() -> ClientIdentity {
        let provider = Config::builtin().provider("kimi").unwrap();
        let described = ClientIdentity::described(provider.default_method().unwrap());
        ClientIdentity { secret: Some(Secret::new("p:l anted")), ..described }
    }

    fn header(client: &ClientIdentity) -> Option<String> {
        let request = client.add_to_header(here()).build().unwrap();
        Some(request.headers().get("authorization")?.to_str().unwrap().to_owned())
    }

    fn body(client: &ClientIdentity) -> Vec<&'static str> {
        let mut params = Vec::new();
        client.add_to_body(&mut params, "https://as.example").unwrap();
        params.into_iter().map(|(name, _)| name).collect()
    }

    /// A request that is never sent.
    fn here() -> reqwest::RequestBuilder {
        let url = "http://127.0.0.1/".parse().unwrap();
        crate::http::Http::new(std::time::Duration::from_secs(1), crate::http::Trust::default())
            .get(url)
            .unwrap()
    }

    #[test]
    fn a_secret_travels_in_one_place_only() {
        let mut client = identity();
        assert_eq!((body(&client), header(&client)), (vec!["client_id", "client_secret"], None));
        client.auth = ClientAuth::ClientSecretBasic;
        client.id = Some("i d".to_owned());
        // i+d:p%3Al+anted
        assert_eq!((body(&client), header(&client).as_deref()), (vec![], Some("Basic aStkOnAlM0FsK2FudGVk")));
        client.secret = None;
        assert_eq!((body(&client), header(&client)), (vec!["client_id"], None));
    }
}
