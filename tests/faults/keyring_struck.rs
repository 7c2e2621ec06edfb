//! A write that fails, or whose process is killed, at every system call that changes a file, with the secrets
//! in a real keyring: the item and the index cannot be written as one, and whoever reads finds one login or
//! the other all the same.

use serde_json::{Value, json};

use crate::common::{Ran, Sandbox};
use crate::control::{COUNT, KILL};
use crate::fixture::{each, is_good};
use crate::interrupted::{BLOWS, Blow, TAKE_OVER};
use crate::keyring::Keyring;
use crate::wallet::{KEY, NEW_KEY, Wallet};

/// Killed at every call that changes a file, or with a disk that is full from there on: after the reply,
/// before and after the secret's write, before the index is written.
#[test]
fn a_refresh_struck_anywhere_with_the_secret_in_a_keyring_is_taken_over() {
    if Keyring::is_here() {
        struck_anywhere(&["openrouter", "anthropic"], &[BLOWS[2], BLOWS[4]]);
    }
}

/// The same where the login is in the file, and the settings have come to name the keyring.
#[test]
fn a_refresh_that_moves_a_login_into_the_keyring_is_taken_over() {
    if Keyring::is_here() {
        struck_anywhere(&["openrouter"], &[BLOWS[4]]);
    }
}

fn struck_anywhere(moved: &[&str], blows: &[Blow]) {
    let sandbox = Sandbox::start();
    let new_wallet = || Wallet::holding(&sandbox, -10, moved);
    let untouched = new_wallet();
    let token = untouched.cli("token anthropic", "").ok().stdout;
    assert_eq!(untouched.item("anthropic")["access_token"], json!(token.trim()), "it is in the keyring then");
    let (calls, kinds) = (untouched.fixture.unreliable.get(COUNT), untouched.fixture.unreliable.kinds());
    // The end of the trial write, and the lock behind the answer: from there on the keyring takes what a full
    // disk does not.
    let locked = 2 + kinds.iter().position(|kind| *kind == "unlink").unwrap() as i64;
    let cases = (1..=calls).flat_map(|at| blows.iter().map(move |blow| (at, *blow)));
    let ends = each(cases, 4, |(at, blow)| {
        let wallet = new_wallet();
        wallet.fixture.unreliable.strike(at, blow.how, blow.stays);
        let struck = wallet.cli("token anthropic", "");
        let end = if blow.how == KILL { None } else { Some(6) };
        assert!(struck.status.code() == end || struck.code() == 0, "{at} of {kinds:?}: {struck:?}");
        wallet.fixture.unreliable.strike(0, 0, false);
        let item = wallet.item("anthropic")["refresh_token"].clone();
        let in_file = wallet.fixture.store().read(&"anthropic".parse().unwrap()).ok().flatten();
        let in_file = in_file.map(|stored| json!(stored.tokens.refresh_token.unwrap().expose()));
        let is_new = |token: &Value| token.is_string() && *token != json!(wallet.before["anthropic"].1);
        let stored = is_new(&item) || in_file.as_ref().is_some_and(is_new);
        let asked = wallet.sent(&sandbox) == 1;
        let next = wallet.cli("token anthropic", "");
        let about = format!("{at} of {kinds:?}, {blow:?}: {next:?}");
        assert!(next.took < TAKE_OVER, "{about}");
        match (asked, stored) {
            // Written to its end, and killed before it had its name: whoever comes next gives it that.
            (true, false) if next.code() == 0 => {
                assert!(matches!(kinds[usize::try_from(at).unwrap() - 1], "fsync" | "rename"), "{about}");
                assert!(is_good(&sandbox, next.stdout.trim()), "{about}");
            }
            (true, false) => assert_eq!(next.code(), 3, "{about}"),
            _ => assert!(is_good(&sandbox, next.stdout.trim()), "{about}"),
        }
        assert!(stored || blow.how == KILL || at <= locked, "not kept in the keyring: {about}");
        assert!(!stored || wallet.sent(&sandbox) == 1, "stored, and sent again: {about}");
        assert_eq!(wallet.cli("token openrouter", "").stdout.trim(), KEY, "{about}");
        (asked, stored)
    });
    let count = |end| ends.iter().filter(|found| **found == end).count();
    let (before, unstored, stored) = (count((false, false)), count((true, false)), count((true, true)));
    assert!(before > 0 && unstored > 0 && stored > 0, "each step was hit: {ends:?} of {kinds:?}");
}

/// A command that writes to the keyring and to the index.
const WRITINGS: [(&str, &str); 5] = [
    ("secret set anthropic", "a login by another method, over one"),
    ("secret set openrouter", "a key over a key"),
    ("secret set mistral", "a first key"),
    ("logout openrouter", "a logout"),
    ("secret set openrouter", MOVE),
];
const MOVE: &str = "a key that moves into the file";

type State = [(String, String); 2];

/// What the login of a command is now: how its token travels and the token, or the exit status. And another
/// one.
fn state(wallet: &Wallet, args: &str) -> State {
    let ask = |login: &str| {
        let ran = wallet.cli(&format!("token {login} --json"), "");
        let credential: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        match credential["token"].as_str() {
            Some(token) => (credential["headers"].to_string(), token.to_owned()),
            None => ("exit".to_owned(), ran.code().to_string()),
        }
    };
    [args.rsplit(' ').next().unwrap(), "openrouter@other"].map(ask)
}

/// The item and the index cannot be written as one: at whichever call it fails, what is found is one login or
/// the other.
#[test]
fn a_keyring_and_the_index_never_tell_of_two_logins() {
    if !Keyring::is_here() {
        return;
    }
    let sandbox = Sandbox::start();
    let blows = [BLOWS[0], BLOWS[4]];
    let cases = blows.into_iter().flat_map(|blow| WRITINGS.map(|writing| (blow, writing)));
    each(cases, 3, |(blow, (args, what))| {
        let wallet = Wallet::with(&sandbox, 3600);
        if what == MOVE {
            let config = std::fs::read_to_string(wallet.fixture.dir.paths().config_file()).unwrap();
            wallet.fixture.dir.write_config(&config.replace("\"keyring\"", "\"local-encrypted\""));
        }
        let index = std::fs::read(wallet.fixture.dir.paths().index_file()).unwrap();
        let items = ["anthropic", "openrouter"].map(|login| (login, wallet.item(login).to_string()));
        let old = state(&wallet, args);
        wallet.cli(args, NEW_KEY).ok();
        let new = state(&wallet, args);
        assert_ne!(old, new);
        let mut at = 0;
        loop {
            at += 1;
            std::fs::write(wallet.fixture.dir.paths().index_file(), &index).unwrap();
            for (login, item) in &items {
                wallet.set_item(login, item);
            }
            wallet.keyring.secret_tool(&wallet.fixture.dir, "clear", "mistral");
            wallet.fixture.unreliable.strike(at, blow.how, blow.stays);
            let ran = wallet.cli(args, NEW_KEY);
            if wallet.fixture.unreliable.get(COUNT) < at {
                assert!(at > 5, "{what}: {ran:?}");
                return;
            }
            wallet.fixture.unreliable.strike(0, 0, false);
            let about = format!("{what}, call {at}, {blow:?}: {ran:?}");
            is_one_or_the_other(&wallet, (&old, &new), args, &ran, &about);
            assert!(
                what != MOVE || wallet.item("openrouter").is_null(),
                "rule 10, something is left: {about}"
            );
        }
    });
}

fn is_one_or_the_other(wallet: &Wallet, (old, new): (&State, &State), args: &str, ran: &Ran, about: &str) {
    let found = state(wallet, args);
    let mut without_item = new.clone();
    if args.starts_with("logout") {
        // The item goes first, so that no secret is left behind; its entry says so.
        without_item[0].1 = "6".to_owned();
    }
    assert!(found == *old || found == *new || found == without_item, "{about}\n{found:?}");
    match ran.status.code() {
        Some(0) => assert_eq!(found, *new, "{about}"),
        Some(code) => {
            assert_eq!(code, 6, "{about}");
            let says_old = ran.stderr.contains("what was stored before is still there");
            assert!(!says_old || found == *old, "it says what is not so: {about}");
            let orphan = found == *old && !wallet.item("mistral").is_null();
            assert!(!orphan, "an item that nothing names: {about}");
        }
        None => {}
    }
    assert!(matches!(wallet.cli(args, NEW_KEY).code(), 0 | 3), "{about}");
    assert_eq!(state(wallet, args), *new, "{about}");
}
