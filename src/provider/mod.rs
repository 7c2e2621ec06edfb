//! Providers as data: what each one is called, how one logs in, and how its tokens travel.
//!
//! Guarantees: a [`Provider`] has passed every check (URLs, names, templates), so nobody after it has to.
//! Adding a provider is a file in `builtin/` and a line in [`builtin`]. Knows no network and no store.

pub mod builtin;
mod check;
mod client_secret;
mod command;
pub mod describe;
mod login_method;
mod method;
mod organization;
mod redirect;
mod resolve;
mod resolve_command;
mod resolve_workload;
mod revocation;
mod share;
mod source;
#[cfg(test)]
mod tests;
mod usage;
mod workload;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use check::check_url;
pub use client_secret::{ClientAuth, ClientSecret};
pub use command::{CommandCache, CommandFormat, CommandSource, Program};
pub use login_method::{CallbackBrings, DeviceDialect, Encoding, Method, SecondStep};
pub use organization::{Choice, Organizations};
pub use redirect::{CodeForm, Redirect, RedirectPorts};
pub use resolve::resolve;
pub use revocation::RevocationEnds;
pub use share::ApiShape;
pub use source::Source;
pub use usage::UsageQuery;
pub use workload::{AssertionSource, Workload, WorkloadGrant};

use crate::credential::{Kind, Tokens};
use crate::login_id::LoginId;
use crate::protocol::Credential;
pub use crate::protocol::Grant;
use crate::secret::Secret;
use crate::template;

/// What `{version}` stands for.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The account that is none: see [`Provider::client_login`].
pub const CLIENT_ACCOUNT: &str = "oauth-client";

/// The account that is none either: see [`Provider::answer_login`].
pub const ANSWER_ACCOUNT: &str = "command-answer";

/// Whether this is the name under which the store keeps a provider's client, and not a login.
pub fn is_client(login: &LoginId) -> bool {
    login.account() == Some(CLIENT_ACCOUNT)
}

/// Whether what the store keeps under this name is no login: a provider's client, or a command's answer.
pub fn is_no_login(login: &LoginId) -> bool {
    is_client(login) || login.account() == Some(ANSWER_ACCOUNT)
}

/// Fills the values that are the same for every login: the options and `{version}`. Others stay as they
/// stand.
pub(crate) fn constant(text: &str, options: &BTreeMap<String, String>) -> String {
    let value = |key: &str| match key {
        "version" => Some(VERSION.to_owned()),
        "domain" => options.get(key).map(|domain| host_of(domain).to_owned()),
        other => options.get(other).cloned(),
    };
    template::fill(text, |key| value(key).or_else(|| Some(format!("{{{key}}}"))))
        .unwrap_or_else(|| text.to_owned())
}

/// The host alone, for people who paste the address of their GitHub Enterprise.
fn host_of(domain: &str) -> &str {
    let domain = domain.trim();
    let host = domain.split_once("://").map_or(domain, |(_, host)| host);
    host.split('/').next().unwrap_or(host)
}

/// How a token of one kind travels.
#[derive(Debug, Clone, Default)]
pub struct Use {
    /// Header templates by name.
    pub headers: BTreeMap<String, String>,
    /// API base URL for this kind, where it is not the provider's.
    pub base_url: Option<String>,
}

/// A provider whose description passed every check.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in logins.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Where its API is.
    pub base_url: Option<String>,
    /// Where a credential may come from, in order.
    pub sources: Vec<Source>,
    /// The kind of a token by how it begins.
    pub token_kinds: BTreeMap<String, Kind>,
    /// How tokens travel, by kind.
    pub uses: BTreeMap<Kind, Use>,
    /// Variables for `exec`, by kind; values are templates.
    pub exec: BTreeMap<Kind, BTreeMap<String, String>>,
    /// Variables that point a program at the gateway; values are templates.
    pub exec_gateway: BTreeMap<String, String>,
    /// The form in which the API answers.
    pub api: ApiShape,
    /// Ways to log in; the first is the default.
    pub methods: Vec<Method>,
    /// Page where a person sees and revokes what was given out.
    pub key_page: Option<String>,
    /// What it ends when a token is revoked.
    pub revocation_ends: RevocationEnds,
    /// The vendor's terms, in one line, where they matter.
    pub terms: Option<String>,
    /// Issuer, for a provider with discovery.
    pub issuer: Option<String>,
    /// Resource, for a provider with discovery.
    pub resource: Option<String>,
    /// URL of a Client ID Metadata Document.
    pub client_id_metadata_document: Option<String>,
    /// Where a client secret comes from, if the provider gave one.
    pub client_secret: Option<ClientSecret>,
    /// Where it tells how much is used, if it has an address for that.
    pub usage: Option<UsageQuery>,
    /// How a login is tied to one of several organizations, where there are.
    pub organizations: Option<Organizations>,
    /// What the source `command` runs.
    pub command: Option<CommandSource>,
    /// What the source `workload` is.
    pub workload: Option<Workload>,
    /// Values for templates and second steps.
    pub options: BTreeMap<String, String>,
    /// Whether it ships with the program.
    pub builtin: bool,
}

impl Provider {
    /// The method of this name.
    pub fn method(&self, id: &str) -> Option<&Method> {
        self.methods.iter().find(|method| method.id == id)
    }

    /// The method that is taken when none is named.
    pub fn default_method(&self) -> Option<&Method> {
        self.methods.first()
    }

    /// The kind of a token: what its beginning says, else `otherwise`. People put a token of one kind where
    /// one of the other is asked for, and the API takes each in its own way only.
    pub fn kind_of(&self, token: &Secret, otherwise: Kind) -> Kind {
        let begins = self.token_kinds.iter().filter(|(start, _)| token.expose().starts_with(start.as_str()));
        begins.max_by_key(|(start, _)| start.len()).map_or(otherwise, |(_, kind)| *kind)
    }

    /// Everything the API wants with a token, by header name. A header whose template names a value that the
    /// login does not have is left out.
    pub fn headers(&self, kind: Kind, tokens: &Tokens) -> BTreeMap<String, Secret> {
        let Some(how) = self.uses.get(&kind) else { return BTreeMap::new() };
        let filled = how.headers.iter().filter_map(|(name, template)| {
            Some((name.clone(), Secret::new(template::fill(template, |key| self.value(key, tokens))?)))
        });
        filled.collect()
    }

    /// What a caller gets for `tokens`.
    pub fn credential(
        &self,
        login: &LoginId,
        source: &str,
        kind: Kind,
        tokens: &Tokens,
        revision: u64,
    ) -> Credential {
        let kind = self.kind_of(&tokens.access_token, kind);
        let of_kind = self.uses.get(&kind).and_then(|how| how.base_url.clone());
        Credential {
            token: tokens.access_token.clone(),
            kind,
            share: self.share_of(kind),
            headers: with_own(self.headers(kind, tokens), &tokens.headers),
            base_url: tokens.base_url.clone().or(of_kind).or_else(|| self.base_url.clone()),
            expires_at: tokens.expires_at,
            use_until: tokens.use_until,
            source: source.to_owned(),
            login: login.clone(),
            identity: tokens.identity.clone(),
            scopes: tokens.scopes.clone(),
            revision,
            lifetime: tokens.lifetime(),
        }
    }

    /// Variables for a program that is to use the credential, by name.
    pub fn exec_variables(&self, kind: Kind, tokens: &Tokens) -> BTreeMap<String, Secret> {
        let Some(variables) = self.exec.get(&kind) else { return BTreeMap::new() };
        let filled = variables.iter().filter_map(|(name, template)| {
            Some((name.clone(), Secret::new(template::fill(template, |key| self.value(key, tokens))?)))
        });
        filled.collect()
    }

    /// [`Provider::exec_variables`] for what was handed out.
    pub fn exec_for(&self, credential: &Credential) -> BTreeMap<String, Secret> {
        let mut tokens = Tokens::api_key(credential.token.clone(), 0);
        tokens.base_url.clone_from(&credential.base_url);
        self.exec_variables(credential.kind, &tokens)
    }

    /// The page where the person can see and revoke this very credential.
    pub fn key_page(&self, tokens: &Tokens) -> Option<String> {
        let digest = || {
            let digest = Sha256::digest(tokens.access_token.expose().as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        template::fill(self.key_page.as_deref()?, |key| match key {
            "sha256" => Some(digest()),
            other => self.options.get(other).cloned(),
        })
    }

    /// The sources of a login, in order. A named account is the stored login of that name and nothing else:
    /// the environment speaks of no account. What identifies this program to the provider is no login, and
    /// has none.
    pub fn sources_of<'a>(&'a self, login: &'a LoginId) -> impl Iterator<Item = &'a Source> {
        let fits = |source: &&Source| match login.account() {
            None => true,
            Some(_) => **source == Source::Login && !is_no_login(login),
        };
        self.sources.iter().filter(fits)
    }

    /// Where the store keeps what identifies this program to a provider of one's own, which outlives every
    /// login: the client secret that the person entered, or the registration that the server gave (RFC 7591).
    pub fn client_login(&self) -> Option<LoginId> {
        format!("{}@{CLIENT_ACCOUNT}", self.id).parse().ok()
    }

    /// Where the store keeps what the provider's command printed last, where the settings want that. It is no
    /// login, and nobody can use it by this name.
    pub fn answer_login(&self) -> Option<LoginId> {
        format!("{}@{ANSWER_ACCOUNT}", self.id).parse().ok()
    }

    /// The name under which an accepted notice of a method is remembered.
    pub fn notice_name(&self, method: &Method) -> String {
        format!("{}/{}", self.id, method.id)
    }

    fn value(&self, key: &str, tokens: &Tokens) -> Option<String> {
        match key {
            "token" => Some(tokens.access_token.expose().to_owned()),
            "base_url" => tokens.base_url.clone().or_else(|| self.base_url.clone()),
            "version" => Some(VERSION.to_owned()),
            other => tokens.extra.get(other).or_else(|| self.options.get(other)).cloned(),
        }
    }
}

/// The headers of a description, with a credential's own over them: names count whatever their case.
fn with_own(
    mut headers: BTreeMap<String, Secret>,
    own: &BTreeMap<String, Secret>,
) -> BTreeMap<String, Secret> {
    headers.retain(|name, _| !own.keys().any(|other| other.eq_ignore_ascii_case(name)));
    headers.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    headers
}
