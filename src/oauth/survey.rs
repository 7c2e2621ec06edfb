//! What a protected resource, such as an MCP server, and the server behind it say of themselves, for somebody
//! who is about to describe them.
//!
//! Guarantees: asks and refuses as a login would; sends no token and registers nothing.

use super::client::Wire;
use super::discovery;
use super::failure::Failure;
use crate::error::{Code, Error};
use crate::protocol::ClientWay;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// What it calls itself, if it says (RFC 9728, 2).
    pub name: Option<String>,
    /// Who signs tokens for it (RFC 8414).
    pub issuer: String,
    /// What a login will ask for.
    pub scopes: Vec<String>,
    /// How a program becomes known to the issuer.
    pub client: ClientWay,
}

/// Asks the resource of a provider, and the server that it names.
///
/// # Errors
/// A [`Failure`], as a login by this provider would end.
pub async fn survey(wire: &Wire) -> Result<Survey, Failure> {
    let discovered = discovery::discover(wire).await?;
    let provider = &*wire.provider;
    let method = provider.default_method().ok_or_else(|| {
        Failure::Configuration(Error::new(Code::ConfigInvalid, "This provider has no way to log in."))
    })?;
    let filled = discovered.fill_in(provider, method, None)?;
    let server = &discovered.server;
    let client = match (server.registration_url.is_some(), server.takes_client_documents) {
        (true, _) => ClientWay::Registration,
        (false, true) => ClientWay::Document,
        (false, false) => ClientWay::ByHand,
    };
    Ok(Survey {
        name: discovered.title().map(str::to_owned),
        issuer: server.issuer.clone(),
        scopes: filled.described.scopes,
        client,
    })
}
