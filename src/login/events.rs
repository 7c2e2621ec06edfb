//! What starts a login, and what it tells those who watch it (see [`crate::protocol`]).

pub use crate::protocol::{Input, LoginEvent, Replaced, Stage};

use crate::login_id::LoginId;
use crate::wording::Face;

/// What a login wants of the person.
#[derive(Debug, Clone)]
pub struct LoginRequest {
    /// Which login; without an account, one may be picked from the identity (`openai` → `openai@work`).
    pub login: LoginId,
    /// The provider's method; `None` for the provider's default (or, without a browser, the first that needs
    /// none).
    pub method: Option<String>,
    /// Whether a browser can be opened on this machine. `false`: paste or device code only.
    pub browser: bool,
    /// The method's notice was shown and accepted.
    pub confirmed: bool,
    /// The `WWW-Authenticate` header by which an API asked for more than the login may do (RFC 6750, 3.1).
    pub challenge: Option<String>,
    /// Where the person is, and reads what is told.
    pub place: Face,
    /// Which of the person's organizations, as the provider knows it; the page's choice if not given.
    pub organization: Option<String>,
}
