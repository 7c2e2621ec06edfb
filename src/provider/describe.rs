//! A provider's description as it is written: every field optional, unknown ones refused.
//!
//! The same shape serves a built-in file, `[providers.NAME]` in the settings file and the editor's options,
//! so that each can override the one before down to one URL. What the fields mean together is checked in
//! `resolve`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ApiShape, CallbackBrings, ClientAuth, CommandCache, CommandFormat, DeviceDialect, Encoding, Grant,
    RevocationEnds, SecondStep, WorkloadGrant,
};
use crate::credential::{Kind, Share};

/// `[providers.NAME]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Description {
    /// What people call it.
    pub name: Option<String>,
    /// Where its API is; `resource`, if there is one, unless this says otherwise.
    pub base_url: Option<String>,
    /// Where a credential comes from, in order: `env:VARIABLE`, `login`, `command`, `workload`, `app` (the
    /// Convocations app's key).
    pub sources: Option<Vec<String>>,
    /// How the value of a variable travels, where it is not an API key: `oauth` or `api-key` by variable.
    pub env_kinds: BTreeMap<String, Kind>,
    /// The kind of a token by how it begins, wherever it comes from: `oauth` or `api-key`. The longest
    /// beginning wins.
    pub token_kinds: BTreeMap<String, Kind>,
    /// How a token of each kind travels; a bearer if nothing is said.
    #[serde(rename = "use")]
    pub uses: BTreeMap<Kind, UseDescription>,
    /// Variables for `convocations exec`, by kind; values are templates.
    pub exec: BTreeMap<Kind, BTreeMap<String, String>>,
    /// Variables for `convocations exec --gateway`; values are templates of `{gateway_url}` and
    /// `{gateway_key}`.
    pub exec_gateway: BTreeMap<String, String>,
    /// The form in which the API answers: `openai` (if nothing is said), `anthropic` or `gemini`.
    pub api: Option<ApiShape>,
    /// The methods in the order they are offered; the first is the default.
    pub methods: Option<Vec<String>>,
    /// Ways to log in, by name.
    pub login: BTreeMap<String, MethodDescription>,
    /// Page where a person sees and revokes what was given out; `{sha256}` stands for the key's SHA-256 in
    /// hex.
    pub key_page: Option<String>,
    /// What the provider ends when a token is revoked: `login`, the token's own, or `all-logins`, perhaps
    /// every one of the person (if nothing is said; a login that another one replaces is not revoked
    /// then).
    pub revocation_ends: Option<RevocationEnds>,
    /// The vendor's terms, in one line, where they matter.
    pub terms: Option<String>,
    /// Authorization server with discovery (RFC 8414, OpenID Connect Discovery).
    pub issuer: Option<String>,
    /// Protected resource with discovery (RFC 9728), such as an MCP server's URL.
    pub resource: Option<String>,
    /// What its methods ask for, where they do not say.
    pub scopes: Option<Vec<String>>,
    /// What the provider calls this program, for methods that do not say.
    pub client_id: Option<String>,
    /// URL of a Client ID Metadata Document, used where the server supports them.
    pub client_id_metadata_document: Option<String>,
    /// Where the client secret comes from, if there is one: `store`, `env:VARIABLE`, `file:PATH` or
    /// `command`.
    pub client_secret: Option<String>,
    /// The command that prints it. In a file of settings only, as every command.
    pub client_secret_command: Option<ProgramDescription>,
    /// A command that prints a credential: what the source `command` is.
    pub command: Option<CommandDescription>,
    /// What a machine proves of itself in place of a person: what the source `workload` is.
    pub workload: Option<WorkloadDescription>,
    /// Values for templates and second steps (`{domain}` …).
    pub options: BTreeMap<String, String>,
    /// How a login is tied to one of a person's organizations, for a provider where there are several.
    pub organization: Option<OrganizationDescription>,
    /// Where it tells how much is used; without it, the headers of its answers do.
    pub usage: Option<UsageDescription>,
}

/// `[providers.NAME.usage]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsageDescription {
    /// The address that is asked, with the headers of the API.
    pub url: Option<String>,
    /// Headers in place of those; `{base_token}` is the token under the API's own, or that one.
    pub headers: BTreeMap<String, String>,
    /// Where stands `false` for a login without the plan that all of it is about.
    pub active: Option<String>,
    /// Where money stands in the answer.
    pub credit: Option<CreditDescription>,
    /// Where windows stand in it.
    pub windows: Vec<WindowDescription>,
}

/// `[providers.NAME.usage.credit]`; places are JSON pointers (RFC 6901).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CreditDescription {
    /// Where a list stands with an item for each currency; the other places are in it then, and the first
    /// that has something left counts.
    pub each: Option<String>,
    /// Where stands what is left.
    pub remaining: Option<String>,
    /// Where stands what there was.
    pub limit: Option<String>,
    /// The currency, or where it stands.
    pub unit: Option<String>,
}

/// `[[providers.NAME.usage.windows]]`; places are JSON pointers (RFC 6901).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowDescription {
    /// Its length, such as `5 h`, and what it is about, if there are several of a length.
    pub name: Option<String>,
    /// Where a list of such windows stands; the other places are in each of its items then.
    pub each: Option<String>,
    /// Where its length stands, for one without a name.
    pub duration: Option<String>,
    /// Where the unit of that stands: a text with `second`, `minute`, `hour`, `day` or `week` in it.
    pub duration_unit: Option<String>,
    /// Where stands how much is used.
    pub used: Option<String>,
    /// Where stands how much is left.
    pub remaining: Option<String>,
    /// Where stands how much there is.
    pub limit: Option<String>,
    /// Where stands how much is left, in percent.
    pub percent_left: Option<String>,
    /// Where stands `true` if there is no limit.
    pub unlimited: Option<String>,
    /// Of what, or where that stands.
    pub unit: Option<String>,
    /// Where stands when it begins again.
    pub resets_at: Option<String>,
}

/// `[providers.NAME.organization]`. With neither `param` nor `option` the person chooses on the provider's
/// page.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrganizationDescription {
    /// What the provider calls one: `organization`, `workspace` …
    pub label: Option<String>,
    /// Parameter of the authorize URL that asks for one by its id.
    pub param: Option<String>,
    /// Name of the option that it takes the place of, for this login alone (`domain`).
    pub option: Option<String>,
}

/// `[providers.NAME.command]`. From a file of settings only, never from the editor's options, which a project
/// may set.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandDescription {
    /// The program and its arguments, run as they are and never by a shell: a name that `PATH` leads to, or a
    /// whole path.
    pub argv: Vec<String>,
    /// What it prints: `text`, one line that is the credential (if nothing is said), or `json`, an object of
    /// `token` and perhaps `expires_at` (Unix seconds) and `headers`.
    pub format: Option<CommandFormat>,
    /// Seconds that it may take, also to ask you for a finger or a password; 30 if nothing is said.
    pub timeout: Option<u64>,
    /// Seconds that an answer without an end is used; 900 if nothing is said.
    pub ttl: Option<u64>,
    /// Where an answer is kept meanwhile: `memory`, of each process for itself (if nothing is said), or
    /// `store`, sealed as a login is, so that other processes need not run it.
    pub cache: Option<CommandCache>,
    /// How it travels, where its beginning does not tell: `api-key` (if nothing is said) or `oauth`.
    pub kind: Option<Kind>,
}

/// A command without more to say: of `client_secret_command`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramDescription {
    /// As in `[providers.NAME.command]`.
    pub argv: Vec<String>,
    /// As there.
    pub timeout: Option<u64>,
}

/// `[providers.NAME.workload]`. From a file of settings only.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkloadDescription {
    /// `token-exchange` (RFC 8693, if nothing is said) or `jwt-bearer` (RFC 7523).
    pub grant: Option<WorkloadGrant>,
    /// Where the identity token becomes an access token.
    pub token_url: Option<String>,
    /// Encoding of that request: `form` (if nothing is said) or `json`.
    pub token_encoding: Option<Encoding>,
    /// Where the identity token comes from, in order: `env:VARIABLE`, `file:PATH`, `env-file:VARIABLE` (which
    /// names a file), `github` (GitHub Actions) or `command`. A file is read at each use.
    pub assertion: Vec<String>,
    /// The command that prints it: `argv` and `timeout`.
    pub command: Option<ProgramDescription>,
    /// Whom the identity token has to be made for; GitHub is asked for just that.
    pub audience: Option<String>,
    /// What it is to a token exchange: `jwt` (if nothing is said), `id_token`, or a whole URN.
    pub subject_token_type: Option<String>,
    /// Parameters of the request beside it.
    pub params: BTreeMap<String, String>,
    /// Parameters that variables give where `params` does not: the variable by parameter.
    pub env_params: BTreeMap<String, String>,
    /// Parameters that it takes; without the first one there is no workload identity.
    pub required: Vec<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Headers of the request.
    pub request_headers: BTreeMap<String, String>,
    /// How the access token travels: `oauth` (if nothing is said) or `api-key`.
    pub kind: Option<Kind>,
}

/// `[providers.NAME.use.KIND]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UseDescription {
    /// Headers by name; values are templates.
    pub headers: BTreeMap<String, String>,
    /// API base URL for this kind, where it is not the provider's.
    pub base_url: Option<String>,
}

/// `[providers.NAME.login.METHOD]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MethodDescription {
    /// What people choose it by.
    pub label: Option<String>,
    /// Shown, and to be confirmed, before the first login by this method.
    pub notice: Option<String>,
    /// `authorization-code`, `device-code`, `client-credentials` (the program itself, without a person),
    /// `mint-key` (a code that becomes a lasting key) or `api-key`.
    pub grant: Option<Grant>,
    /// Where the person signs in (RFC 6749, 3.1).
    pub authorize_url: Option<String>,
    /// Parameters beside the standard ones, of the authorize URL or of the request for a device code;
    /// `{origin}` stands for the callback's scheme, host and port.
    pub authorize_params: BTreeMap<String, String>,
    /// Where a code becomes tokens (RFC 6749, 3.2), or a key.
    pub token_url: Option<String>,
    /// Encoding of the token request: `form` or `json`.
    pub token_encoding: Option<Encoding>,
    /// Encoding of the refresh request, where it differs.
    pub refresh_encoding: Option<Encoding>,
    /// What the provider calls this program (RFC 6749, 2.2). A `mint-key` method that has one asks as RFC
    /// 6749 has it, and gets a key for its code.
    pub client_id: Option<String>,
    /// Page where the person registers this program, for a provider that knows it by no `client_id` yet.
    pub client_page: Option<String>,
    /// How a client secret is shown: `client_secret_post`, `client_secret_basic`, or `private_key_jwt`, where
    /// the secret is a private key in PEM and is never sent.
    pub client_auth: Option<ClientAuth>,
    /// Name of that key (`kid`), where the server wants it.
    pub client_key_id: Option<String>,
    /// What is asked for (RFC 6749, 3.3).
    pub scopes: Option<Vec<String>>,
    /// Where the answer goes.
    pub redirect: Option<RedirectDescription>,
    /// What the codes look like that people paste; what does not is not sent.
    pub code: CodeDescription,
    /// What the callback of a `mint-key` method brings: `code` (if nothing is said), or `key`, the key
    /// itself, for which no token endpoint is asked.
    pub callback: Option<CallbackBrings>,
    /// Seconds that a key of a `mint-key` method lasts whose end the answer does not tell; absent where it
    /// lasts until somebody deletes it.
    pub key_lifetime: Option<u32>,
    /// Name of the parameter that carries the redirect URI, `redirect_uri` if absent.
    pub redirect_param: Option<String>,
    /// Whether the token request repeats `state`.
    pub state_in_token_request: Option<bool>,
    /// Where tokens are revoked (RFC 7009).
    pub revoke_url: Option<String>,
    /// Encoding of the revocation request.
    pub revoke_encoding: Option<Encoding>,
    /// Where a device code is asked for (RFC 8628, 3.1).
    pub device_authorization_url: Option<String>,
    /// Where the person types the code, for a dialect that does not say.
    pub verification_url: Option<String>,
    /// `rfc8628`, or `openai` or `nanogpt` for their own.
    pub device_dialect: Option<DeviceDialect>,
    /// A step in code that makes the credential out of the tokens: `anthropic-console-key`, `copilot-token`.
    pub second_step: Option<SecondStep>,
    /// Where the second step asks.
    pub second_step_url: Option<String>,
    /// Where the person's name can be asked for with the token.
    pub identity_url: Option<String>,
    /// Headers of the token, device and second-step requests.
    pub request_headers: BTreeMap<String, String>,
    /// Page where a key is made by hand.
    pub page: Option<String>,
    /// Who may use what it yields, by the vendor's terms: `any` (if nothing is said) or `editor`, which the
    /// gateway and the agent do not serve.
    pub share: Option<Share>,
    /// The client id that `share` speaks of, where terms bind a vendor's own client: with another, anybody
    /// may.
    pub share_client_id: Option<String>,
}

/// `redirect = { … }`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedirectDescription {
    /// Host as the provider registered it: `localhost` or `127.0.0.1`.
    pub host: Option<String>,
    /// `any`, or a list of the ports that are registered.
    pub ports: Option<PortsDescription>,
    /// Path of the callback.
    pub path: Option<String>,
    /// Page of the provider that shows a code to paste.
    pub page: Option<String>,
    /// Whether a random part, new for each login, follows the path.
    pub nonce: Option<bool>,
}

/// `code = { … }`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CodeDescription {
    /// Shortest one, in characters.
    pub min_length: Option<usize>,
    /// Characters beside letters and digits.
    pub characters: Option<String>,
}

/// Ports that a provider takes in a loopback redirect.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum PortsDescription {
    /// `"any"`.
    Word(String),
    /// Registered ones, in the order they are tried.
    List(Vec<u16>),
}
