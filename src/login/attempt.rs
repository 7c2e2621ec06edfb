//! One authorization request: its own `state`, PKCE pair and `redirect_uri`, kept together until the
//! exchange.
//!
//! Guarantees: whichever way the answer comes, it is exchanged with what its own request was made of; a login
//! that offers the loopback and a page with a code to paste has two attempts that share nothing.

use url::Url;

use super::answer::{Answer, Expected, Reject};
use super::paste::{self, Address, Pasted};
use crate::secret::Secret;

/// An authorization request that waits for its answer.
#[derive(Debug)]
pub(super) struct Attempt {
    /// As sent, to the byte; `None` if the provider was told no address and shows the code instead.
    pub redirect_uri: Option<String>,
    /// Where the person goes.
    pub url: Secret,
    /// What an answer is held against.
    pub expected: Expected,
    /// Proof that the one who asks for the tokens is the one who asked for the code.
    pub code_verifier: Secret,
    /// Whether the provider's page shows a code to paste.
    pub shows_code: bool,
}

impl Attempt {
    fn is_at(&self, address: &Address) -> bool {
        let own = self.redirect_uri.as_deref().and_then(|uri| Url::parse(uri).ok());
        own.is_some_and(|own| Address::of(&own) == *address)
    }
}

/// A pasted text that is not taken; the login goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// See [`Reject`].
    Answer(Reject),
    /// The address of another place.
    Address,
}

/// Finds the attempt that a pasted text answers: by its address, by its `state`, else the one whose page
/// shows a code.
pub(super) fn pasted(text: &str, attempts: &[Attempt]) -> Result<(usize, Answer), Unfit> {
    let Pasted { address, params } = paste::parse(text).map_err(Unfit::Answer)?;
    let has_state = |attempt: &Attempt| params.state.is_some() && attempt.expected.state == params.state;
    let index = match &address {
        Some(address) => attempts.iter().position(|attempt| attempt.is_at(address)).ok_or(Unfit::Address)?,
        None => attempts
            .iter()
            .position(has_state)
            .or_else(|| attempts.iter().position(|attempt| attempt.shows_code))
            .unwrap_or_default(),
    };
    let attempt = attempts.get(index).ok_or(Unfit::Answer(Reject::State))?;
    let mut expected = attempt.expected.clone();
    if address.is_none() {
        // The page shows, and the person copies, what they see fit; PKCE still binds the code to this
        // attempt.
        expected.state_optional = true;
        expected.iss_required = false;
    }
    params.check(&expected).map(|answer| (index, answer)).map_err(Unfit::Answer)
}
