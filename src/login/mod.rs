//! A login in progress: from "which method?" to a stored credential, or to one clear error.

mod stage;

pub use stage::{Input, LoginEvent, LoginRequest, Stage};
