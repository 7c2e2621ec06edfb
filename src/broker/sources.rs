//! Where a credential comes from (`:h conv-providers`): the first source that yields one, in the provider's
//! order.
//!
//! Guarantees: no network; a store that cannot be read is an error and not a reason to try the next source.

use super::obtained::{Answers, answer};
use crate::clock::Clock;
use crate::config::Config;
use crate::credential::{Kind, Share, Tokens, Validity};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{Credential, LoginStatus};
use crate::provider::{self, Provider, Source};
use crate::secret::Secret;
use crate::store::{Store, Stored};
use crate::text::is_credential;
use crate::workload;

/// What the sources say without the network.
#[derive(Debug)]
pub(super) enum Found {
    /// A credential that is good, and why the stored login was passed over for it, if it was.
    Good { credential: Box<Credential>, passed: Option<Passed> },
    /// The stored login has to be refreshed; with its token of now.
    Stale { token: Secret },
    /// A source has to be asked, which takes its time: with its token of now, if there is one.
    ToObtain { source: Source, seen: Option<Secret>, passed: Option<Passed> },
}

/// A stored login that was passed over because its refresh was refused for good.
#[derive(Debug)]
pub(super) struct Passed {
    pub error: Error,
    /// Of the refresh token that was refused.
    pub fingerprint: String,
}

/// The credential if one is good already, for callers without a runtime: `None` means that more has to be
/// done than reading.
///
/// # Errors
/// As for [`super::Broker::get`].
pub fn token_now(
    config: &Config,
    store: &Store,
    clock: &Clock,
    login: &LoginId,
    min_validity: Option<i64>,
) -> Result<Option<Credential>> {
    let validity = Validity::new(min_validity, config.refresh.margin);
    Ok(match find(config, store, clock, &Answers::default(), login, validity)? {
        // That a login was passed over has to be told, which the caller with a runtime does.
        Found::Good { passed: Some(_), .. } | Found::Stale { .. } | Found::ToObtain { .. } => None,
        Found::Good { credential, passed: None } => Some(*credential),
    })
}

/// Goes through the sources.
pub(super) fn find(
    config: &Config,
    store: &Store,
    clock: &Clock,
    answers: &Answers,
    login: &LoginId,
    validity: Validity,
) -> Result<Found> {
    let provider = config.provider(login.provider())?;
    let now = clock.now();
    let is_fresh = |tokens: &Tokens| tokens.is_fresh(now, validity.seconds(tokens.lifetime()));
    let mut passed = None;
    for source in provider.sources_of(login) {
        let said = match source {
            Source::Env { kind, .. } => from_env(source, *kind),
            Source::App => from_app(config, store)?,
            Source::Workload => from_workload(answers, &provider, login, is_fresh)?,
            Source::Command => from_command(store, answers, &provider, login, is_fresh),
            Source::Login => stored(store, now, &provider, login, is_fresh)?,
        };
        match said {
            Said::Nothing => {}
            Said::Good(held) => {
                let Held { kind, tokens, revision } = *held;
                let credential = hand_out(&provider, login, source, kind, &tokens, revision);
                return Ok(Found::Good { credential: Box::new(credential), passed });
            }
            Said::Stale(token) => return Ok(Found::Stale { token }),
            Said::ToAsk(seen) => return Ok(Found::ToObtain { source: source.clone(), seen, passed }),
            Said::Refused(refused) => passed = Some(refused),
        }
    }
    Err(passed.map_or_else(|| not_logged_in(&provider, login), |passed| passed.error))
}

/// What one source says without the network.
enum Said {
    Nothing,
    Good(Box<Held>),
    /// The stored login's token is not fresh any more.
    Stale(Secret),
    /// It has to be asked; with its token of now.
    ToAsk(Option<Secret>),
    Refused(Passed),
}

/// Tokens as their source holds them.
struct Held {
    kind: Kind,
    tokens: Tokens,
    revision: u64,
}

impl Said {
    fn key(key: Secret, kind: Kind) -> Self {
        Self::Good(Box::new(Held { kind, tokens: Tokens::api_key(key, 0), revision: 0 }))
    }

    /// Of a source that gives something new whenever it is asked.
    fn last(tokens: Option<Tokens>, kind: Kind, is_fresh: impl Fn(&Tokens) -> bool) -> Self {
        match tokens {
            Some(tokens) if is_fresh(&tokens) => Self::Good(Box::new(Held { kind, tokens, revision: 0 })),
            other => Self::ToAsk(other.map(|tokens| tokens.access_token)),
        }
    }
}

/// A variable's value; an empty one counts as not set.
pub(super) fn env_value(source: &Source) -> Option<Secret> {
    let Source::Env { var, .. } = source else { return None };
    variable(var)
}

/// The key in a variable of this name.
pub(super) fn variable(name: &str) -> Option<Secret> {
    let value = std::env::var(name).ok()?;
    // What cannot stand in a header is no key: a file's whole content, say.
    let value = value.trim();
    is_credential(value).then(|| Secret::new(value))
}

fn from_env(source: &Source, kind: Kind) -> Said {
    env_value(source).map_or(Said::Nothing, |key| Said::key(key, kind))
}

fn from_app(config: &Config, store: &Store) -> Result<Said> {
    let key = store.app_key(config.app_key_reference())?;
    Ok(key.map_or(Said::Nothing, |key| Said::key(key, Kind::ApiKey)))
}

/// What the provider's command gave last.
fn from_command(
    store: &Store,
    answers: &Answers,
    provider: &Provider,
    login: &LoginId,
    is_fresh: impl Fn(&Tokens) -> bool,
) -> Said {
    let Some(command) = &provider.command else { return Said::ToAsk(None) };
    Said::last(answer(answers, store, provider, command, login), command.kind, is_fresh)
}

/// Whether this machine has an identity, and what it was exchanged for last.
fn from_workload(
    answers: &Answers,
    provider: &Provider,
    login: &LoginId,
    is_fresh: impl Fn(&Tokens) -> bool,
) -> Result<Said> {
    let Some(described) = &provider.workload else { return Ok(Said::Nothing) };
    if !workload::is_here(described)? {
        return Ok(Said::Nothing);
    }
    let tokens = answers.get(login).filter(|tokens| tokens.origins == [described.binding()]);
    Ok(Said::last(tokens, described.kind, is_fresh))
}

fn stored(
    store: &Store,
    now: i64,
    provider: &Provider,
    login: &LoginId,
    is_fresh: impl Fn(&Tokens) -> bool,
) -> Result<Said> {
    let Some(stored) = store.read(login)? else { return Ok(Said::Nothing) };
    let refused = is_refused(&stored);
    // When the refresh token is spent the access token may not be: it is good until its end, or until the API
    // refused it, which only the index knows.
    let fresh = match refused {
        true => stored.tokens.is_fresh(now, 0) && stored.entry.expires_at.is_none_or(|end| end > now),
        false => is_fresh(&stored.tokens),
    };
    if fresh {
        let Stored { entry, tokens } = stored;
        return Ok(Said::Good(Box::new(Held { kind: entry.kind, tokens, revision: entry.revision })));
    }
    Ok(match stored.entry.refused {
        Some(fingerprint) if refused => {
            Said::Refused(Passed { error: expired(provider, login), fingerprint })
        }
        _ => Said::Stale(stored.tokens.access_token),
    })
}

/// Whether exactly the refresh token in the store was refused before: nobody sends it again.
pub(super) fn is_refused(stored: &Stored) -> bool {
    stored.entry.refused.as_deref() == Some(spent(&stored.tokens).fingerprint().as_str())
}

/// What a refresh would spend.
pub(super) fn spent(tokens: &Tokens) -> &Secret {
    tokens.base_token.as_ref().or(tokens.refresh_token.as_ref()).unwrap_or(&tokens.access_token)
}

/// What is handed out for a stored login.
pub(super) fn credential(provider: &Provider, login: &LoginId, stored: &Stored) -> Credential {
    let Stored { entry, tokens } = stored;
    hand_out(provider, login, &Source::Login, entry.kind, tokens, entry.revision)
}

/// What is handed out for what a machine's identity was exchanged for.
pub(super) fn of_workload(
    provider: &Provider,
    login: &LoginId,
    described: &provider::Workload,
    tokens: &Tokens,
) -> Credential {
    hand_out(provider, login, &Source::Workload, described.kind, tokens, 0)
}

fn hand_out(
    provider: &Provider,
    login: &LoginId,
    source: &Source,
    kind: Kind,
    tokens: &Tokens,
    revision: u64,
) -> Credential {
    let credential = provider.credential(login, &source.name(), kind, tokens, revision);
    match source {
        // It is the organisation's own, whatever a vendor's terms say of the logins of people.
        Source::Workload => Credential { share: Share::Any, ..credential },
        _ => credential,
    }
}

/// The end of a login.
pub(super) fn expired(provider: &Provider, login: &LoginId) -> Error {
    Error::new(
        Code::LoginExpired,
        format!("The {} login has expired and can no longer be refreshed.", provider.name),
    )
    .with_hint(format!("Log in again with `:ConvLogin {login}`."))
}

/// Whether this machine has an identity that nobody asks, since another source of the login goes before it.
///
/// # Errors
/// `config_invalid` if it has half of one.
pub fn hides_identity(config: &Config, status: &LoginStatus) -> Result<bool> {
    let provider = config.provider(status.login.provider())?;
    let is_source = provider.sources_of(&status.login).any(|source| *source == Source::Workload);
    match (&provider.workload, status.source.as_deref()) {
        (Some(workload), Some(source)) if is_source && source != Source::Workload.name() => {
            workload::is_here(workload)
        }
        _ => Ok(false),
    }
}

/// Where nobody can log in (`CI`, which every build service sets) it leads to what such a job has; but
/// neither a variable nor a job's identity speaks of an account.
pub(super) fn not_logged_in(provider: &Provider, login: &LoginId) -> Error {
    let error = Error::new(Code::NotLoggedIn, format!("You are not logged in to {}.", provider.name));
    let speaks_for_it = login.account().is_none() && provider.workload.is_some();
    match speaks_for_it && std::env::var_os("CI").is_some() {
        true => error.with_hint("Give this job an identity, or a key in a variable: `:h conv-workload`."),
        false => error.with_hint(format!("Log in with `:ConvLogin {login}`.")),
    }
}
