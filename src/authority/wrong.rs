//! The page for a request that cannot be answered to anybody else than the person in front of the browser.

use warp::http::StatusCode;

use super::exchange::{Forms, Response, page};
use super::pages;

/// The page that says so, and why.
pub fn wrong(words: &str) -> Response {
    page(StatusCode::BAD_REQUEST, pages::wrong(words), Forms::None)
}
