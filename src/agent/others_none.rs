//! Where processes have no sockets to each other: what another one lends is not seen.

use crate::error::{Code, Error, Result};
use crate::paths::Paths;
use crate::protocol::GrantReport;

/// None that is known of.
pub async fn all(_: &Paths) -> Vec<GrantReport> {
    Vec::new()
}

/// Ends nothing.
///
/// # Errors
/// `invalid_argument`, always.
pub async fn revoke(_: &Paths, _: &str) -> Result<()> {
    Err(Error::new(Code::InvalidArgument, "On this system a grant can be ended only where it was made.")
        .with_hint("End the program that serves it."))
}
