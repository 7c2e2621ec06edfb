//! A look at a resource that somebody is about to describe as a provider.

use std::sync::Arc;

use crate::error::Result;
use crate::oauth::{self, Failure, Wire};
use crate::provider::Provider;
use crate::services::Services;

pub use crate::oauth::Survey;

/// Asks the resource of a provider who signs its tokens, and that server what it offers.
///
/// # Errors
/// Those that a login by this provider would end with.
pub async fn survey(services: &Services, provider: Provider) -> Result<Survey> {
    let Services { http, clock, .. } = services.clone();
    let wire = Wire { provider: Arc::new(provider), http, clock };
    oauth::survey(&wire).await.map_err(Failure::into_error)
}
