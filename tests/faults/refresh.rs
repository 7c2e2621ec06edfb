//! A refresh whose writes fail, or whose process is killed, at every system call that changes a file. What
//! the provider gave out is never lost where it had been stored, and is spent only where it could be.

use std::collections::BTreeSet;

use crate::common::{Ran, Sandbox};
use crate::control::{COUNT, KILL};
use crate::fixture::{Fixture, Logins, OTHER_KEY, each, is_good, sent};
use crate::interrupted::{BLOWS, Blow, TAKE_OVER, is_said};

const LOGIN: &str = "anthropic";

fn expired(sandbox: &Sandbox) -> (Fixture, Logins) {
    let fixture = Fixture::with(&sandbox.config_toml());
    fixture.put_key("openrouter", OTHER_KEY);
    fixture.put_login(sandbox, LOGIN, -10);
    let logins = fixture.logins();
    (fixture, logins)
}

#[test]
fn a_refresh_that_is_struck_anywhere_loses_nothing_that_was_stored() {
    let sandbox = Sandbox::start();
    let (fixture, old) = expired(&sandbox);
    let ran = fixture.cli_unreliable("token anthropic", "").ok();
    let (kinds, calls) = (fixture.unreliable.kinds(), fixture.unreliable.get(COUNT));
    assert!(fixture.logins() != old && is_good(&sandbox, ran.stdout.trim()), "{ran:?}");
    // Behind the trial write the provider is asked; up to the rename its answer is in memory only.
    let number = |kind: &str| 1 + kinds.iter().position(|found| *found == kind).unwrap() as i64;
    let (tried, stored) = (number("unlink"), number("rename"));
    let cases = (1..=calls + 1).flat_map(|at| BLOWS.map(|blow| (at, blow)));
    let lost: BTreeSet<i64> = each(cases, 10, |(at, blow)| strike(&sandbox, at, blow).then_some(at))
        .into_iter()
        .flatten()
        .collect();
    // Once it is written to its end, what lacks is its name only.
    let written = tried
        + kinds[usize::try_from(tried).unwrap()..].iter().position(|kind| *kind == "write").unwrap() as i64
        + 1;
    let may_be_lost = |at: &i64| tried < *at && *at <= written;
    assert!(written < stored);
    assert!(!lost.is_empty() && lost.iter().all(may_be_lost), "{lost:?} of {kinds:?}");
}

/// Whether the login was lost, which only a kill, or a disk that breaks for good, between answer and store
/// may do.
fn strike(sandbox: &Sandbox, at: i64, blow: Blow) -> bool {
    let (fixture, old) = expired(sandbox);
    fixture.unreliable.strike(at, blow.how, blow.stays);
    let ran = fixture.cli_unreliable("token anthropic", "");
    let case = format!("call {at} of {:?}, {blow:?}: {ran:?}", fixture.unreliable.kinds());
    let found = fixture.logins();
    assert_eq!(found["openrouter"], old["openrouter"], "{case}");
    let (before, after) = (&old[LOGIN], &found[LOGIN]);
    let (asked, is_new) = (sent(sandbox, before.1.as_ref()), before != after);
    assert!(!is_new || is_good(sandbox, &after.0), "a third content: {case}");
    is_told(&ran, &case, blow, is_new.then_some(after.0.as_str()));
    assert!(blow.stays || asked == 0 || ran.code() == 0, "one failure is tried over: {case}");
    assert!(asked <= 1, "the refresh token was sent {asked} times: {case}");

    let next = fixture.cli("token anthropic", "");
    assert!(next.took < TAKE_OVER, "{case}\n{next:?}");
    // Written to its end without its name: the next process gives it that.
    let is_taken_up = asked == 1 && !is_new && blow.stays && next.code() == 0;
    let is_lost = asked == 1 && !is_new && !is_taken_up;
    if is_lost {
        assert!(blow.stays, "one failure lost the login: {case}");
        assert_eq!(next.code(), 3, "the provider has rotated, which cannot be helped: {case}\n{next:?}");
    } else {
        assert!(next.code() == 0 && is_good(sandbox, next.stdout.trim()), "{case}\n{next:?}");
        assert!(!is_new || next.stdout.trim() == after.0, "{case}\n{next:?}");
        assert_eq!(sent(sandbox, before.1.as_ref()), 1, "{case}");
    }
    assert_eq!(fixture.cli("token openrouter", "").stdout.trim(), OTHER_KEY, "{case}");
    is_lost
}

fn is_told(ran: &Ran, case: &str, blow: Blow, stored: Option<&str>) {
    match ran.status.code() {
        Some(0) => assert_eq!(Some(ran.stdout.trim()), stored, "handed out before it was durable: {case}"),
        Some(code) => {
            assert_eq!((code, ran.stdout.as_str()), (6, ""), "{case}");
            is_said(ran, case);
        }
        None => assert_eq!((blow.how, ran.stdout.as_str()), (KILL, ""), "{case}"),
    }
}

/// That a refresh was refused is written down too; a write that fails changes nothing about it.
#[test]
fn a_refusal_that_cannot_be_written_down_is_told_all_the_same() {
    let sandbox = Sandbox::start();
    let refused = || {
        let (fixture, old) = expired(&sandbox);
        sandbox.revoke_all("anthropic");
        (fixture, old)
    };
    let (fixture, _) = refused();
    assert_eq!(fixture.cli_unreliable("token anthropic", "").code(), 3);
    for (at, blow) in (1..=fixture.unreliable.get(COUNT)).flat_map(|at| BLOWS.map(|blow| (at, blow))) {
        let (fixture, old) = refused();
        fixture.unreliable.strike(at, blow.how, blow.stays);
        let ran = fixture.cli_unreliable("token anthropic", "");
        let case = format!("call {at} of {:?}, {blow:?}: {ran:?}", fixture.unreliable.kinds());
        assert!(matches!(ran.status.code(), None | Some(3 | 6)), "{case}");
        assert_eq!(ran.stdout, "", "{case}");
        let found = fixture.logins();
        assert_eq!((&found["openrouter"], &found[LOGIN].0), (&old["openrouter"], &old[LOGIN].0), "{case}");
        assert_eq!(fixture.cli("token anthropic", "").code(), 3, "{case}");
    }
}
