//! Providers that are left alone for a while after a failure, and why.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::login_id::LoginId;
use crate::oauth::Failure;

/// First time that a failing provider is left alone between calls; it doubles from failure to failure.
const FIRST: Duration = Duration::from_secs(1);
/// Longest such time.
const LONGEST: Duration = Duration::from_secs(30);
/// The longest where the provider is not even reached: nobody is spared by more, and the network may be back.
const UNREACHED: Duration = Duration::from_secs(5);
/// Least time that a provider may ask to be left alone for (CLIProxyAPI clamps Anthropic's to the same
/// bounds).
const ASKED_LEAST: Duration = Duration::from_secs(5);
/// Longest such time.
pub(super) const ASKED_LONGEST: Duration = Duration::from_secs(300);

/// What a provider asked for, within bounds.
pub(super) fn bounded(asked: Duration) -> Duration {
    asked.clamp(ASKED_LEAST, ASKED_LONGEST)
}

/// What failed last, by login, until something succeeds.
#[derive(Debug, Default)]
pub(in crate::broker) struct Backoff(Mutex<HashMap<LoginId, Pause>>);

#[derive(Debug, Clone)]
struct Pause {
    until: Instant,
    length: Duration,
    /// The end of the token that is used meanwhile, Unix seconds: the pause ends with it, unless the provider
    /// asked for it.
    used_until: Option<i64>,
    error: Error,
}

impl Backoff {
    /// Why the last refresh of a login failed, until one succeeds.
    pub fn last_error(&self, login: &LoginId) -> Option<Error> {
        self.pauses().get(login).map(|pause| pause.error.clone())
    }

    /// The error to answer with while a login's provider is left alone.
    pub fn current_error(&self, login: &LoginId, now: i64) -> Option<Error> {
        let pauses = self.pauses();
        let pause = pauses.get(login).filter(|pause| Instant::now() < pause.until)?;
        pause.used_until.is_none_or(|end| now < end).then(|| pause.error.clone())
    }

    /// Notes how a refresh went, and until when the old token is used if it failed.
    pub fn note(&self, login: &LoginId, result: &Result<Tokens, Failure>, used_until: Option<i64>) {
        let mut pauses = self.pauses();
        match result {
            Ok(_) | Err(Failure::Refused(_)) => drop(pauses.remove(login)),
            Err(failure) => {
                let (retry_after, longest) = match failure {
                    Failure::Transient { retry_after, sent, error } => {
                        let unreached = !sent && error.code() == Code::Network;
                        (*retry_after, if unreached { UNREACHED } else { LONGEST })
                    }
                    _ => (None, LONGEST),
                };
                let before = pauses.get(login).map_or(Duration::ZERO, |pause| pause.length);
                let length = match retry_after {
                    Some(wait) => bounded(wait),
                    None => (before * 2).clamp(FIRST, longest),
                };
                let error = failure.error().clone().with_retry_after(Some(length));
                let used_until = used_until.filter(|_| retry_after.is_none());
                pauses.insert(
                    login.clone(),
                    Pause { until: Instant::now() + length, length, used_until, error },
                );
            }
        }
    }

    /// Forgets that a login's provider is left alone: the person has just logged in, or out.
    pub fn clear(&self, login: &LoginId) {
        self.pauses().remove(login);
    }

    /// [`Backoff::clear`] for all: the settings have changed.
    pub fn clear_all(&self) {
        self.pauses().clear();
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<LoginId, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The seconds that a login's provider is left alone, failure after failure.
    fn pauses(failure: impl Fn() -> Failure) -> Vec<u64> {
        let (backoff, login) = (Backoff::default(), "anthropic".parse().unwrap());
        let fail = |_| {
            backoff.note(&login, &Err(failure()), None);
            assert!(backoff.current_error(&login, 0).is_some());
            backoff.pauses()[&login].length.as_secs()
        };
        let found = (0..8).map(fail).collect();
        backoff.note(&login, &Ok(Tokens::api_key(Secret::new("new"), 0)), None);
        assert!(backoff.current_error(&login, 0).is_none(), "a success ends it");
        found
    }

    fn failed(code: Code, retry_after: Option<u64>) -> Failure {
        let retry_after = retry_after.map(Duration::from_secs);
        Failure::Transient { error: Error::new(code, "It failed."), retry_after, sent: false }
    }

    #[test]
    fn a_failing_provider_is_left_alone_for_longer_and_longer_but_not_for_long() {
        assert_eq!(pauses(|| failed(Code::ProviderError, None)), [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pauses(|| failed(Code::Network, None)), [1, 2, 4, 5, 5, 5, 5, 5]);
        let wrong = || Failure::Configuration(Error::new(Code::ProviderRefused, "A setting."));
        assert_eq!(pauses(wrong), [1, 2, 4, 8, 16, 30, 30, 30]);
        for (asked, bounded) in [(0, 5), (60, 60), (u64::MAX, 300)] {
            assert_eq!(pauses(|| failed(Code::RateLimited, Some(asked))), [bounded; 8]);
        }
    }

    #[test]
    fn a_pause_that_nobody_asked_for_ends_with_the_token_used_meanwhile() {
        let (backoff, login) = (Backoff::default(), "anthropic".parse().unwrap());
        for (retry_after, rests) in [(None, false), (Some(60), true)] {
            backoff.note(&login, &Err(failed(Code::ProviderError, retry_after)), Some(100));
            assert!(backoff.current_error(&login, 99).is_some());
            assert_eq!(backoff.current_error(&login, 100).is_some(), rests);
        }
    }
}
