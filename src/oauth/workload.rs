//! An identity token of this machine becomes an access token: token exchange (RFC 8693) or the JWT bearer
//! grant (RFC 7523, 2.1).
//!
//! Guarantees: the identity token travels in the body alone; what comes back has no refresh token: the next
//! one is made of the next identity token.

use std::collections::BTreeMap;

use serde_json::Value;

use super::failure::{self, Failure};
use super::token_answer::tokens;
use super::{Wire, jwt};
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::provider::{Encoding, Provider, Workload, WorkloadGrant};
use crate::secret::Secret;

impl Wire {
    /// Exchanges an identity token. `params` are those of the request beside it.
    ///
    /// # Errors
    /// A [`Failure`], `Configuration` if the provider does not accept the identity token.
    pub async fn exchange_assertion(
        &self,
        workload: &Workload,
        mut params: BTreeMap<String, String>,
        assertion: &Secret,
    ) -> Result<Tokens, Failure> {
        let (provider, now) = (&*self.provider, self.clock.now());
        params.extend(grant(workload, assertion));
        if !workload.scopes.is_empty() {
            params.insert("scope".to_owned(), workload.scopes.join(" "));
        }
        let request = self.http.post(workload.token_url.clone())?;
        let headers = workload.request_headers.iter();
        let request = headers.fold(request, |request, (name, value)| request.header(name, value));
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let request = match workload.token_encoding {
            Encoding::Form => request.form(&params),
            Encoding::Json => request.json(&params),
        };
        let reply = self.http.send(request).await?;
        if reply.status.as_u16() == 413 {
            return Err(Failure::Configuration(too_large(provider)));
        }
        let body = failure::read(&reply, &provider.name);
        let body = body.map_err(|failure| reworded(failure, provider, workload, assertion, now))?;
        let mut tokens = tokens(&body, &provider.name, now)?;
        (tokens.refresh_token, tokens.id_token) = (None, None);
        tokens.origins = vec![workload.binding()];
        Ok(tokens)
    }
}

fn grant(workload: &Workload, assertion: &Secret) -> Vec<(String, String)> {
    let grant = |name: &str| format!("urn:ietf:params:oauth:grant-type:{name}");
    let assertion = assertion.expose().to_owned();
    let params = match workload.grant {
        WorkloadGrant::JwtBearer => vec![("grant_type", grant("jwt-bearer")), ("assertion", assertion)],
        WorkloadGrant::TokenExchange => vec![
            ("grant_type", grant("token-exchange")),
            ("subject_token", assertion),
            ("subject_token_type", workload.subject_token_type.clone()),
        ],
    };
    params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What a refusal means where there is no person and no login.
fn reworded(
    failure: Failure,
    provider: &Provider,
    workload: &Workload,
    assertion: &Secret,
    now: i64,
) -> Failure {
    match failure {
        Failure::Refused(_) => Failure::Configuration(refused(provider, workload, assertion, now)),
        Failure::UnknownClient(error) | Failure::Configuration(error) => Failure::Configuration(
            error.with_hint(format!("Check `params` and addresses of `{}`.", workload.setting)),
        ),
        Failure::Transient { error, retry_after, sent } => {
            Failure::Transient { error: error.with_hint("Try again in a moment."), retry_after, sent }
        }
    }
}

fn refused(provider: &Provider, workload: &Workload, assertion: &Secret, now: i64) -> Error {
    let claims = jwt::claims(assertion.expose()).unwrap_or_default();
    let ended = claims.get("exp").and_then(Value::as_i64).is_some_and(|end| end <= now);
    let hint = match &workload.audience {
        _ if ended => {
            "It has ended: ask the platform for it right before, and see that the clock is right.".to_owned()
        }
        Some(audience) if !is_for(&claims, audience) => {
            format!("It was made for another audience: have it made for `{audience}`.")
        }
        _ => format!("See that the rule at {} fits its issuer, subject and audience.", provider.name),
    };
    let message = format!("{} does not accept the identity token of this machine.", provider.name);
    Error::new(Code::ProviderRefused, message).with_hint(hint)
}

/// RFC 7519, 4.1.3: one or several.
fn is_for(claims: &Value, audience: &str) -> bool {
    match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(all)) => all.iter().any(|one| one == audience),
        _ => false,
    }
}

fn too_large(provider: &Provider) -> Error {
    let message = format!("The identity token is too large for {}.", provider.name);
    Error::new(Code::ProviderRefused, message).with_hint("Have the platform make one with fewer claims.")
}
