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
use crate::protocol::Credential;
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
    let mut passed = None;
    for source in provider.sources_of(login) {
        let credential = match source {
            Source::Env { .. } => from_env(&provider, login, source),
            Source::App => from_app(config, store, &provider, login)?,
            Source::Workload => match from_workload(answers, &provider, login)? {
                Workload::None => None,
                Workload::There(there) => {
                    let now = clock.now();
                    let fresh = |there: &Credential| there.is_fresh(now, validity.seconds(there.lifetime));
                    match there {
                        Some(there) if fresh(&there) => Some(*there),
                        there => {
                            let seen = there.map(|there| there.token);
                            return Ok(Found::ToObtain { source: source.clone(), seen, passed });
                        }
                    }
                }
            },
            Source::Command => {
                let there = from_command(store, answers, &provider, login);
                let now = clock.now();
                match there {
                    Some(there) if there.is_fresh(now, validity.seconds(there.lifetime)) => Some(there),
                    there => {
                        let seen = there.map(|there| there.token);
                        return Ok(Found::ToObtain { source: source.clone(), seen, passed });
                    }
                }
            }
            Source::Login => match stored(store, clock, &provider, login, validity)? {
                Login::None => None,
                Login::Good(credential) => Some(*credential),
                Login::Stale(token) => return Ok(Found::Stale { token }),
                Login::Refused(refused) => {
                    passed = Some(refused);
                    None
                }
            },
        };
        if let Some(credential) = credential {
            return Ok(Found::Good { credential: Box::new(credential), passed });
        }
    }
    Err(passed.map_or_else(|| not_logged_in(&provider, login), |passed| passed.error))
}

/// A variable's value; an empty one counts as not set.
pub(super) fn env_value(source: &Source) -> Option<Secret> {
    let Source::Env { var, .. } = source else { return None };
    let value = std::env::var(var).ok()?;
    // What cannot stand in a header is no key: a file's whole content, say.
    let value = value.trim();
    is_credential(value).then(|| Secret::new(value))
}

fn from_env(provider: &Provider, login: &LoginId, source: &Source) -> Option<Credential> {
    let Source::Env { kind, .. } = source else { return None };
    let tokens = Tokens::api_key(env_value(source)?, 0);
    Some(provider.credential(login, &source.name(), *kind, &tokens, 0))
}

/// What the provider's command gave last, fresh or not.
fn from_command(
    store: &Store,
    answers: &Answers,
    provider: &Provider,
    login: &LoginId,
) -> Option<Credential> {
    let command = provider.command.as_ref()?;
    let tokens = answer(answers, store, provider, command, login)?;
    Some(provider.credential(login, &Source::Command.name(), command.kind, &tokens, 0))
}

enum Workload {
    None,
    There(Option<Box<Credential>>),
}

/// Whether this machine has an identity, and what it was exchanged for last.
fn from_workload(answers: &Answers, provider: &Provider, login: &LoginId) -> Result<Workload> {
    let Some(described) = &provider.workload else { return Ok(Workload::None) };
    if !workload::is_here(described)? {
        return Ok(Workload::None);
    }
    let tokens = answers.get(login).filter(|tokens| tokens.origins == [described.binding()]);
    Ok(Workload::There(tokens.map(|tokens| Box::new(of_workload(provider, login, described, &tokens)))))
}

/// What is handed out for an exchanged token. It is the organisation's own, whatever a vendor's terms say of
/// the logins of people.
pub(super) fn of_workload(
    provider: &Provider,
    login: &LoginId,
    described: &provider::Workload,
    tokens: &Tokens,
) -> Credential {
    let credential = provider.credential(login, &Source::Workload.name(), described.kind, tokens, 0);
    Credential { share: Share::Any, ..credential }
}

fn from_app(
    config: &Config,
    store: &Store,
    provider: &Provider,
    login: &LoginId,
) -> Result<Option<Credential>> {
    let key = store.app_key(config.app_key_reference())?;
    Ok(key.map(|key| provider.credential(login, "app", Kind::ApiKey, &Tokens::api_key(key, 0), 0)))
}

enum Login {
    None,
    Good(Box<Credential>),
    Stale(Secret),
    Refused(Passed),
}

fn stored(
    store: &Store,
    clock: &Clock,
    provider: &Provider,
    login: &LoginId,
    validity: Validity,
) -> Result<Login> {
    let Some(stored) = store.read(login)? else { return Ok(Login::None) };
    let now = clock.now();
    let refused = is_refused(&stored);
    // When the refresh token is spent the access token may not be: it is good until its end, or until the API
    // refused it, which only the index knows.
    let fresh = match refused {
        true => stored.tokens.is_fresh(now, 0) && stored.entry.expires_at.is_none_or(|end| end > now),
        false => stored.tokens.is_fresh(now, validity.seconds(stored.tokens.lifetime())),
    };
    if fresh {
        return Ok(Login::Good(Box::new(credential(provider, login, &stored))));
    }
    Ok(match stored.entry.refused {
        Some(fingerprint) if refused => {
            Login::Refused(Passed { error: expired(provider, login), fingerprint })
        }
        _ => Login::Stale(stored.tokens.access_token),
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
    provider.credential(
        login,
        &Source::Login.name(),
        stored.entry.kind,
        &stored.tokens,
        stored.entry.revision,
    )
}

/// The end of a login.
pub(super) fn expired(provider: &Provider, login: &LoginId) -> Error {
    Error::new(
        Code::LoginExpired,
        format!("The {} login has expired and can no longer be refreshed.", provider.name),
    )
    .with_hint(format!("Log in again with `:ConvLogin {login}`."))
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
