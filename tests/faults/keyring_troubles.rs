//! A real keyring that is locked, gone, refusing, hanging, robbed, or away for a while: five answers, none of
//! which is "empty", and a rotated token that it does not take is not lost (rules 3, 9 and 11).

use std::time::Duration;

use convocations::error::Code;
use serde_json::json;

use crate::backend::{Backend, Message};
use crate::common::{Child, Sandbox, fault};
use crate::fixture::{OTHER_KEY, each, is_good};
use crate::interrupted::TAKE_OVER;
use crate::keyring::Keyring;
use crate::table::{self, Row, Seen};
use crate::wallet::{KEY, NEW_KEY, Wallet};

const ROUTE: &str = "anthropic.token";
const STORED_LATER: &str =
    "the new token is in memory, which is said, and is stored by itself when the keyring is back";
/// The keyring's time limit here, and what a command may take besides.
const LIMIT: Duration = Duration::from_secs(1 + 2);

struct Case {
    fault: &'static str,
    make: fn(&mut Wallet),
    mend: fn(&mut Wallet),
    code: Code,
    /// Whether storing a login is tried too. Not where a dialogue of a minute would be waited for.
    written: bool,
}

fn cases() -> Vec<Case> {
    let case = |fault, make, mend, code| Case { fault, make, mend, code, written: true };
    let start: fn(&mut Wallet) = |wallet| wallet.restart(true);
    vec![
        case("locked", |wallet| wallet.restart(false), start, Code::KeyringLocked),
        case(
            "refuses access",
            |wallet| wallet.keyring.refuse(&wallet.fixture.dir, true),
            |wallet| wallet.keyring.refuse(&wallet.fixture.dir, false),
            Code::KeyringUnavailable,
        ),
        case("no keyring in the session", |w| w.keyring.stop(), start, Code::KeyringUnavailable),
        Case {
            written: false,
            ..case(
                "hangs for ever",
                |wallet| wallet.keyring.freeze(true),
                |wallet| wallet.keyring.freeze(false),
                Code::KeyringUnavailable,
            )
        },
        Case {
            written: false,
            ..case(
                "has lost the items",
                |wallet| {
                    for login in ["openrouter", "anthropic"] {
                        assert_eq!(wallet.keyring.secret_tool(&wallet.fixture.dir, "clear", login).0, 0);
                    }
                },
                |wallet| {
                    for (login, (access, refresh, _)) in wallet.before.clone() {
                        let tokens = json!({"access_token": access, "refresh_token": refresh,
                            "expires_at": refresh.as_ref().map(|_| 1), "obtained_at": 0});
                        wallet.set_item(&login, &tokens.to_string());
                    }
                },
                Code::StoreUnreadable,
            )
        },
    ]
}

#[test]
fn every_trouble_of_a_keyring_is_told_and_passes() {
    if !Keyring::is_here() {
        return;
    }
    let sandbox = Sandbox::start();
    let mut rows = each(cases(), 4, |case| meet(&case, &sandbox)).concat();
    let late: [fn() -> Row; 4] = [
        || gone_between_two_calls(false),
        || gone_between_two_calls(true),
        || too_late(true),
        || too_late(false),
    ];
    rows.extend(each(late, 4, |late| late()));
    table::check("Keyring", &rows);
}

fn meet(case: &Case, sandbox: &Sandbox) -> Vec<Row> {
    let mut wallet = Wallet::new(sandbox);
    let index = std::fs::read(wallet.fixture.dir.paths().index_file()).unwrap();
    (case.make)(&mut wallet);
    let mut seen: Vec<(Seen, Vec<&str>)> = Vec::new();
    let steps = [
        ("a token that is good", "token openrouter", ""),
        ("a refresh", "token anthropic", ""),
        ("a login", "secret set openrouter", NEW_KEY),
    ];
    for (what, args, input) in &steps[..if case.written { 3 } else { 2 }] {
        let ran = wallet.cli(args, input);
        assert!(ran.took < LIMIT, "{}, {what}: {ran:?}", case.fault);
        let error = Seen::failed(&wallet.fixture, &ran, case.code);
        match seen.iter_mut().find(|(known, _)| *known == error) {
            Some((_, steps)) => steps.push(*what),
            None => seen.push((error, vec![*what])),
        }
    }
    let other = wallet.cli("token openrouter@other", "");
    assert_eq!((other.code(), other.stdout.trim()), (0, OTHER_KEY), "{}: {other:?}", case.fault);
    assert_eq!(wallet.sent(sandbox), 0, "{}", case.fault);
    assert_eq!(std::fs::read(wallet.fixture.dir.paths().index_file()).unwrap(), index, "{}", case.fault);
    (case.mend)(&mut wallet);
    assert_eq!(wallet.cli("token openrouter", "").stdout.trim(), KEY, "{}", case.fault);
    let refreshed = wallet.cli("token anthropic", "");
    assert!(is_good(sandbox, refreshed.stdout.trim()), "{}: {refreshed:?}", case.fault);
    assert_eq!(wallet.fixture.dir.files_with(&sandbox.secrets()), Vec::<std::path::PathBuf>::new());
    let row = |(seen, steps): (Seen, Vec<&str>)| {
        let steps = steps.join(", ");
        Row { fault: format!("{}: {steps}", case.fault), seen, then: "" }
    };
    seen.into_iter().map(row).collect()
}

/// Rule 11: a start asks no keyring, and one that hangs holds up neither another login nor the end.
#[test]
fn a_keyring_that_hangs_holds_up_nothing_else() {
    if !Keyring::is_here() {
        return;
    }
    let wallet = Wallet::with(&Sandbox::start(), 3600);
    let settings = wallet.fixture.dir.paths().config_file();
    let config = std::fs::read_to_string(&settings).unwrap();
    wallet.fixture.dir.write_config(&config.replace("keyring_timeout = 1", "keyring_timeout = 60"));
    wallet.keyring.freeze(true);
    let mut backend = Backend::start(&mut wallet.command(""), json!({}));
    let hanging = ["openrouter", "anthropic"].map(|login| backend.send("get", json!({ "login": login })));
    for _ in 0..20 {
        assert_eq!(backend.ok("get", json!({"login": "openrouter@other"}))["token"], OTHER_KEY);
        backend.ok("providers", json!({}));
    }
    let answered = |message: &Message| matches!(message, Message::Reply(id, ..) if hanging.contains(id));
    assert!(!backend.heard().iter().any(answered), "it hangs");
    backend.finish_input();
    assert!(backend.wait_for_end(Duration::from_secs(10)).unwrap().success(), "the end waits for no keyring");
}

/// A login that is in the file, where the settings have come to name the keyring: it moves when the keyring
/// takes it, and is refreshed where it is until then.
#[test]
fn a_login_on_its_way_into_a_keyring_is_refreshed_all_the_same() {
    if !Keyring::is_here() {
        return;
    }
    let sandbox = Sandbox::start();
    for is_there in [true, false] {
        let mut wallet = Wallet::holding(&sandbox, -10, &["openrouter"]);
        wallet.keyring.stop();
        if is_there {
            wallet.keyring.start(&wallet.fixture.dir, false);
        }
        let ran = wallet.cli("token anthropic", "").ok();
        assert!(is_good(&sandbox, ran.stdout.trim()), "{ran:?}");
        assert!(ran.stderr.contains("`anthropic` stays in the encrypted file."), "{ran:?}");
        wallet.restart(true);
        let newer = wallet.cli("token anthropic --rejected", &ran.stdout).ok();
        assert!(newer.stderr.is_empty() && is_good(&sandbox, newer.stdout.trim()), "{newer:?}");
        assert_eq!(wallet.item("anthropic")["access_token"], json!(newer.stdout.trim()));
        let index = std::fs::read_to_string(wallet.fixture.dir.paths().index_file()).unwrap();
        assert_eq!(index.matches("ciphertext").count(), 1, "the other login's: {index}");
    }
}

/// The keyring answers when the old tokens are read, and not when the new ones are to be written.
fn gone_between_two_calls(locked: bool) -> Row {
    let sandbox = Sandbox::start();
    let mut wallet = Wallet::new(&sandbox);
    sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
    let mut backend = Backend::start(&mut wallet.command(""), json!({}));
    let asked = backend.send("get", json!({"login": "anthropic"}));
    sandbox.wait_for_hold("answer");
    wallet.keyring.stop();
    if locked {
        wallet.keyring.start(&wallet.fixture.dir, false);
    }
    sandbox.release("answer");
    let error = backend.reply(asked).unwrap_err();
    wallet.restart(true);
    is_stored_at_last(&sandbox, &wallet, &mut backend);
    let fault = if locked { "locked" } else { "gone" };
    Row {
        fault: format!("{fault} between two calls: a refresh"),
        seen: Seen::error(&wallet.fixture, &error),
        then: STORED_LATER,
    }
}

/// The keyring hangs for longer than its time, and then answers: within the backend's life, or after a
/// command's.
fn too_late(in_the_editor: bool) -> Row {
    let sandbox = Sandbox::start();
    let wallet = Wallet::new(&sandbox);
    sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
    let begin = || {
        sandbox.wait_for_hold("answer");
        wallet.keyring.freeze(true);
        sandbox.release("answer");
    };
    if !in_the_editor {
        let child = Child::spawn(&mut wallet.command("token anthropic"));
        begin();
        let ran = child.finish(Duration::from_secs(20));
        assert!(ran.took < Duration::from_secs(7) && ran.stderr.contains("in memory only"), "{ran:?}");
        wallet.keyring.freeze(false);
        let next = wallet.cli("token anthropic", "");
        assert!(next.code() == 3 && next.took < TAKE_OVER, "{next:?}");
        return Row {
            fault: "hangs for longer than a command may take: a refresh".to_owned(),
            seen: Seen::failed(&wallet.fixture, &ran, Code::KeyringUnavailable),
            then: "lost: the new token was in memory only, which was said; the next call says so at once",
        };
    }
    let mut backend = Backend::start(&mut wallet.command(""), json!({}));
    let asked = backend.send("get", json!({"login": "anthropic"}));
    begin();
    let error = backend.reply(asked).unwrap_err();
    wallet.keyring.freeze(false);
    is_stored_at_last(&sandbox, &wallet, &mut backend);
    Row {
        fault: "answers after the time limit: a refresh".to_owned(),
        seen: Seen::error(&wallet.fixture, &error),
        then: STORED_LATER,
    }
}

/// What was in memory only comes into the keyring without anybody's doing.
fn is_stored_at_last(sandbox: &Sandbox, wallet: &Wallet, backend: &mut Backend) {
    let pushed = backend.event("credential", |data| data["login"] == "anthropic");
    let token = pushed["token"].as_str().unwrap();
    assert!(is_good(sandbox, token), "{pushed}");
    assert_eq!((&wallet.item("anthropic")["access_token"], wallet.sent(sandbox)), (&json!(token), 1));
    assert_eq!(wallet.cli("token anthropic", "").stdout.trim(), token);
}

/// Where the settings leave the choice, the encrypted file takes what the keyring does not.
#[test]
fn by_default_the_file_takes_what_the_keyring_does_not() {
    if !Keyring::is_here() {
        return;
    }
    let sandbox = Sandbox::start();
    let mut wallet = Wallet::new(&sandbox);
    let settings = wallet.fixture.dir.paths().config_file();
    let config = std::fs::read_to_string(&settings).unwrap();
    wallet.fixture.dir.write_config(&config.replace("backend = \"keyring\"", "backend = \"auto\""));
    sandbox.fault_refresh(ROUTE, 1, fault::hold("answer"));
    let child = Child::spawn(&mut wallet.command("token anthropic"));
    sandbox.wait_for_hold("answer");
    wallet.keyring.stop();
    sandbox.release("answer");
    let ran = child.finish(Duration::from_secs(20)).ok();
    assert!(is_good(&sandbox, ran.stdout.trim()), "{ran:?}");
    assert!(ran.stderr.contains("`anthropic` is kept in the encrypted file."), "{ran:?}");
    assert!(ran.stderr.contains("The keyring still holds the old item"), "{ran:?}");
    wallet.restart(true);
    assert_eq!(wallet.cli("token anthropic", "").stdout, ran.stdout);
    assert_eq!(wallet.sent(&sandbox), 1);
}
