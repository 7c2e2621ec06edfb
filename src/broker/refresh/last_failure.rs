//! How a login's last refresh failed: a record in its lock file for whoever holds the lock next.
//!
//! Guarantees: many who waited behind one failure share it instead of asking the provider one after the
//! other; a provider's wish to be left alone is heard by all processes; a refresh token whose answer was lost
//! is known to be perhaps spent. A record is a courtesy: without it, or with a garbled one, each process
//! finds out by itself. It holds no secret. Its times are the system's, since they are compared between
//! processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::backoff::{ASKED_LONGEST, bounded};
use crate::broker::sources::spent;
use crate::credential::Tokens;
use crate::error::{Code, Error};
use crate::oauth::Failure;
use crate::store::LoginLock;

/// What is known of it.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::broker) struct FailureRecord {
    /// When the refresh had failed, Unix milliseconds.
    at: u64,
    /// Until when the provider asked to be left alone, Unix milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    /// Fingerprint of a refresh token that was sent and never answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lost: Option<String>,
    code: String,
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The system's time, Unix milliseconds.
pub(in crate::broker) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl FailureRecord {
    /// The record that the last holder left.
    pub fn read(lock: &mut LoginLock) -> Option<Self> {
        serde_json::from_slice(&lock.note()).ok()
    }

    /// Leaves a record of a refresh of `old`, or takes away the one that was there.
    pub fn record(
        lock: &mut LoginLock,
        before: Option<&Self>,
        result: &Result<Tokens, Failure>,
        old: &Tokens,
    ) {
        let record = match result {
            Ok(_) | Err(Failure::Refused(_)) => None,
            Err(failure) => Some(Self::of(failure, before, old)),
        };
        match record.and_then(|record| serde_json::to_vec(&record).ok()) {
            Some(note) => lock.leave_note(&note),
            None if before.is_some() => lock.leave_note(b""),
            None => {}
        }
    }

    fn of(failure: &Failure, before: Option<&Self>, old: &Tokens) -> Self {
        let (retry_after, sent) = match failure {
            Failure::Transient { retry_after, sent, .. } => (*retry_after, *sent),
            _ => (None, false),
        };
        let wait = retry_after.map(bounded);
        let lost = is_spent_by_use(old) && (sent || before.is_some_and(|record| record.is_lost(old)));
        let error = failure.error();
        Self {
            at: now(),
            until: wait.map(|wait| now() + u64::try_from(wait.as_millis()).unwrap_or(0)),
            lost: lost.then(|| spent(old).fingerprint()),
            code: error.code().as_str().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }

    /// Whether the answer to a refresh with this very token was lost, so that it may be spent.
    pub fn is_lost(&self, tokens: &Tokens) -> bool {
        self.lost.as_ref().is_some_and(|lost| *lost == spent(tokens).fingerprint())
    }

    /// The failure for somebody who has wanted a refresh since `since`, if it is theirs too: it came while
    /// they waited, or the provider is to be left alone still.
    pub fn shared(&self, since: u64) -> Option<Failure> {
        let now = now();
        // A wait that is longer than any we write means that a clock was set.
        let longest = u64::try_from(ASKED_LONGEST.as_millis()).unwrap_or(0);
        let left = self.until.map(|until| until.saturating_sub(now)).filter(|left| *left <= longest);
        let wait = left.filter(|left| *left > 0).map(Duration::from_millis);
        let waited = since < self.at && self.at <= now;
        (waited || wait.is_some()).then(|| self.failure(wait))
    }

    /// The failure itself.
    pub fn failure(&self, retry_after: Option<Duration>) -> Failure {
        let code = Code::from_name(&self.code).unwrap_or(Code::ProviderError);
        let error = Error::new(code, self.message.clone());
        let error = match &self.hint {
            Some(hint) => error.with_hint(hint.clone()),
            None => error,
        };
        Failure::Transient { error, retry_after, sent: self.lost.is_some() }
    }
}

/// Whether what a refresh sends may be spent by it. The first step's token of a login in two steps is not.
pub(super) fn is_spent_by_use(tokens: &Tokens) -> bool {
    tokens.base_token.is_none() && tokens.refresh_token.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn old() -> Tokens {
        let mut tokens = Tokens::api_key(Secret::new("planted-access"), 0);
        tokens.refresh_token = Some(Secret::new("planted-refresh"));
        tokens
    }

    fn failed(retry_after: Option<u64>, sent: bool) -> Failure {
        let error = Error::new(Code::Network, "It broke.").with_hint("Mend it.");
        Failure::Transient { error, retry_after: retry_after.map(Duration::from_secs), sent }
    }

    #[test]
    fn a_failure_is_shared_with_those_who_waited_and_with_nobody_later() {
        let record = FailureRecord::of(&failed(None, false), None, &old());
        assert!(record.shared(record.at).is_none() && record.shared(record.at + 1).is_none());
        let shared = record.shared(record.at - 1).unwrap().into_error();
        assert_eq!(
            (shared.code(), shared.message(), shared.hint()),
            (Code::Network, "It broke.", Some("Mend it."))
        );
    }

    #[test]
    fn a_clock_that_was_set_makes_nobody_wait() {
        let mut record = FailureRecord::of(&failed(Some(60), false), None, &old());
        assert!(record.shared(u64::MAX).is_some(), "the provider wants to be left alone");
        record.until = Some(now() + 3_600_000);
        assert!(record.shared(u64::MAX).is_none());
        record.until = Some(1);
        assert!(record.shared(u64::MAX).is_none());
        record.at = now() + 3_600_000;
        assert!(record.shared(0).is_none());
    }

    #[test]
    fn a_lost_answer_is_remembered_through_other_failures_and_for_its_token_only() {
        let lost = FailureRecord::of(&failed(None, true), None, &old());
        let later = FailureRecord::of(&failed(None, false), Some(&lost), &old());
        assert!(lost.is_lost(&old()) && later.is_lost(&old()));
        let mut rotated = old();
        rotated.refresh_token = Some(Secret::new("another"));
        assert!(!later.is_lost(&rotated));
        assert!(!FailureRecord::of(&failed(None, false), Some(&lost), &rotated).is_lost(&rotated));
        let mut two_steps = old();
        two_steps.base_token = Some(Secret::new("first step's"));
        assert!(!FailureRecord::of(&failed(None, true), None, &two_steps).is_lost(&two_steps));
    }

    #[test]
    fn it_holds_no_secret() {
        let text = serde_json::to_string(&FailureRecord::of(&failed(Some(9), true), None, &old())).unwrap();
        assert!(!text.contains("planted"), "{text}");
    }
}
