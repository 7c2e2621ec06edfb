//! Many processes of all kinds on one login: commands, backends, real Neovims. One refresh, one token, nobody
//! fails, and whoever is killed is followed at once (rules 2 to 5).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use convocations::error::Code;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::common::{Child, Sandbox, approve, fault, visit};
use crate::control::KILL;
use crate::fixture::{Fixture, each, is_good, sent};
use crate::interrupted::TAKE_OVER;
use crate::table::{self, Row, Seen};

const ROUTE: &str = "anthropic.token";
const LOGIN: &str = "anthropic";
const NO_ARGS: [&str; 0] = [];
const PATIENCE: Duration = Duration::from_secs(60);
/// The provider's own time for one refresh, in milliseconds.
const DELAY: u64 = 300;

fn fixture(sandbox: &Sandbox, left: i64) -> Fixture {
    let fixture = Fixture::with(&format!("{}\n[http]\ntimeout = 20\n", sandbox.config_toml()));
    fixture.put_login(sandbox, LOGIN, left);
    fixture
}

fn backend(fixture: &Fixture) -> Backend {
    Backend::start(&mut fixture.dir.convocations(NO_ARGS), json!({}))
}

fn get() -> Value {
    json!({ "login": LOGIN })
}

/// Neovim as `make deps` installs it, or the person's own; says so if there is none.
fn nvim() -> Option<PathBuf> {
    let installed = Path::new(env!("CARGO_MANIFEST_DIR")).join(".deps/bin/nvim");
    let places = [std::env::var_os("NVIM").map(PathBuf::from), Some(installed), Some("nvim".into())];
    let is_new = |nvim: &PathBuf| {
        let asked = Command::new(nvim)
            .args(["--headless", "-u", "NONE", "-i", "NONE", "-c", "exe 'cquit ' . !has('nvim-0.11')"])
            .output();
        asked.is_ok_and(|output| output.status.success())
    };
    let found = places.into_iter().flatten().find(is_new);
    if found.is_none() {
        eprintln!(
            "skipped: the Neovims of the crowd; there is none of 0.11 or newer (`make deps` installs one)"
        );
    }
    found
}

fn editor(nvim: &Path, fixture: &Fixture) -> Command {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut command = fixture.dir.command(nvim);
    command.args(["--headless", "-i", "NONE", "-u"]).arg(here.join("nvim/init.lua"));
    command.arg("-c").arg(format!("luafile {}", here.join("faults/ask.lua").display()));
    command.env("ASK_LOGIN", LOGIN).env("ASK_BINARY", env!("CARGO_BIN_EXE_convocations"));
    command
}

/// How many there are of each kind.
#[derive(Debug, Clone, Copy)]
struct Crowd {
    commands: usize,
    backends: usize,
    editors: usize,
}

const CROWDS: [Crowd; 3] = [
    Crowd { commands: 1, backends: 0, editors: 1 },
    Crowd { commands: 10, backends: 5, editors: 5 },
    Crowd { commands: 48, backends: 8, editors: 8 },
];

#[test]
fn a_crowd_of_all_kinds_refreshes_once() {
    let nvim = nvim();
    for crowd in CROWDS {
        for reuse in ["refuse", "revoke-family"] {
            storm(crowd, nvim.as_deref(), reuse, &fault::delay(DELAY), 1);
        }
    }
    // The first answer is a 503, and nobody's failure.
    for (crowd, reuse) in [(CROWDS[0], "refuse"), (CROWDS[1], "refuse"), (CROWDS[2], "revoke-family")] {
        storm(crowd, nvim.as_deref(), reuse, &json!({"status": 503, "body": "", "delay_ms": DELAY}), 2);
    }
}

fn storm(crowd: Crowd, nvim: Option<&Path>, reuse: &str, planted: &Value, calls: u64) {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({"anthropic": {"tokens": {"reuse": reuse}}}));
    let fixture = fixture(&sandbox, -10);
    sandbox.fault_refresh(ROUTE, 1, planted.clone());
    let about = format!("{crowd:?}, {reuse}");
    let mut backends: Vec<Backend> = (0..crowd.backends).map(|_| backend(&fixture)).collect();
    let editors: Vec<Child> = match nvim {
        Some(nvim) => (0..crowd.editors).map(|_| Child::spawn(&mut editor(nvim, &fixture))).collect(),
        None => Vec::new(),
    };
    let asked: Vec<u64> = backends.iter_mut().map(|backend| backend.send("get", get())).collect();
    let command = |_| Child::spawn(&mut fixture.dir.convocations(["token", LOGIN]));
    let commands: Vec<Child> = (0..crowd.commands).map(command).collect();
    let mut tokens = BTreeSet::new();
    for command in commands {
        tokens.insert(command.finish(PATIENCE).ok().stdout.trim().to_owned());
    }
    for editor in editors {
        let ran = editor.finish(PATIENCE);
        let lines: Vec<&str> = ran.stdout.lines().collect();
        let [asked, held] = lines.as_slice() else { panic!("{about}: {ran:?}") };
        assert_eq!(asked, held, "{about}: what came is held in memory: {ran:?}");
        tokens.insert((*asked).to_owned());
    }
    for (backend, id) in backends.iter_mut().zip(asked) {
        let credential = backend.reply(id).unwrap_or_else(|error| panic!("{about}: {error}"));
        tokens.insert(credential["token"].as_str().unwrap().to_owned());
    }
    assert!(tokens.len() == 1 && is_good(&sandbox, tokens.first().unwrap()), "{about}: {tokens:?}");
    assert_eq!(sandbox.refreshes(ROUTE), calls, "{about}");
    assert_eq!(fixture.logins()[LOGIN].0, *tokens.first().unwrap(), "{about}");
}

#[test]
fn whatever_processes_do_to_each_other_is_lived_through() {
    let cases: [fn() -> Vec<Row>; 7] = [
        killed_before_the_provider_has_done_anything,
        killed_with_others_waiting,
        login_during_a_refresh,
        two_logins_at_once,
        logout_during_a_refresh,
        || behind_a_refresh_that_hangs("a login"),
        || behind_a_refresh_that_hangs("a logout"),
    ];
    table::check("Processes", &each(cases, 4, |case| case()).concat());
}

fn lived_through(fault: &str, then: &'static str) -> Row {
    Row { fault: fault.to_owned(), seen: Seen::default(), then }
}

/// Killed when its request is on the way: whoever waits behind it sends the very same token, which is good
/// still.
fn killed_before_the_provider_has_done_anything() -> Vec<Row> {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({"anthropic": {"tokens": {"reuse": "revoke-family"}}}));
    let fixture = fixture(&sandbox, -10);
    sandbox.fault_refresh(ROUTE, 1, fault::hold("request"));
    let mut first = Child::spawn(&mut fixture.dir.convocations(["token", LOGIN]));
    sandbox.wait_for_hold("request");
    let mut waiting = backend(&fixture);
    let asked = waiting.send("get", get());
    waiting.event("changed", |data| data.to_string().contains("refreshing"));
    first.kill();
    let died = Instant::now();
    let token = waiting.reply(asked).unwrap()["token"].as_str().unwrap().to_owned();
    assert!(died.elapsed() < TAKE_OVER, "{:?}", died.elapsed());
    assert!(is_good(&sandbox, &token) && fixture.logins()[LOGIN].0 == token);
    let then = "those who wait refresh it themselves, within 2 s";
    vec![lived_through("killed before the provider has done anything", then)]
}

/// The calls that change a file behind the provider's answer, of which kind they are, and whether the new
/// tokens are stored by then: once they are written to their end, whoever comes next gives the file its name.
const STEPS: [(i64, &str, &str, bool); 6] = [
    (6, "open", "after the reply", false),
    (7, "open", "before the store's write", false),
    (8, "write", "in the store's write", false),
    (9, "fsync", "after the store's write", true),
    (10, "rename", "before the new store takes the old one's place", true),
    (11, "fsync", "after it", true),
];

fn killed_with_others_waiting() -> Vec<Row> {
    each(STEPS, 3, |(at, kind, step, stored)| {
        let sandbox = Sandbox::start();
        let fixture = fixture(&sandbox, -10);
        let before = fixture.logins();
        sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
        fixture.unreliable.strike(at, KILL, true);
        let mut first =
            Child::spawn(fixture.unreliable.under(&mut fixture.dir.convocations(["token", LOGIN])));
        sandbox.wait_for_hold("answer");
        let mut waiting = backend(&fixture);
        let asked = waiting.send("get", get());
        waiting.event("changed", |data| data.to_string().contains("refreshing"));
        sandbox.release("answer");
        crate::common::eventually("its end", || (!first.is_running()).then_some(()));
        let died = Instant::now();
        let answer = waiting.reply(asked);
        assert!(died.elapsed() < TAKE_OVER, "{step}: {:?}", died.elapsed());
        assert_eq!(first.finish(PATIENCE).status.code(), None, "{step}: {:?}", fixture.unreliable.kinds());
        assert_eq!(fixture.unreliable.kinds().last(), Some(&kind), "{step}");
        match answer {
            Ok(credential) => {
                assert!(stored && is_good(&sandbox, credential["token"].as_str().unwrap()), "{step}");
                assert_eq!(sent(&sandbox, before[LOGIN].1.as_ref()), 1, "{step}");
                lived_through(&format!("killed {step}"), "those who wait use what it had stored, within 2 s")
            }
            Err(error) => {
                assert!(!stored && error["code"] == Code::LoginExpired.as_str(), "{step}: {error}");
                let seen = Seen::error(&fixture, &error);
                Row {
                    fault: format!("killed {step}"),
                    seen,
                    then: "lost, and said to those who wait within 2 s",
                }
            }
        }
    })
}

/// The browser's part of a login in a backend, up to the provider's code.
fn begin_login(backend: &mut Backend, login: &str) -> String {
    backend.ok("login.start", json!({"login": login, "method": "subscription", "confirmed": true}));
    approve(backend.stage("open-url")["url"].as_str().unwrap())
}

fn login_during_a_refresh() -> Vec<Row> {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, -10);
    let (mut refreshing, mut other) = (backend(&fixture), backend(&fixture));
    let callback = begin_login(&mut other, LOGIN);
    sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
    let asked = refreshing.send("get", get());
    sandbox.wait_for_hold("answer");
    visit(&callback);
    other.stage("exchanging");
    sandbox.release("answer");
    refreshing.reply(asked).unwrap();
    other.stage("done");
    let made = other.ok("get", get())["token"].clone();
    let pushed = || refreshing.ok("get", get())["token"] == made;
    assert!(is_good(&sandbox, made.as_str().unwrap()) && pushed_soon(pushed));
    assert_eq!((fixture.logins()[LOGIN].0.as_str(), sandbox.refreshes(ROUTE)), (made.as_str().unwrap(), 1));
    vec![lived_through(
        "a login while another process refreshes",
        "the new login is the one that stays, for both",
    )]
}

fn pushed_soon(mut is_there: impl FnMut() -> bool) -> bool {
    crate::common::eventually("the newer token", || is_there().then_some(true))
}

fn two_logins_at_once() -> Vec<Row> {
    let sandbox = Sandbox::start();
    for names in [["anthropic", "anthropic"], ["anthropic@one", "anthropic@two"]] {
        let fixture = fixture(&sandbox, 3600);
        let mut backends = [backend(&fixture), backend(&fixture)];
        let callbacks: Vec<String> =
            backends.iter_mut().zip(names).map(|(backend, name)| begin_login(backend, name)).collect();
        std::thread::scope(|scope| {
            for callback in &callbacks {
                scope.spawn(|| assert!(visit(callback).status < 400));
            }
        });
        for backend in &mut backends {
            backend.stage("done");
        }
        for name in names {
            let tokens: BTreeSet<String> = backends
                .iter_mut()
                .map(|backend| {
                    backend.ok("get", json!({"login": name}))["token"].as_str().unwrap().to_owned()
                })
                .collect();
            assert!(tokens.len() == 1 && is_good(&sandbox, tokens.first().unwrap()), "{name}: {tokens:?}");
            assert_eq!(fixture.logins()[name].0, *tokens.first().unwrap(), "{name}");
        }
    }
    vec![lived_through(
        "two logins at once",
        "both are done; of the same name, the later one stays, for both",
    )]
}

fn logout_during_a_refresh() -> Vec<Row> {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, -10);
    let (mut refreshing, mut other) = (backend(&fixture), backend(&fixture));
    sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
    let asked = refreshing.send("get", get());
    sandbox.wait_for_hold("answer");
    let out = other.send("logout", get());
    sandbox.release("answer");
    // It may have been handed out before the logout.
    let _ = refreshing.reply(asked);
    other.reply(out).unwrap();
    for backend in [&mut refreshing, &mut other] {
        backend.fails("get", get(), "not_logged_in");
    }
    assert!(!fixture.logins().contains_key(LOGIN));
    vec![lived_through("a logout while another process refreshes", "it stays logged out, for both")]
}

/// A refresh that hangs is not waited for for ever, and what it brings in the end overwrites nothing.
fn behind_a_refresh_that_hangs(what: &str) -> Vec<Row> {
    let sandbox = Sandbox::start();
    let fixture = fixture(&sandbox, -10);
    let (mut refreshing, mut other) = (backend(&fixture), backend(&fixture));
    sandbox.fault_refresh(ROUTE, 1, fault::hold_reply("answer"));
    let asked = refreshing.send("get", get());
    sandbox.wait_for_hold("answer");
    if what == "a login" {
        visit(&begin_login(&mut other, LOGIN));
        other.stage("done");
    } else {
        other.ok("logout", get());
    }
    let after = fixture.logins();
    sandbox.release("answer");
    let answer = refreshing.reply(asked);
    assert_eq!(fixture.logins(), after, "{what}");
    match after.get(LOGIN) {
        Some(made) => assert_eq!(answer.unwrap()["token"], made.0, "{what}"),
        None => assert_eq!(answer.unwrap_err()["code"], "not_logged_in", "{what}"),
    }
    vec![lived_through(
        &format!("{what} behind a refresh that hangs"),
        "it waits for some seconds, is done all the same, and stays done when the refresh comes back",
    )]
}
