//! A request for a login that another machine lends: sent to its agent as it is, which adds the credential
//! there.
//!
//! Guarantees: this machine's key stays here; the request is sent once; what the agent answers, its own
//! refusals too, is passed back.

use http::Response;

use super::body::Body;
use super::forward::{Forwarder, Sending, no_address};
use super::headers::{for_upstream, name_hops};
use super::upgrade;
use crate::error::Error;
use crate::provider::ApiShape;
use crate::remote::Agent;

impl Forwarder {
    /// Sends a request to the agent.
    pub(super) async fn relay(
        &self,
        agent: &Agent,
        shape: ApiShape,
        sending: Sending<'_>,
    ) -> Result<Response<Body>, Error> {
        let mut headers = for_upstream(&sending.parts.headers);
        if sending.upgrade.is_some() {
            upgrade::ask(&mut headers);
        }
        name_hops(&mut headers);
        let body = reqwest::Body::wrap(sending.body.attempt().ok_or_else(no_address)?);
        let response = agent.pass(sending.parts.method.clone(), &path(&sending), headers, body).await?;
        Ok(self.answer(shape, sending, response))
    }
}

fn path(sending: &Sending<'_>) -> String {
    let target = sending.target;
    let query = target.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    format!("/{}{}{query}", target.login, target.rest)
}
