//! One authorization request: its own `state`, PKCE pair and `redirect_uri`, kept together until the
//! exchange.
//!
//! Guarantees: whichever way the answer comes, it is exchanged with what its own request was made of; a login
//! that offers the loopback and a page with a code to paste has two requests that share nothing.

use url::Url;

use super::callback::params::{Answer, CallbackRejection, Checked, Expected, WithoutState};
use super::callback::paste::{self, Address, Pasted};
use crate::error::Result;
use crate::oauth::{AuthorizeRequest, Client, Pkce};
use crate::provider::{CallbackBrings, CodeForm, Grant, Method, Redirect};
use crate::secret::Secret;

/// An authorization request that waits for its answer.
#[derive(Debug)]
pub(super) struct AuthorizationRequest {
    /// As sent, to the byte; `None` if the provider was told no address and shows the code instead.
    pub redirect_uri: Option<String>,
    /// Where the person goes.
    pub url: Secret,
    /// What an answer is held against.
    pub expected: Expected,
    /// Proof that the one who asks for the tokens is the one who asked for the code.
    pub code_verifier: Secret,
    /// What an id token must repeat (OpenID Connect Core, 3.1.2.1), if one was asked for.
    pub nonce: Option<Secret>,
    /// Whether the provider's page shows a code to paste.
    pub shows_code: bool,
}

impl AuthorizationRequest {
    /// A request of its own. `redirect` describes where `redirect_uri` leads, if that is the loopback.
    ///
    /// # Errors
    /// `config_invalid` if the method has no address to send the person to.
    pub fn new(
        client: &Client,
        method: &Method,
        redirect_uri: Option<String>,
        redirect: Option<&Redirect>,
    ) -> Result<Self> {
        let pkce = Pkce::new();
        let has_path_secret = redirect.is_some_and(|redirect| redirect.nonce);
        let state = (redirect_uri.is_some() && !has_path_secret).then(Secret::random);
        let nonce = client.asks_for_id().then(Secret::random);
        let request = AuthorizeRequest {
            redirect_uri: redirect_uri.clone(),
            state: state.clone(),
            nonce: nonce.clone(),
            code_challenge: pkce.challenge,
        };
        let (url, issuer) = (client.authorize(&request)?, client.issuer());
        Ok(Self {
            url: Secret::new(url.as_str()),
            expected: Expected {
                without_state: without_state(method, has_path_secret, state.is_some()),
                brings: method.callback,
                state,
                issuer: issuer.map(|issuer| issuer.name.clone()),
                iss_required: issuer.is_some_and(|issuer| issuer.is_required),
            },
            shows_code: redirect_uri.is_none(),
            redirect_uri,
            code_verifier: pkce.verifier,
            nonce,
        })
    }

    fn is_at(&self, address: &Address) -> bool {
        let own = self.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
        own.is_some_and(|own| Address::of(&own) == *address)
    }
}

/// A provider that mints keys may not echo `state` (rule 14), unless it speaks RFC 6749. Where the callback
/// brings the key itself there is no code for PKCE to bind, and `state` alone can.
fn without_state(method: &Method, has_path_secret: bool, has_state: bool) -> WithoutState {
    let may_not_echo = method.grant == Grant::MintKey && !method.speaks_rfc6749();
    match method.callback {
        _ if has_path_secret => WithoutState::Ours,
        CallbackBrings::Key => WithoutState::Refused,
        CallbackBrings::Code if may_not_echo || !has_state => WithoutState::Tried,
        CallbackBrings::Code => WithoutState::Refused,
    }
}

/// Finds the request that a pasted text answers: by its address, by its `state`, else the one whose page
/// shows a code.
///
/// # Errors
/// Why the text is not taken; the login goes on.
pub(super) fn pasted(
    text: &str,
    requests: &[AuthorizationRequest],
    form: &CodeForm,
) -> Result<(usize, Checked), CallbackRejection> {
    let Pasted { address, params } = paste::parse(text)?;
    let has_state =
        |request: &AuthorizationRequest| params.state.is_some() && request.expected.state == params.state;
    let index = match &address {
        Some(address) => {
            requests.iter().position(|request| request.is_at(address)).ok_or(CallbackRejection::Address)?
        }
        None => requests
            .iter()
            .position(has_state)
            .or_else(|| requests.iter().position(|request| request.shows_code))
            .unwrap_or_default(),
    };
    let request = requests.get(index).ok_or(CallbackRejection::State)?;
    let mut expected = request.expected.clone();
    if address.is_none() {
        // The page shows, and the person copies, what they see fit; PKCE still binds the code to this
        // request.
        expected.without_state = WithoutState::Tried;
        expected.iss_required = false;
    }
    let checked = params.check(&expected)?;
    match &checked.answer {
        Answer::Code(code) if !form.fits(code.expose()) => Err(CallbackRejection::Malformed),
        _ => Ok((index, checked)),
    }
}
