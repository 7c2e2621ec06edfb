//! GitHub Actions makes an identity token for a job that may ask for one (`permissions: id-token: write`).

use serde_json::Value;

use super::{checked, variable};
use crate::error::{Code, Error};
use crate::http::Http;
use crate::oauth::Failure;
use crate::provider::{AssertionSource, check_url};
use crate::secret::Secret;

/// Where a job asks, and by what (docs.github.com, OpenID Connect reference).
const URL: &str = "ACTIONS_ID_TOKEN_REQUEST_URL";
const TOKEN: &str = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";

/// Whether this is a job that may ask.
pub(super) fn is_here() -> bool {
    variable(URL).is_some() && variable(TOKEN).is_some()
}

/// Whether this is a job that may not.
pub(super) fn forgot_the_permission() -> bool {
    variable("GITHUB_ACTIONS").is_some() && !is_here()
}

pub(super) fn no_permission() -> Error {
    Error::new(Code::ConfigInvalid, "This job may not ask GitHub for an identity token.")
        .with_hint("Give the job, or the workflow, `permissions: { id-token: write }`.")
}

/// Asks for one that is made for `audience`.
///
/// # Errors
/// A [`Failure`].
pub(super) async fn ask(http: &Http, audience: Option<&str>) -> Result<Secret, Failure> {
    let (Some(url), Some(token)) = (variable(URL), variable(TOKEN).map(Secret::new)) else {
        return Err(Failure::Configuration(no_permission()));
    };
    let mut url = check_url(URL, &url).map_err(Failure::Configuration)?;
    if let Some(audience) = audience {
        url.query_pairs_mut().append_pair("audience", audience);
    }
    let request = http.get(url)?.bearer_auth(token.expose()).header("accept", "application/json");
    let reply = http.send(request).await?;
    let body: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let value = body.as_ref().and_then(|body| body.get("value")?.as_str());
    match (reply.status.as_u16(), value) {
        (200, Some(value)) => {
            checked(&AssertionSource::Github, &Secret::new(value)).map_err(Failure::Configuration)
        }
        (401 | 403, _) => Err(Failure::Configuration(no_permission())),
        (status, _) => {
            let message = format!("GitHub gave no identity token (HTTP {status}).");
            let error = Error::new(Code::ProviderError, message).with_hint("Try again in a moment.");
            Err(Failure::answered(error, reply.retry_after))
        }
    }
}
