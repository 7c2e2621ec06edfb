//! What the methods take and answer. Unknown fields of parameters are refused: a plugin that sends one
//! expects more than this program does.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::agent::{GrantReport, LenderReport};
use super::status::{LoginStatus, StoreReport};
use super::usage::UsageSource;
use crate::login_id::LoginId;
use crate::secret::Secret;

/// Must be the first call; may be repeated to bring new options. Touches no keyring. Errors:
/// `protocol_mismatch`, `config_invalid`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The protocol that the plugin speaks.
    pub protocol: u64,
    /// The plugin's version.
    pub version: String,
    /// The shape of the settings file; may be empty.
    #[serde(default)]
    pub options: Option<Value>,
}

// The options may hold what a person put into a header.
impl fmt::Debug for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hello({}, {:?}, …)", self.protocol, self.version)
    }
}

/// Who answers, and the settings that Lua needs a say of, as they hold.
#[derive(Debug, Serialize)]
pub struct HelloAnswer {
    /// The protocol that the backend speaks.
    pub protocol: u64,
    /// The backend's version.
    pub version: &'static str,
    /// The backend's process.
    pub pid: u32,
    /// `refresh.margin`, seconds.
    pub margin: i64,
    /// `callback.port`; 0 for any.
    pub callback_port: u16,
    /// Why a browser may not reach this machine, in words that complete "You are …"; absent where it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_browser: Option<&'static str>,
}

/// What can be logged in to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Providers {}

/// All providers, built in and the person's own. Also `providers --json`.
#[derive(Debug, Serialize)]
pub struct ProvidersAnswer {
    /// In the order of their names.
    pub providers: Vec<Provider>,
}

/// Somebody to log in to.
#[derive(Debug, Serialize)]
pub struct Provider {
    /// Its name in commands and settings.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whether it came with the program.
    pub builtin: bool,
    /// Its login methods, the default first.
    pub methods: Vec<Method>,
    /// The logins that are stored for it.
    pub logins: Vec<String>,
    /// Names of the variables it reads that are set.
    pub env: Vec<String>,
    /// Where a credential comes from, in order: `env:VARIABLE`, `login`, `command`, `workload` or
    /// `app`.
    pub sources: Vec<String>,
    /// Its terms, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// Where figures of usage come from.
    pub usage: UsageSource,
    /// What it calls one of a person's organizations, if a login can be for one that is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
}

/// What a login asks of the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// RFC 6749, 4.1 with PKCE.
    AuthorizationCode,
    /// RFC 8628.
    DeviceCode,
    /// A code with PKCE that becomes a lasting key (OpenRouter and relatives).
    MintKey,
    /// RFC 6749, 4.4: the program itself, and no person.
    ClientCredentials,
    /// A key that the person already has.
    ApiKey,
}

/// A way to log in.
#[derive(Debug, Serialize)]
pub struct Method {
    /// Its name in commands and settings.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// Which conversation it is.
    pub grant: Grant,
    /// Shown, and to be confirmed, before the first login by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Whether it was.
    pub notice_confirmed: bool,
    /// The provider's terms, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// Whether it is taken where nobody chooses.
    pub default: bool,
    /// Whether there is no page to paste from, so that the browser must reach this machine.
    pub needs_browser: bool,
    /// Whether a logout revokes it at the provider; absent where only trying tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocable: Option<bool>,
    /// Whether that may end other logins of the same account too, those of other machines among them; absent
    /// where nothing is revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_others: Option<bool>,
}

/// The state of one login or of all that exist. Looks at each secret that a `get` would need, within the
/// keyring's time limit, so that it says what a `get` would.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Which login; all if not given.
    #[serde(default)]
    pub login: Option<String>,
}

/// How everything is. Also `status --json`.
#[derive(Debug, Serialize)]
pub struct StatusAnswer {
    /// In the order of their names.
    pub logins: Vec<LoginStatus>,
    /// Where this belongs among the `changed` events; absent from `status --json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Where new logins go.
    pub store: StoreReport,
    /// The editor's gateway, once it is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayReport>,
    /// What is lent by any process of this user, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<GrantReport>,
    /// The machine that lends logins here, if one is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lender: Option<LenderReport>,
}

/// A credential that is good for long enough. One with less left is refreshed; the newest is answered even if
/// its whole life is shorter than that.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// Which login.
    pub login: String,
    /// Seconds that it must still be good for; `refresh.margin` if not given.
    #[serde(default)]
    pub min_validity: Option<i64>,
}

/// The API answered 401 to this token: a newer one, or the same login refreshed once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invalidate {
    /// Which login.
    pub login: String,
    /// The token that was refused.
    pub token: Secret,
}

/// Begins a login; the rest comes as `login` events. Errors: `busy` (a login of this provider runs already in
/// this editor), `unknown_login`, `invalid_argument` (no such method; a notice that nobody has accepted).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginStart {
    /// Which login.
    pub login: String,
    /// The provider's method; its default if not given.
    #[serde(default)]
    pub method: Option<String>,
    /// Whether a browser can be opened here (the default); if not, paste or device code only.
    #[serde(default)]
    pub browser: Option<bool>,
    /// The method's notice was shown and accepted.
    #[serde(default)]
    pub confirmed: Option<bool>,
    /// The `WWW-Authenticate` header by which an API asked for more than the login may do: that is asked for
    /// too.
    #[serde(default)]
    pub challenge: Option<String>,
    /// Which of the person's organizations (workspace, GitHub Enterprise host), for a provider that can be
    /// asked for one.
    #[serde(default)]
    pub organization: Option<String>,
}

/// A login that has begun.
#[derive(Debug, Serialize)]
pub struct LoginStarted {
    /// The number that its events carry.
    pub id: u64,
}

/// What was pasted or typed. An error (`invalid_argument`, `state_mismatch`) leaves the login waiting.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginInput {
    /// Which login.
    pub id: u64,
    /// The text.
    pub text: Secret,
}

/// Gives a login up: it ends with `failed`, `cancelled`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginCancel {
    /// Which login.
    pub id: u64,
}

/// Revokes at the provider where that is possible, and deletes here in any case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {
    /// Which login.
    pub login: String,
}

/// Ends the commands that are waited for; whoever waits is answered `cancelled`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandCancel {}

/// Serves logins at the editor's gateway; repeated for each login more. Errors: `invalid_argument`,
/// `port_in_use`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayOpen {
    /// What programs show.
    pub key: Secret,
    /// The port that programs connect to.
    pub port: u16,
    /// Which logins.
    pub logins: Vec<String>,
    /// A unix socket at which Neovim gives the listener to whoever connects; without it the backend binds a
    /// port, to which Neovim carries the bytes.
    #[serde(default)]
    pub socket: Option<String>,
}

/// The gateway is served.
#[derive(Debug, Serialize)]
pub struct GatewayOpened {
    /// The port that the backend listens on.
    pub port: u16,
}

/// What the editor's gateway has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayReport {
    /// Requests that were let in.
    pub requests: u64,
    /// Answers under way.
    pub open: u64,
    /// Requests and connections refused.
    pub refused: u64,
}

/// What the provider did at a logout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Revoked {
    /// It took the tokens back.
    Yes,
    /// It should have, and did not.
    No,
    /// It has no way to; the person can do it on `page`.
    Unsupported,
}

/// How a logout went.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutResult {
    /// The login that is gone.
    pub login: LoginId,
    /// What the provider did.
    pub revoked: Revoked,
    /// Where the person can revoke what was given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// One sentence, or two.
    pub message: String,
}

/// Finishes what is under way, and ends the backend.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {}

/// Nothing to say but that it was done.
#[derive(Debug, Serialize)]
pub struct Nothing {}
