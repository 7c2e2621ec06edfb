//! A wall clock that is wrong, and one that went on while the machine slept: what a token's end is judged by
//! (rule 1).

use serde_json::json;

use crate::backend::Backend;
use crate::common::{Sandbox, approve, fault, visit};
use crate::control::WALL;
use crate::fixture::{Fixture, is_good, sent};
use crate::table::{self, Row, Seen};

const ROUTE: &str = "anthropic.token";
const HOURS_12: i64 = 12 * 3600;
const NO_ARGS: [&str; 0] = [];

fn fixture(sandbox: &Sandbox, left: i64) -> Fixture {
    let fixture = Fixture::with(&sandbox.config_toml());
    fixture.put_login(sandbox, "anthropic", left);
    fixture
}

fn backend(fixture: &Fixture) -> Backend {
    let mut command = fixture.dir.convocations(NO_ARGS);
    Backend::start(fixture.unreliable.under(&mut command), json!({}))
}

#[test]
fn every_wrong_clock_is_lived_through() {
    table::check(
        "Clock",
        &[
            ahead(),
            behind(),
            set_back_after_a_wish_to_wait(),
            slept(),
            slept_in_the_background(),
            in_a_login(),
        ],
    );
}

fn lived_through(fault: &str, then: &'static str) -> Row {
    Row { fault: fault.to_owned(), seen: Seen::default(), then }
}

fn ahead() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, 8 * 3600);
    fixture.unreliable.set(WALL, HOURS_12);
    let first = fixture.cli_unreliable("token anthropic", "").ok();
    assert!(is_good(&sandbox, first.stdout.trim()));
    for _ in 0..3 {
        assert_eq!(fixture.cli_unreliable("token anthropic", "").stdout, first.stdout);
    }
    fixture.unreliable.set(WALL, 0);
    assert_eq!(fixture.cli_unreliable("token anthropic", "").stdout, first.stdout);
    assert_eq!(sandbox.refreshes(ROUTE), 1);
    lived_through("12 hours ahead", "refreshed once, not at each use; goes on when the clock is right again")
}

fn behind() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, -10);
    fixture.unreliable.set(WALL, -HOURS_12);
    let ended = fixture.cli_unreliable("token anthropic", "").ok().stdout;
    assert_eq!((ended.trim(), sandbox.refreshes(ROUTE)), (fixture.logins()["anthropic"].0.as_str(), 0));
    let newer = fixture.cli_unreliable("token anthropic --rejected", &ended).ok().stdout;
    assert!(is_good(&sandbox, newer.trim()) && newer != ended);
    assert_eq!(fixture.cli_unreliable("token anthropic", "").ok().stdout, newer);
    assert_eq!(sandbox.refreshes(ROUTE), 1);
    fixture.unreliable.set(WALL, 0);
    let right = fixture.cli_unreliable("token anthropic", "").ok().stdout;
    assert!(is_good(&sandbox, right.trim()));
    lived_through("12 hours behind", "an ended token looks good; the API's 401 has it refreshed, once")
}

/// What one process wrote down about a wait is not taken for 12 hours by the next.
fn set_back_after_a_wish_to_wait() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, -10);
    sandbox.fault_refresh(ROUTE, 1, fault::rate_limited(60));
    assert_eq!(fixture.cli_unreliable("token anthropic", "").code(), 5);
    assert_eq!(fixture.cli_unreliable("token anthropic", "").code(), 5, "it is left alone");
    let asked = sandbox.refreshes(ROUTE);
    fixture.put_login(&sandbox, "anthropic", -2 * HOURS_12);
    fixture.unreliable.set(WALL, -HOURS_12);
    let ran = fixture.cli_unreliable("token anthropic", "").ok();
    assert!(is_good(&sandbox, ran.stdout.trim()), "{ran:?}");
    assert_eq!((asked, sandbox.refreshes(ROUTE)), (1, 2));
    lived_through(
        "set back by 12 hours while a provider wants to be left alone",
        "the provider is asked at once",
    )
}

/// While a machine sleeps only the wall clock goes on. The first question after it gets no ended token.
fn slept() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, 3600);
    let mut backend = backend(&fixture);
    let get = || json!({"login": "anthropic"});
    let (old, before) = (backend.ok("get", get())["token"].clone(), fixture.logins());
    fixture.unreliable.set(WALL, HOURS_12);
    let new = backend.ok("get", get())["token"].clone();
    assert!(new != old && is_good(&sandbox, new.as_str().unwrap()), "{new}");
    assert_eq!(sent(&sandbox, before["anthropic"].1.as_ref()), 1);
    fixture.unreliable.set(WALL, 0);
    assert_eq!(backend.ok("get", get())["token"], new, "and set back again");
    assert_eq!(sandbox.refreshes(ROUTE), 1);
    lived_through("a sleep of 12 hours, then a question", "refreshed before it is handed out")
}

fn slept_in_the_background() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, 3600);
    let mut backend = backend(&fixture);
    let old = backend.ok("get", json!({"login": "anthropic"}))["token"].clone();
    fixture.unreliable.set(WALL, HOURS_12);
    let pushed = backend.event("credential", |data| data["token"] != old);
    assert!(is_good(&sandbox, pushed["token"].as_str().unwrap()), "{pushed}");
    assert_eq!(sandbox.refreshes(ROUTE), 1);
    lived_through(
        "a sleep of 12 hours, and nobody asks",
        "a token that was in use is refreshed at the first tick",
    )
}

fn in_a_login() -> Row {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, 3600);
    let mut backend = backend(&fixture);
    backend.ok("login.start", json!({"login": "openrouter", "method": "browser"}));
    let url = backend.stage("open-url")["url"].as_str().unwrap().to_owned();
    for jump in [HOURS_12, -HOURS_12] {
        fixture.unreliable.set(WALL, jump);
        backend.ok("status", json!({}));
    }
    visit(&approve(&url));
    backend.stage("done");
    assert_eq!(fixture.logins().len(), 2);
    lived_through("set forward and back while a login waits", "the login goes on")
}
