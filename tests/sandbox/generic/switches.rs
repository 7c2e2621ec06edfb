//! The switches of the provider that follows the standards.

use serde::{Deserialize, Serialize};

use crate::tokens::TokenRules;

/// See each field; the defaults are what the real thing does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    pub tokens: TokenRules,
    /// The metadata documents that exist.
    pub documents: Vec<Document>,
    pub issuer: IssuerSwitch,
    pub pkce: PkceSwitch,
    /// What `iss` the authorization response carries, and whether the metadata promises one.
    pub iss: IssSwitch,
    pub iss_advertised: bool,
    /// Whether `openid` needs a nonce (Canaille's default), and what id tokens repeat of it.
    pub nonce_required: bool,
    pub nonce: NonceSwitch,
    pub registration: bool,
    /// What a registration may ask for.
    pub registration_dialect: RegistrationDialect,
    /// Whether a registration gives a client secret.
    pub registration_secret: bool,
    /// Whether a `client_id` may be the URL of a metadata document.
    pub cimd: bool,
    /// Whether `offline_access` is offered, and needed for a refresh token.
    pub offline_access: bool,
    /// Whether `offline_access` is ignored without `prompt=consent`.
    pub offline_needs_consent: bool,
    /// Whether access tokens are JWTs.
    pub jwt: bool,
    pub revocation: bool,
    pub device: bool,
    /// Whether clients may use the device grant that the metadata names; if not, they are refused as Keycloak
    /// and Auth0 refuse them.
    pub device_entitled: bool,
    /// Seconds between polls; none = the reply says nothing, and 5 holds.
    pub interval: Option<i64>,
    pub device_lifetime: i64,
    pub verification_uri_complete: bool,
    /// What the resource says to a GET without a token; a POST is refused in any case.
    pub resource_get: ResourceGet,
    /// What MCP servers of 2025-03-26 are: their resource has no document, and the server is at its origin.
    pub old_mcp: OldMcp,
    /// Whether the resource's 401 names its metadata.
    pub resource_hint: bool,
    /// Where the resource's metadata can be found without the hint.
    pub resource_document: ResourceDocument,
    /// Whether the metadata is of the resource that was asked.
    pub resource_matches: bool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            tokens: TokenRules::living(3600),
            documents: vec![Document::Rfc8414, Document::OpenidInserted, Document::OpenidAppended],
            issuer: IssuerSwitch::Right,
            pkce: PkceSwitch::S256,
            iss: IssSwitch::Right,
            iss_advertised: true,
            nonce_required: false,
            nonce: NonceSwitch::Right,
            registration: true,
            registration_dialect: RegistrationDialect::Any,
            registration_secret: false,
            cimd: false,
            offline_access: true,
            offline_needs_consent: true,
            jwt: false,
            revocation: true,
            device: true,
            device_entitled: true,
            interval: Some(5),
            device_lifetime: 600,
            verification_uri_complete: true,
            resource_get: ResourceGet::Refused,
            old_mcp: OldMcp::No,
            resource_hint: true,
            resource_document: ResourceDocument::Both,
            resource_matches: true,
        }
    }
}

/// A metadata document of the authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// `/.well-known/oauth-authorization-server/generic`
    Rfc8414,
    /// `/.well-known/openid-configuration/generic`
    OpenidInserted,
    /// `/generic/.well-known/openid-configuration`
    OpenidAppended,
}

/// The `nonce` of an id token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonceSwitch {
    Right,
    Wrong,
    Absent,
}

/// The `issuer` that the metadata names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssuerSwitch {
    Right,
    Wrong,
    /// With one slash too many.
    Slash,
}

/// The `code_challenge_methods_supported` of the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PkceSwitch {
    S256,
    Plain,
    Absent,
}

/// The `iss` of the authorization response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IssSwitch {
    Right,
    Wrong,
    Absent,
}

/// Which well-known paths have the resource's metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceDocument {
    Inserted,
    Root,
    Both,
    None,
}

/// What servers take in a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationDialect {
    Any,
    /// One grant and no more (django-oauth-toolkit).
    OneGrant,
    /// `authorization_code` and `refresh_token`, whatever else (MCP's Python SDK 1).
    CodeAndRefresh,
    /// Clients that prove themselves by HTTP Basic.
    Confidential,
    /// No scope: those of the resource are unknown here.
    NoScope,
}

/// What a resource says to a GET.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceGet {
    /// 401, with the challenge.
    Refused,
    /// 404, as an Express server with a POST route answers.
    Missing,
    /// 405.
    NotAllowed,
    /// 200.
    Open,
    /// 401 that says nothing, as a proxy in front of it answers.
    Silent,
}

/// MCP servers before RFC 9728.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OldMcp {
    No,
    /// With a document at the origin.
    Described,
    /// By the default addresses alone.
    Defaults,
}
